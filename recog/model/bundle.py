"""The model folder: read, check, write.

A model is a folder of plain files: ``config.json`` (this module's :class:`ModelConfig`), ``model.safetensors`` (float16
weights, to train on), ``model.onnx`` (to run) and ``README.md`` (the model card). Nothing in it is unpickled or executed;
a folder from a stranger is checked for sizes, checksums and allowed operators before ONNX Runtime sees it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from recog.errors import UserError
from recog.model.config import Calibration, DecodingConfig, EncoderConfig, SpectrogramConfig, Strict, StripConfig

FORMAT_VERSION = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
GRAPH = "model.onnx"
CARD = "README.md"
MAX_CONFIG_BYTES = 4 << 20
MAX_FILE_BYTES = 1 << 30


class ModelConfig(Strict):
    """Everything about a model but its weights.

    ``symbols`` are the strings of the output indices, the blank (index 0) an empty string. ``normalise`` names the text
    normalisation of the transcripts it was trained on, ``decoding`` how its outputs are best decoded,
    ``confidence`` how sure of its words it may be. ``files`` holds the SHA-256 of the other files of the folder.
    ``trained`` and ``dev`` record how it was made and what it reached, for people to read.
    """

    format_version: Literal[1] = 1
    name: str = Field(max_length=200)
    modality: Literal["speech", "handwriting"]
    languages: tuple[str, ...] = ()
    symbols: tuple[str, ...] = Field(min_length=2, max_length=50_000)
    normalise: str = "plain"
    spectrogram: SpectrogramConfig | None = None
    strip: StripConfig | None = None
    encoder: EncoderConfig
    decoding: DecodingConfig = DecodingConfig()
    confidence: Calibration | None = None
    files: dict[str, str] = {}
    trained: dict[str, Any] = {}
    dev: dict[str, Any] = {}

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        if self.symbols[0] != "" or "" in self.symbols[1:] or len(set(self.symbols)) != len(self.symbols):
            raise ValueError("symbols must be distinct, the first (the blank) and only the first an empty string")
        features = self.spectrogram if self.modality == "speech" else self.strip
        if features is None:
            raise ValueError(
                f"a {self.modality} model needs its {'spectrogram' if self.modality == 'speech' else 'strip'}"
            )
        height = features.bands if isinstance(features, SpectrogramConfig) else features.height
        if height != self.encoder.height:
            raise ValueError(f"the features have {height} rows and the encoder reads {self.encoder.height}")
        if self.spectrogram:
            for values in (self.spectrogram.mean, self.spectrogram.deviation):
                if len(values) not in (0, self.spectrogram.bands):
                    raise ValueError("mean and deviation must have one value a band")
        return self


@dataclass(frozen=True)
class Bundle:
    """An opened model folder whose config is valid."""

    path: Path
    config: ModelConfig

    def file(self, name: str) -> Path:
        """Path of one of its files, its checksum verified.

        Raises:
            UserError: it is missing, too large or not the file that the config was written for.
        """
        path = self.path / name
        if not path.is_file():
            raise UserError(f"{path}: the model lacks this file.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{path}: is larger than any model may be ({MAX_FILE_BYTES >> 20} MiB).")
        expected = self.config.files.get(name)
        if expected is None or sha256(path) != expected:
            raise UserError(f"{path}: does not match the checksum in {CONFIG}; the model is damaged or was changed.")
        return path

    @property
    def card(self) -> str:
        """The model card, or a line saying there is none."""
        path = self.path / CARD
        return (
            path.read_text(encoding="utf-8", errors="replace")
            if path.is_file()
            else f"{self.config.name}: no model card."
        )


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shipped() -> dict[str, Path]:
    """Name -> folder of the models that come with recog."""
    root = Path(str(resources.files("recog") / "pretrained"))
    if not root.is_dir():
        return {}
    return {path.name: path for path in sorted(root.iterdir()) if (path / CONFIG).is_file()}


def open_bundle(name_or_path: str | Path) -> Bundle:
    """Open a model by the name of a shipped one or by the path of its folder.

    Raises:
        UserError: there is no such model, or its config cannot be used; the message says why.
    """
    path = Path(name_or_path)
    if not (path / CONFIG).is_file():
        known = shipped()
        if str(name_or_path) not in known:
            if path.is_dir():
                raise UserError(f"{path}: is not a model folder: it has no {CONFIG}.")
            raise UserError(
                f"There is no model '{name_or_path}': give a model folder or one of {', '.join(known) or 'none'}."
            )
        path = known[str(name_or_path)]
    return Bundle(path, read_config(path / CONFIG))


def read_config(path: Path) -> ModelConfig:
    """Read and validate a ``config.json``."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise UserError(f"{path}: is too large for a model's config.")
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: is not valid JSON.") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{path}: is not a model's config.")
    version = loaded.get("format_version")
    if version != FORMAT_VERSION:
        raise UserError(f"{path}: has format version {version!r}; this recog reads {FORMAT_VERSION}. Update recog.")
    try:
        return ModelConfig.model_validate(loaded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "config"
        raise UserError(f"{path}: {where}: {first['msg']}.") from None


def write_bundle(folder: Path, config: ModelConfig, files: Mapping[str, bytes], card: str) -> Bundle:
    """Write a model folder. An older model in it stays whole until everything is on the disk, and ``config.json`` comes
    last, so that a half-written folder is never a model."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    config = config.model_copy(update={"files": sums})
    text = config.model_dump_json(indent=1, exclude_none=True) + "\n"
    contents = {**files, CARD: card.encode(), CONFIG: text.encode()}
    beside = {name: folder / f"{name}.part" for name in contents}
    try:
        for name, content in contents.items():
            with beside[name].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        for path in beside.values():
            path.unlink(missing_ok=True)
        raise
    (folder / CONFIG).unlink(missing_ok=True)
    for name, path in beside.items():
        path.replace(folder / name)
    return Bundle(folder, config)


def update_bundle(bundle: Bundle, folder: Path, config: ModelConfig, files: Mapping[str, bytes], card: str) -> Bundle:
    """Write a model again with another config, card and some new files; what the config no longer names is left out."""
    kept = {name for name in (WEIGHTS, GRAPH, config.decoding.lm) if name in bundle.config.files and name not in files}
    contents = {name: bundle.file(name).read_bytes() for name in sorted(kept)}
    return write_bundle(folder, config, {**contents, **files}, card)
