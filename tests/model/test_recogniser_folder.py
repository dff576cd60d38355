"""Model folders: round trip, damage, strangers."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UserError
from recog.model.config import ConvLayer, EncoderConfig, StripConfig
from recog.model.language_model import open_language_model_folder
from recog.model.recogniser_folder import (
    ModelConfig,
    open_recogniser_folder,
    shipped,
    write_recogniser_folder,
)


def config(**changes) -> ModelConfig:
    values = {
        "name": "m", "modality": "handwriting", "symbols": ("", "a", "é"), "strip": StripConfig(height=16),
        "encoder": EncoderConfig(height=16, convolutions=(ConvLayer(channels=4, stride=(2, 2)),)),
    }  # fmt: skip
    return ModelConfig(**(values | changes))


def folder(tmp_path: Path) -> Path:
    write_recogniser_folder(
        tmp_path / "m", config(), {"model.onnx": b"graph", "model.safetensors": b"weights"}, "# m\n"
    )
    return tmp_path / "m"


def test_round_trip(tmp_path):
    model_folder = open_recogniser_folder(folder(tmp_path))
    assert model_folder.config.symbols == ("", "a", "é") and model_folder.config.strip.height == 16
    assert model_folder.file("model.onnx").read_bytes() == b"graph"
    assert model_folder.card == "# m\n"


def test_a_changed_file_is_refused_by_name(tmp_path):
    path = folder(tmp_path)
    (path / "model.onnx").write_bytes(b"graph!")
    with pytest.raises(UserError, match=r"model\.onnx: does not match the checksum"):
        open_recogniser_folder(path).file("model.onnx")
    (path / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors: the model lacks"):
        open_recogniser_folder(path).file("model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format version 2"),
        ({"symbols": ["", "a", "a"]}, "distinct"),
        ({"symbols": ["a", "b"]}, "blank"),
        ({"strip": None}, "needs its strip"),
        ({"strip": {"height": 32}}, "32 rows and the encoder reads 16"),
        ({"surprise": 1}, "surprise"),
        ({"encoder": {"height": 16, "layers": 10**9}}, "encoder"),
    ],
)
def test_wrong_configs_are_named(tmp_path, change, message):
    path = folder(tmp_path)
    file = path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UserError, match=message):
        open_recogniser_folder(path)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300)
    | st.text(max_size=50).map(lambda s: json.dumps({"format_version": 1, "name": s}).encode())
)
def test_hostile_configs_give_a_sentence(tmp_path_factory, content: bytes):
    path = tmp_path_factory.mktemp("model_folder")
    (path / "config.json").write_bytes(content)
    with pytest.raises(UserError):
        open_recogniser_folder(path)


def test_unknown_models_list_those_known():
    with pytest.raises(UserError, match="no model 'nothing-here'") as error:
        open_recogniser_folder("nothing-here")
    assert all(name in str(error.value) for name in shipped())


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(UserError, match="not a model folder"):
        open_recogniser_folder(tmp_path)


def test_a_full_disk_leaves_the_old_model(tmp_path, monkeypatch):
    path = folder(tmp_path)
    count = iter(range(10))

    def full(_file: int) -> None:
        if next(count) == 1:
            raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_recogniser_folder(
            path, config(), {"model.onnx": b"new", "model.safetensors": b"new"}, "# new\n"
        )
    assert open_recogniser_folder(path).file("model.onnx").read_bytes() == b"graph"
    assert not list(path.glob("*.part"))


def test_a_write_that_ends_in_the_middle_of_its_renames_is_no_model(tmp_path, monkeypatch):
    path = folder(tmp_path)
    plain = Path.replace

    def stop(self, target):
        if target.name == "README.md":
            raise KeyboardInterrupt
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_recogniser_folder(
            path, config(), {"model.onnx": b"new", "model.safetensors": b"new"}, "# new\n"
        )
    assert not (path / "config.json").exists()


def test_a_language_model_is_no_recogniser_and_the_other_way_round(tmp_path):
    write_recogniser_folder(
        tmp_path / "m", config(), {"model.onnx": b"graph", "model.safetensors": b"weights"}, "# m\n"
    )
    with pytest.raises(
        UserError, match=r"m: is for .*, where a model is needed that is a language model"
    ):
        open_language_model_folder(tmp_path / "m")
    text = (tmp_path / "m" / "config.json").read_text()
    kind = open_recogniser_folder(tmp_path / "m").config.modality
    (tmp_path / "m" / "config.json").write_text(
        text.replace(f'"modality": "{kind}"', '"modality": "text"')
    )
    with pytest.raises(UserError, match="is a language model, for --rescore, where"):
        open_recogniser_folder(tmp_path / "m")
