"""Folder of a recogniser: its config, opening by name or path, writing."""

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
    """Config of a recogniser.

    ``symbols`` are the strings of the output indices. The blank (index 0) is an empty string.
    ``sounds`` are the phones of the additional outputs, where the network recognises phones. The
    pronunciations of words are then in a file in the folder. ``decoding`` has the tuned decoding
    options, and ``confidence`` the calibration of word confidences.
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
        """Number of outputs of the network: symbols and phones."""
        return len(self.symbols) + self.encoder.sounds

    @property
    def arithmetic(self) -> str:
        """Number format of the exported network."""
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
    """An open folder of a recogniser."""

    def pronunciations(self) -> Pronunciations:
        """Read the pronunciations of words; empty for a model that does not recognise phones.

        Raises:
            UserError: the file of pronunciations is missing or damaged.
        """
        return read_pronunciations(self.file(PRONUNCIATIONS)) if self.config.sounds else {}


def shipped() -> dict[str, Path]:
    """Map the names of the recognisers shipped with recog to their folders."""
    return {name: path for name, path in pretrained().items() if modality_of(path) in DEFAULTS}


def shipped_name(model_folder: RecogniserFolder) -> str | Path:
    """Return the name of a shipped model, or the absolute path of any other model.

    Unlike a path, the name is valid in every installation.
    """
    path = model_folder.path.absolute()
    return next((name for name, folder in shipped().items() if folder.absolute() == path), path)


def open_recogniser_folder(name_or_path: str | Path) -> RecogniserFolder:
    """Open a recogniser by the name of a shipped model or by the path of a folder.

    Raises:
        UserError: the model does not exist, or its config cannot be used. The message gives the
            reason.
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
        path = found[str(name_or_path)]  # read_config rejects other kinds of models
    return RecogniserFolder(
        path, read_config(path / CONFIG, ModelConfig, ("speech", "handwriting"))
    )


def write_recogniser_folder(
    folder: Path, config: ModelConfig, files: Mapping[str, bytes], card: str
) -> RecogniserFolder:
    """Write the folder of a recogniser; see :func:`recog.model.folder.write_folder`."""
    return RecogniserFolder(folder, write_folder(folder, config, files, card))


def update_recogniser_folder(
    model_folder: RecogniserFolder,
    folder: Path,
    config: ModelConfig,
    files: Mapping[str, bytes],
    card: str,
) -> RecogniserFolder:
    """Write a model with another config, card and some new files.

    Files that the new config does not use are left out.
    """
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
