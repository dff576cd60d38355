"""The folder of a recogniser: its config, opening one by name or path, writing one."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from recog.errors import UserError
from recog.model.config import (
    Calibration,
    DecodingConfig,
    EncoderConfig,
    SpectrogramConfig,
    StripConfig,
    views_fault,
)
from recog.model.folder import (
    CONFIG,
    GRAPH,
    PRONUNCIATIONS,
    RESCORER,
    RESCORER_CONFIG,
    SPELLING,
    TRAINING_PLOT,
    WEIGHTS,
    FolderConfig,
    ModelFolder,
    modality_of,
    pretrained,
    read_config,
    write_folder,
)
from recog.text.pronunciations import SPACE, Pronunciations, read_pronunciations

# the shipped model for each modality
DEFAULTS = {"speech": "english-speech", "handwriting": "latin-handwriting"}


class ModelConfig(FolderConfig):
    """Everything about a recogniser but its weights.

    ``symbols`` are the strings of the output indices, the blank (index 0) an empty string.
    ``sounds`` are those of the outputs beside them, where the network hears how words are
    pronounced; the words are in its file of pronunciations. ``decoding`` says how its outputs are
    best decoded, ``confidence`` how sure of its words it may be.
    """

    modality: Literal["speech", "handwriting"]
    symbols: tuple[str, ...] = Field(min_length=2, max_length=50_000)
    sounds: tuple[str, ...] | None = Field(None, min_length=3, max_length=1024)
    spectrogram: SpectrogramConfig | None = None
    strip: StripConfig | None = None
    encoder: EncoderConfig
    decoding: DecodingConfig = DecodingConfig()
    confidence: Calibration | None = None

    @property
    def outputs(self) -> int:
        """Of the network: symbols, and sounds beside them."""
        return len(self.symbols) + self.encoder.sounds

    @property
    def arithmetic(self) -> str:
        """What the shipped network computes in."""
        return "float32" if self.encoder.torch_only else "int8"

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        if (
            self.symbols[0] != ""
            or "" in self.symbols[1:]
            or len(set(self.symbols)) != len(self.symbols)
        ):
            raise ValueError(
                "symbols must be distinct, the first (the blank) and only the first an empty string"
            )
        if any(
            unicodedata.category(character) in ("Cc", "Cs")
            for symbol in self.symbols
            for character in symbol
        ):
            raise ValueError(
                "symbols must be text, without control characters and halves of surrogate pairs"
            )
        if self.sounds is not None and (
            self.sounds[:2] != ("", SPACE) or any(len(s) != 1 for s in self.sounds[2:])
        ):
            raise ValueError(
                "sounds must be an empty string (the blank), a space, and one character each"
            )
        if self.sounds is not None and len(set(self.sounds)) != len(self.sounds):
            raise ValueError("sounds must be distinct")
        if len(self.sounds or ()) != self.encoder.sounds:
            raise ValueError(
                f"the encoder has {self.encoder.sounds} outputs for sounds, and there are "
                f"{len(self.sounds or ())}"
            )
        features = self.spectrogram if self.modality == "speech" else self.strip
        if features is None:
            raise ValueError(
                f"a {self.modality} model needs its "
                f"{'spectrogram' if self.modality == 'speech' else 'strip'}"
            )
        height = features.bands if isinstance(features, SpectrogramConfig) else features.height
        if height != self.encoder.height:
            raise ValueError(
                f"the features have {height} rows and the encoder reads {self.encoder.height}"
            )
        fault = views_fault(self.modality, self.decoding.views)
        if fault:
            raise ValueError(fault)
        if self.spectrogram:
            for values in (self.spectrogram.mean, self.spectrogram.deviation):
                if len(values) not in (0, self.spectrogram.bands):
                    raise ValueError("mean and deviation must have one value a band")
        return self


class RecogniserFolder(ModelFolder[ModelConfig]):
    """An opened folder of a recogniser."""

    def pronunciations(self) -> Pronunciations:
        """The words that the model knows the sounds of; none where it does not hear sounds.

        Raises:
            UserError: their file is missing or damaged.
        """
        return read_pronunciations(self.file(PRONUNCIATIONS)) if self.config.sounds else {}


def shipped() -> dict[str, Path]:
    """Name -> folder of the recognisers that come with recog."""
    return {name: path for name, path in pretrained().items() if modality_of(path) in DEFAULTS}


def shipped_name(model_folder: RecogniserFolder) -> str | Path:
    """The name of a shipped model, by which every installation finds its own; else the absolute
    path of the folder."""
    path = model_folder.path.absolute()
    return next((name for name, folder in shipped().items() if folder.absolute() == path), path)


def open_recogniser_folder(name_or_path: str | Path) -> RecogniserFolder:
    """Open a model by the name of a shipped one or by the path of its folder.

    Raises:
        UserError: there is no such model, or its config cannot be used; the message says why.
    """
    path = Path(name_or_path)
    if not (path / CONFIG).is_file():
        found = pretrained()
        if str(name_or_path) not in found:
            if path.is_dir():
                raise UserError(f"{path}: is not a model folder: it has no {CONFIG}.")
            raise UserError(
                f"There is no model '{name_or_path}': give a model folder or one of "
                f"{', '.join(shipped()) or 'none'}."
            )
        path = found[str(name_or_path)]  # of another kind: read_config says which
    return RecogniserFolder(
        path, read_config(path / CONFIG, ModelConfig, ("speech", "handwriting"))
    )


def write_recogniser_folder(
    folder: Path, config: ModelConfig, files: Mapping[str, bytes], card: str
) -> RecogniserFolder:
    """Write a recogniser's folder, see :func:`recog.model.folder.write_folder`."""
    return RecogniserFolder(folder, write_folder(folder, config, files, card))


def update_recogniser_folder(
    model_folder: RecogniserFolder,
    folder: Path,
    config: ModelConfig,
    files: Mapping[str, bytes],
    card: str,
) -> RecogniserFolder:
    """Write a model again with another config, card and some new files; what the config no longer
    names is left out."""
    kept = {
        name
        for name in (
            WEIGHTS,
            GRAPH,
            TRAINING_PLOT,
            *((PRONUNCIATIONS, SPELLING) if config.sounds else ()),
            config.decoding.lm,
            *config.decoding.languages.values(),
            *((RESCORER, RESCORER_CONFIG) if config.decoding.rescoring else ()),
        )
        if name in model_folder.config.files and name not in files
    }
    contents = {name: model_folder.file(name).read_bytes() for name in sorted(kept)}
    return write_recogniser_folder(folder, config, {**contents, **files}, card)
