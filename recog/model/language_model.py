"""Folder of a neural language model: the files of a recogniser with another config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from recog.errors import UserError
from recog.model.config import Strict
from recog.model.folder import CONFIG, FolderConfig, ModelFolder, read_config, write_folder
from recog.text.normalise import RULES

UNKNOWN, END = "<unk>", "</s>"
UNKNOWN_ID, END_ID = 0, 1


class LanguageNetworkConfig(Strict):
    """Shape of :class:`recog.nn.language_model.LanguageNetwork`.

    ``tied`` shares the weight matrix between the embedding and the output layer (Press and Wolf
    2017), for large vocabularies. Where embedding and hidden state differ in size, a linear layer
    projects the hidden state to the size of the embedding.
    """

    embedding: int = Field(64, ge=1, le=4096)
    hidden: int = Field(512, ge=1, le=4096)
    layers: int = Field(2, ge=1, le=8)
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    tied: bool = False

    @property
    def projected(self) -> bool:
        """Whether a linear layer connects the last LSTM layer to the output layer."""
        return self.tied and self.embedding != self.hidden


class LanguageModelConfig(FolderConfig):
    """Config of a neural language model.

    ``symbols`` are the tokens by index, with ``<unk>`` and ``</s>`` first. A character model writes
    the space between words as ``|``. ``normalise`` names the normalisation of texts before they are
    scored. ``sentence`` is true if the training lines were sentences, each ended by ``</s>``, and
    false if they were running text.
    """

    modality: Literal["text"] = "text"
    unit: Literal["word", "character"]
    symbols: tuple[str, ...] = Field(min_length=3, max_length=200_000)
    sentence: bool = False
    network: LanguageNetworkConfig

    @model_validator(mode="after")
    def _consistent(self) -> LanguageModelConfig:
        if (
            self.symbols[:2] != (UNKNOWN, END)
            or "" in self.symbols
            or len(set(self.symbols)) != len(self.symbols)
        ):
            raise ValueError(
                f"symbols must be distinct and not empty, the first two {UNKNOWN} and {END}"
            )
        if self.normalise not in RULES:
            raise ValueError(f"there is no text normalisation '{self.normalise}'")
        return self


class LanguageModelFolder(ModelFolder[LanguageModelConfig]):
    """An open folder of a neural language model."""


def open_language_model_folder(path: str | Path) -> LanguageModelFolder:
    """Open the folder of a neural language model.

    Raises:
        UserError: the folder is not a language model, or its config cannot be used. The message
            gives the reason.
    """
    path = Path(path)
    file = path / CONFIG
    if not file.is_file():
        raise UserError(
            f"{path}: is not the folder of a neural language model: it has no {CONFIG}."
        )
    return LanguageModelFolder(path, read_config(file, LanguageModelConfig, ("text",)))


def write_language_model_folder(
    folder: Path, config: LanguageModelConfig, files: Mapping[str, bytes], card: str
) -> LanguageModelFolder:
    """Write the folder of a language model; see :func:`recog.model.folder.write_folder`."""
    return LanguageModelFolder(folder, write_folder(folder, config, files, card))
