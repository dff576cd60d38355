"""The folder of a neural language model: the same files as a recogniser's, another config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from recog.errors import UserError
from recog.model.bundle import CONFIG, FORMAT_VERSION, MAX_CONFIG_BYTES, Bundle
from recog.model.config import Strict
from recog.text.normalise import RULES

UNKNOWN, END = "<unk>", "</s>"
UNKNOWN_ID, END_ID = 0, 1


class LanguageNetworkConfig(Strict):
    """Shape of :class:`recog.nn.language.LanguageNetwork`.

    ``tied`` shares one matrix between the embedding and the output layer (Press and Wolf 2017), for large vocabularies;
    the embedding then has the size of the hidden state.
    """

    embedding: int = Field(64, ge=1, le=4096)
    hidden: int = Field(512, ge=1, le=4096)
    layers: int = Field(2, ge=1, le=8)
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    tied: bool = False

    @model_validator(mode="after")
    def _same_size(self) -> LanguageNetworkConfig:
        if self.tied and self.embedding != self.hidden:
            raise ValueError(f"a tied embedding has the size of the hidden state, {self.hidden}, not {self.embedding}")
        return self


class LanguageModelConfig(Strict):
    """Everything about a neural language model but its weights.

    ``symbols`` are the tokens by index, ``<unk>`` and ``</s>`` first; a character model writes the space between words as
    ``|``. ``normalise`` names the rule that texts go through before they are scored. ``sentence`` says that the lines it
    was trained on were sentences, each closed by ``</s>``; else they were running text.
    """

    format_version: Literal[1] = 1
    name: str = Field(max_length=200)
    modality: Literal["text"] = "text"
    languages: tuple[str, ...] = ()
    unit: Literal["word", "character"]
    symbols: tuple[str, ...] = Field(min_length=3, max_length=200_000)
    normalise: str = "plain"
    sentence: bool = False
    network: LanguageNetworkConfig
    files: dict[str, str] = {}
    trained: dict[str, Any] = {}
    dev: dict[str, Any] = {}

    @model_validator(mode="after")
    def _consistent(self) -> LanguageModelConfig:
        if self.symbols[:2] != (UNKNOWN, END) or "" in self.symbols or len(set(self.symbols)) != len(self.symbols):
            raise ValueError(f"symbols must be distinct and not empty, the first two {UNKNOWN} and {END}")
        if self.normalise not in RULES:
            raise ValueError(f"there is no text normalisation '{self.normalise}'")
        return self


@dataclass(frozen=True)
class LanguageBundle(Bundle):
    """An opened folder of a language model; files and checksums as in :class:`recog.model.bundle.Bundle`."""

    config: LanguageModelConfig  # type: ignore[assignment]  # the same folder, another config


def open_language_bundle(path: str | Path) -> LanguageBundle:
    """Open the folder of a neural language model.

    Raises:
        UserError: it is not one, or its config cannot be used; the message says why.
    """
    path = Path(path)
    file = path / CONFIG
    if not file.is_file():
        raise UserError(f"{path}: is not the folder of a neural language model: it has no {CONFIG}.")
    return LanguageBundle(path, _read_config(file))


def _read_config(path: Path) -> LanguageModelConfig:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise UserError(f"{path}: is too large for a model's config.")
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: is not valid JSON.") from None
    if not isinstance(loaded, dict) or loaded.get("modality") != "text":
        raise UserError(f"{path}: is not the config of a language model; one is made by recog train, modality text.")
    if loaded.get("format_version") != FORMAT_VERSION:
        version = loaded.get("format_version")
        raise UserError(f"{path}: has format version {version!r}; this recog reads {FORMAT_VERSION}. Update recog.")
    try:
        return LanguageModelConfig.model_validate(loaded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "config"
        raise UserError(f"{path}: {where}: {first['msg']}.") from None
