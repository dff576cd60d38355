"""Read, check and write model folders.

A model is a folder of plain files: ``config.json``, ``model.safetensors`` (float16 weights, for
further training), ``model.onnx`` (for inference) and ``README.md`` (the model card). Nothing in it
is unpickled or executed. A folder may come from an untrusted source, so file sizes, checksums and
operators are checked before ONNX Runtime loads the graph.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field, ValidationError

from recog.errors import UserError
from recog.model.config import Strict
from recog.util.atomic_files import flush_to_disk, partial_path

FORMAT_VERSION = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
GRAPH = "model.onnx"
CARD = "README.md"
PRONUNCIATIONS = "pronunciations.tsv"  # of models that recognise phones
SPELLING = "spelling.bin"  # predicts the pronunciation of other words
RESCORER = "rescorer.onnx"  # neural language model for rescoring
RESCORER_CONFIG = "rescorer.json"
TRAINING_PLOT = "training.svg"  # of models that this recog trained
MAX_CONFIG_BYTES = 4 << 20
MAX_FILE_BYTES = 1 << 30
KINDS = {
    "speech": "for speech",
    "handwriting": "for handwriting",
    "text": "a language model, for --rescore",
    "page": "a page model, which finds lines",
}


class FolderConfig(Strict):
    """Config keys that all kinds of models share.

    ``normalise`` names the normalisation of the training texts. ``files`` holds the SHA-256 of the
    other files of the folder. ``trained`` and ``dev`` record how the model was trained and its
    scores on dev, for people to read.
    """

    format_version: Literal[1] = 1
    name: str = Field(max_length=200)
    modality: str
    languages: tuple[str, ...] = ()
    normalise: str = "plain"
    files: dict[str, str] = {}
    trained: dict[str, Any] = {}
    dev: dict[str, Any] = {}


Config = TypeVar("Config", bound=FolderConfig)


@dataclass(frozen=True)
class ModelFolder(Generic[Config]):
    """An open model folder with a valid config."""

    path: Path
    config: Config

    def file(self, name: str) -> Path:
        """Return the path of a file in the folder, after verifying its checksum.

        Raises:
            UserError: the file is missing, is too large or does not match the checksum.
        """
        path = self.path / name
        if not path.is_file():
            raise UserError(f"{path}: the model lacks this file.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(
                f"{path}: is larger than any model may be ({MAX_FILE_BYTES >> 20} MiB)."
            )
        expected = self.config.files.get(name)
        if expected is None or sha256(path) != expected:
            raise UserError(
                f"{path}: does not match the checksum in {CONFIG}; the model is damaged or was "
                "changed."
            )
        return path

    @property
    def card(self) -> str:
        """Text of the model card, or a line that there is no card."""
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


def read_config(path: Path, kind: type[Config], modalities: tuple[str, ...]) -> Config:
    """Read and validate a ``config.json``.

    Raises:
        UserError: the config cannot be used, or the model is for another modality.
    """
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
    version, modality = loaded.get("format_version"), loaded.get("modality")
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path}: has format version {version!r}; this recog reads {FORMAT_VERSION}. Update "
            "recog."
        )
    if isinstance(modality, str) and modality in KINDS and modality not in modalities:
        wanted = " or ".join(KINDS[name] for name in modalities)
        raise UserError(
            f"{path.parent}: is {KINDS[modality]}, where a model is needed that is {wanted}."
        )
    try:
        return kind.model_validate(loaded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "config"
        raise UserError(f"{path}: {where}: {first['msg']}.") from None


def modality_of(folder: str | Path) -> str | None:
    """Return the modality in the config of a model folder; None for any other folder."""
    try:
        loaded = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    found = loaded.get("modality") if isinstance(loaded, dict) else None
    return found if isinstance(found, str) else None


def pretrained() -> dict[str, Path]:
    """Map the names of all models shipped with recog to their folders."""
    root = Path(str(resources.files("recog") / "pretrained"))
    if not root.is_dir():
        return {}
    return {path.name: path for path in sorted(root.iterdir()) if (path / CONFIG).is_file()}


def write_folder(folder: Path, config: Config, files: Mapping[str, bytes], card: str) -> Config:
    """Write a model folder and return the config with the checksums of the files.

    An older model in the folder stays intact until all new files are on disk. ``config.json`` is
    written last, so that an incomplete folder never counts as a model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    config = config.model_copy(update={"files": sums})
    text = config.model_dump_json(indent=1, exclude_none=True) + "\n"
    contents = {**files, CARD: card.encode(), CONFIG: text.encode()}
    beside = {name: partial_path(folder / name) for name in contents}
    try:
        for name, content in contents.items():
            beside[name].write_bytes(content)
            flush_to_disk(beside[name])
    except BaseException:
        for path in beside.values():
            path.unlink(missing_ok=True)
        raise
    (folder / CONFIG).unlink(missing_ok=True)
    for name, path in beside.items():
        path.replace(folder / name)
    return config
