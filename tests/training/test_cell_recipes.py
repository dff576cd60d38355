"""Every cell from a recipe to a model that reads."""

from pathlib import Path
from typing import get_args

import pytest

torch = pytest.importorskip("torch")

import recog
from recog.errors import UserError
from recog.model.config import TORCH_ONLY, Cell, EncoderConfig
from recog.model.recogniser_folder import open_recogniser_folder
from recog.model.runtime import open_runtime
from recog.training.checkpoint import read_checkpoint
from recog.training.recipe_base import RunOptions
from recog.training.recogniser.recipe import read_recipe
from recog.training.recogniser.run import train_recogniser


def with_encoder(recipe: Path, **options: object) -> Path:
    """The recipe with these keys in its encoder."""
    lines = "".join(f"  {name}: {value}\n" for name, value in options.items())
    recipe.write_text(recipe.read_text().replace("encoder:\n", "encoder:\n" + lines))
    return recipe


@pytest.mark.parametrize("cell", get_args(Cell))
def test_a_recipe_makes_a_model_that_reads(
    recipe_file: Path, lines: Path, tmp_path: Path, capsys, cell: Cell
):
    out = tmp_path / "model"
    train_recogniser(with_encoder(recipe_file, cell=cell), out, None, RunOptions(epochs=2))
    model_folder = open_recogniser_folder(out)
    assert model_folder.config.encoder.cell == cell
    assert (out / "model.onnx").exists() == (cell not in TORCH_ONLY)
    assert isinstance(recog.load(out).transcribe(lines / "line00.png").text, str)
    told = capsys.readouterr().err
    assert ("needs torch" in told) == ("needs torch" in model_folder.card) == (cell in TORCH_ONLY)
    if cell in TORCH_ONLY:
        assert "as shipped in float32" in told and model_folder.config.arithmetic == "float32"


def test_a_convolutional_lstm_from_a_recipe(recipe_file: Path, lines: Path, tmp_path: Path):
    text = recipe_file.read_text()
    recipe_file.write_text(
        text.replace(
            "{channels: 8, pool",
            "{channels: 2, kernel: [3, 1], recurrent: true}, {channels: 8, pool",
        )
    )
    out = tmp_path / "model"
    train_recogniser(recipe_file, out, None, RunOptions(epochs=1))
    assert open_recogniser_folder(out).config.encoder.convolutions[1].recurrent
    assert isinstance(recog.load(out).transcribe(lines / "line00.png").text, str)


def test_attention_from_a_recipe(recipe_file: Path, lines: Path, tmp_path: Path):
    out = tmp_path / "model"
    train_recogniser(with_encoder(recipe_file, attention=4), out, None, RunOptions(epochs=2))
    assert "self-attention of 4 heads" in open_recogniser_folder(out).card
    assert isinstance(recog.load(out).transcribe(lines / "line00.png").text, str)


def test_a_model_that_runs_in_torch_reads_as_its_network_does(recipe_file: Path, tmp_path: Path):
    out = tmp_path / "model"
    train_recogniser(with_encoder(recipe_file, cell="layer-norm"), out, None, RunOptions(epochs=1))
    model_folder = open_recogniser_folder(out)
    runtime = open_runtime(model_folder)
    from recog.nn.weights import network_from

    network = network_from(model_folder).eval()
    features = torch.rand(37, 16)
    expected = network(features[None], torch.tensor([37]))[0][0].detach()
    torch.testing.assert_close(torch.from_numpy(runtime.log_probs(features.numpy())), expected)
    assert runtime.log_probs(features.numpy()[:0]).shape == (0, len(model_folder.config.symbols))


def test_without_torch_such_a_model_says_what_is_missing(
    recipe_file: Path, tmp_path: Path, monkeypatch
):
    out = tmp_path / "model"
    train_recogniser(
        with_encoder(recipe_file, cell="multiplicative"), out, None, RunOptions(epochs=1)
    )

    def missing(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("recog.model.runtime.import_module", missing)
    with pytest.raises(
        UserError,
        match=r"multiplicative LSTM.*torch is not installed: pip install 'recog\[train\]'",
    ):
        recog.load(out)


def test_a_config_that_asks_for_more_than_its_weights_is_refused_before_it_takes_memory(
    recipe_file, tmp_path
):
    out = tmp_path / "model"
    train_recogniser(with_encoder(recipe_file, cell="layer-norm"), out, None, RunOptions(epochs=1))
    config = out / "config.json"
    config.write_text(config.read_text().replace('"hidden": 16', '"hidden": 4096'))
    with pytest.raises(UserError, match="do not fit the config"):
        recog.load(out)


def test_an_interrupted_run_with_recurrent_dropout_ends_the_same(
    recipe_file, tmp_path, monkeypatch
):
    from recog.training.progress import Reporter

    recipe = with_encoder(recipe_file, cell="peephole", recurrent_dropout=0.3)
    train_recogniser(recipe, tmp_path / "whole", None)
    plain = Reporter.step

    class Kill(BaseException):
        pass

    def stop(self: Reporter, number: int, *rest: float) -> None:
        plain(self, number, *rest)
        if number == 5:
            raise Kill

    monkeypatch.setattr("recog.training.loop.CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "step", stop)
        with pytest.raises(Kill):
            train_recogniser(recipe, tmp_path / "killed", None)
    train_recogniser(recipe, tmp_path / "killed", None)
    a, b = (
        read_checkpoint(tmp_path / name / "training" / "last.safetensors")[0]
        for name in ("whole", "killed")
    )
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "lstn"}, "encoder.cell: Input should be 'lstm', 'peephole'"),
        (
            {"cell": "gru", "recurrent_dropout": 0.2},
            "cells with a memory cell, which 'gru' has not",
        ),
        ({"attention": 5}, "32 features of a state cannot be shared out to 5 attention heads"),
        ({"recurrent_dropout": 1.0}, "encoder.recurrent_dropout: .* less than 1"),
    ],
)
def test_wrong_recipes_are_named(recipe_file: Path, options: dict[str, object], message: str):
    with pytest.raises(UserError, match=message):
        read_recipe(with_encoder(recipe_file, **options))


def test_what_is_at_its_default_is_not_written():
    """Older models and runs know none of it."""
    plain = EncoderConfig(height=16, convolutions=())
    assert "cell" not in plain.model_dump() and "bidirectional" not in plain.model_dump_json()
    other = plain.model_copy(update={"cell": "gru", "bidirectional": False})
    assert EncoderConfig.model_validate(other.model_dump()) == other
    assert EncoderConfig.model_validate(plain.model_dump()) == plain
