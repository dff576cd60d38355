"""Weights of two models, averaged: the mean in float32, the graph made of it, everything else the second's."""

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from safetensors.torch import load_file, save  # noqa: E402

import recog  # noqa: E402
from recog.errors import UserError  # noqa: E402
from recog.model.bundle import open_bundle, update_bundle  # noqa: E402

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("average_models", ROOT / "scripts" / "average_models.py")
assert spec is not None and spec.loader is not None
average_models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(average_models)


def test_the_mean_of_two_models(tmp_path: Path) -> None:
    base = open_bundle("latin-handwriting")
    weights = load_file(base.file("model.safetensors"))
    shifted = {name: t + (0.25 if name == "head.bias" else 0.0) for name, t in weights.items()}
    assert not torch.equal(shifted["head.bias"], weights["head.bias"])
    files = {name: base.file(name).read_bytes() for name in base.config.files if name != "model.safetensors"}
    update_bundle(base, tmp_path / "b", base.config, files | {"model.safetensors": save(shifted)}, "the second's card")
    average_models.average("latin-handwriting", str(tmp_path / "b"), tmp_path / "mean", 0.25)
    mean = open_bundle(tmp_path / "mean")
    found = load_file(mean.file("model.safetensors"))
    expected = weights["head.bias"].float() + 0.25 * 0.25
    assert torch.allclose(found["head.bias"].float(), expected, atol=0.005) and found.keys() == weights.keys()
    assert torch.equal(found["front.0.conv.weight"], weights["front.0.conv.weight"])
    assert mean.card == "the second's card" and mean.config.decoding == base.config.decoding
    sample = ROOT / "data" / "samples" / "garden.png"
    assert recog.load(tmp_path / "mean").transcribe(sample).text == recog.load(base.path).transcribe(sample).text


def test_models_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="have other symbols"):
        average_models.average("english-speech", "latin-handwriting", tmp_path / "mean", 0.5)
    assert not (tmp_path / "mean").exists()
