"""Scripts that make models of models: the mean of two, everything else the second's; and the same
one in float32."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
from safetensors.torch import load_file, save

import recog
from recog.errors import UserError
from recog.model.recogniser_folder import open_recogniser_folder, update_recogniser_folder
from recog.nn.export.recogniser import build_onnx, quantise

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


average_models, float32_model = script("average_models"), script("float32_model")


def test_the_mean_of_two_models(tmp_path: Path) -> None:
    base = open_recogniser_folder("latin-handwriting")
    weights = load_file(base.file("model.safetensors"))
    shifted = {name: t + (0.25 if name == "head.bias" else 0.0) for name, t in weights.items()}
    assert not torch.equal(shifted["head.bias"], weights["head.bias"])
    files = {
        name: base.file(name).read_bytes()
        for name in base.config.files
        if name != "model.safetensors"
    }
    # of use in its training, and not in the mean
    encoder = base.config.encoder.model_copy(update={"intermediate": 2})
    shifted |= {
        "early.weight": torch.zeros_like(weights["head.weight"]),
        "early.bias": weights["head.bias"],
    }
    config = base.config.model_copy(update={"encoder": encoder})
    update_recogniser_folder(
        base,
        tmp_path / "b",
        config,
        files | {"model.safetensors": save(shifted)},
        "the second's card",
    )
    average_models.average("latin-handwriting", str(tmp_path / "b"), tmp_path / "mean", 0.25)
    mean = open_recogniser_folder(tmp_path / "mean")
    found = load_file(mean.file("model.safetensors"))
    expected = weights["head.bias"].float() + 0.25 * 0.25
    assert (
        torch.allclose(found["head.bias"].float(), expected, atol=0.005)
        and found.keys() == weights.keys()
    )
    assert torch.equal(found["front.0.conv.weight"], weights["front.0.conv.weight"])
    assert mean.card == "the second's card" and mean.config.decoding == base.config.decoding
    assert mean.config.encoder == base.config.encoder
    sample = ROOT / "data" / "samples" / "garden.png"
    assert (
        recog.load(tmp_path / "mean").transcribe(sample).text
        == recog.load(base.path).transcribe(sample).text
    )


def test_a_base_with_fewer_symbols_grows(tmp_path: Path) -> None:
    base = open_recogniser_folder("latin-handwriting")
    symbols = (*base.config.symbols, "\u013a")
    weights = load_file(base.file("model.safetensors"))
    for layer in ("head", "shortcut"):
        for part in ("weight", "bias"):
            value = weights[f"{layer}.{part}"]
            weights[f"{layer}.{part}"] = torch.cat((value, torch.ones_like(value[:1])))
    arrays = {name: t.float().numpy() for name, t in weights.items()}
    graph = quantise(build_onnx(base.config.encoder, arrays, len(symbols))).SerializeToString()
    files = {name: base.file(name).read_bytes() for name in base.config.files}
    update_recogniser_folder(
        base,
        tmp_path / "grown",
        base.config.model_copy(update={"symbols": symbols}),
        files | {"model.safetensors": save(weights), "model.onnx": graph},
        base.card,
    )
    average_models.average("latin-handwriting", str(tmp_path / "grown"), tmp_path / "mean", 0.5)
    mean = load_file(open_recogniser_folder(tmp_path / "mean").file("model.safetensors"))
    similar = weights["head.bias"][list(base.config.symbols).index("l")].float()
    assert float(mean["head.bias"][-1]) == pytest.approx(0.5 + 0.5 * float(similar), abs=0.005)
    assert torch.equal(mean["head.bias"][:-1], weights["head.bias"][:-1])


def test_models_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has symbols that"):
        average_models.average("english-speech", "latin-handwriting", tmp_path / "mean", 0.5)
    assert not (tmp_path / "mean").exists()


def test_a_model_in_float32_differs_by_the_rounding_of_int8(tmp_path: Path) -> None:
    float32_model.float32_model("latin-handwriting", tmp_path / "single")
    sample, seen = ROOT / "data" / "samples" / "garden.png", []
    readers = [recog.load(model, threads=1) for model in ("latin-handwriting", tmp_path / "single")]
    texts = [reader.transcribe(sample, keep=seen.append).text for reader in readers]
    assert texts[0] == texts[1]
    assert 0.0 < np.abs(np.exp(seen[0]) - np.exp(seen[1])).mean() < 0.005
    sizes = [reader.model_folder.file("model.onnx").stat().st_size for reader in readers]
    assert sizes[1] > 3 * sizes[0]
