"""The recipe of a recogniser: its YAML file with all defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from recog.model.config import ConvLayer, EncoderConfig, SpectrogramConfig, Strict, StripConfig
from recog.training.recipe_base import (
    BaseOptimisation,
    Source,
    parse_recipe,
    read_yaml,
    resolve_path,
    resolve_sources,
)

Modality = Literal["speech", "handwriting"]


class Batching(Strict):
    """How rows become batches and updates.

    Attributes:
        batch_columns: most input columns (frames of sound, pixels of width) of a batch, padding
            included.
        batch_items: most rows of a batch.
        accumulate: batches of an update. They count as one batch, except in the batch statistics of
            the convolutions.
        short_first: whether the first epoch takes only the shorter rows.
        augment: whether rows are varied.
        workers: processes that load data; -1 chooses by the device.
    """

    batch_columns: int = Field(12_000, ge=64)
    batch_items: int = Field(24, ge=1)
    accumulate: int = Field(1, ge=1, le=1024)
    short_first: bool = True
    augment: bool = True
    workers: int = Field(-1, ge=-1)


class LossWeights(Strict):
    """Weights of the CTC losses beside that of the symbols, which is 1.

    Attributes:
        shortcut: of the head on the convolutions (Retsinas et al. 2022).
        sounds: of the head for phones, where the recipe has pronunciations.
        intermediate: of the heads over an intermediate layer, where the encoder has them. It scales
            both their losses, of symbols and of phones.
    """

    shortcut: float = Field(0.3, ge=0.0)
    sounds: float = Field(1.5, ge=0.0)
    intermediate: float = Field(0.3, ge=0.0)


class FineTuning(Strict):
    """Options for training from a base model.

    Attributes:
        freeze: share of the run in which the convolutions keep the base's weights and statistics.
        recombine: share of the lines of handwriting that are synthesised from words of the same
            hand (:mod:`recog.training.recogniser.line_synthesis`), for little data.
    """

    freeze: float = Field(0.0, ge=0.0, le=1.0)
    recombine: float = Field(0.0, ge=0.0, le=1.0)


class Optimisation(FineTuning, LossWeights, Batching, BaseOptimisation):
    """How a recogniser's network is trained.

    Attributes:
        epochs: passes over the data; 0 chooses by the size of the data.
        average: decay of the moving average of the weights, which is evaluated and kept.
        deterministic: whether runs on a GPU are repeatable, at the cost of speed. Runs on the CPU
            always are.
    """

    epochs: int = Field(0, ge=0)
    learning_rate: float = Field(1.5e-3, gt=0.0, lt=1.0)
    warmup: float = Field(0.05, ge=0.0, lt=1.0)
    schedule: Literal["cosine", "one-cycle", "constant"] = "cosine"
    average: float = Field(0.9995, ge=0.0, lt=1.0)
    deterministic: bool = False


class SoundAugmentation(Strict):
    """How clips are varied; ``training.augment: false`` turns all of it off.

    See :mod:`recog.training.recogniser.augment_sound`.

    Attributes:
        pitch: standard deviation of the logarithm of the factor on frequencies.
        rooms: share of the clips with reverberation.
        noise: share of the clips with noise.
        band_masks: SpecAugment's masks in frequency.
        band_width: most bands of such a mask.
        time_masks: SpecAugment's masks in time, per second (100 frames).
        time_width: most frames of such a mask.
    """

    pitch: float = Field(0.06, ge=0.0, le=0.2)
    rooms: float = Field(0.25, ge=0.0, le=1.0)
    noise: float = Field(0.35, ge=0.0, le=1.0)
    band_masks: int = Field(2, ge=0, le=20)
    band_width: int = Field(20, ge=0)
    time_masks: float = Field(0.7, ge=0.0, le=10.0)
    time_width: int = Field(35, ge=0)


class Recipe(Strict):
    """A whole training run of a recogniser.

    Attributes:
        pronunciations: file of pronunciations (:mod:`recog.text.pronunciations`). The network then
            learns the phones too, from the rows whose words are all in it.
        alphabet: the symbols; by default those of the train texts.
        min_count: how often a symbol must occur in them.
        dev_share: share of the rows that are held out where the data have no split.
        subsampling: input columns (of 10 ms, or pixels of a strip's width) of one output frame,
            where it shall be less than the convolutions have. Short clips and dense writing need
            more frames than usual. 0 leaves it as it is.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    modality: Modality
    languages: tuple[str, ...] = ()
    data: tuple[Source, ...]
    normalise: str = "plain"
    pronunciations: str | None = None
    alphabet: tuple[str, ...] | None = None
    min_count: int = Field(1, ge=1)
    dev_share: float = Field(0.1, gt=0.0, lt=0.9)
    spectrogram: SpectrogramConfig = SpectrogramConfig()
    strip: StripConfig = StripConfig()
    sound: SoundAugmentation = SoundAugmentation()
    encoder: EncoderConfig
    subsampling: int = Field(0, ge=0)
    training: Optimisation = Optimisation()


SPEECH_ENCODER = EncoderConfig(
    height=80,
    convolutions=(
        ConvLayer(channels=32, stride=(2, 2)),
        ConvLayer(channels=32, stride=(2, 2)),
        ConvLayer(channels=64, stride=(2, 1)),
        ConvLayer(channels=256, kernel=(10, 1), collapse=True),
    ),
    columns="flatten",
    layers=3,
    hidden=256,
)

HANDWRITING_ENCODER = EncoderConfig(
    height=48,
    convolutions=(
        ConvLayer(channels=32, kernel=(5, 5), stride=(2, 2)),
        ConvLayer(channels=32, pool=(2, 2)),
        ConvLayer(channels=64),
        ConvLayer(channels=64, pool=(2, 1)),
        ConvLayer(channels=128, pool=(2, 1)),
    ),
    columns="max+mean",
    layers=3,
    hidden=192,
)


def default_recipe(name: str, modality: Modality, path: str, *, rows: int) -> Recipe:
    """The recipe of ``recog train FOLDER``.

    Batches of little data are small: the number of updates decides whether a network leaves the
    blank plateau.
    """
    encoder = SPEECH_ENCODER if modality == "speech" else HANDWRITING_ENCODER
    training = Optimisation(batch_items=8 if rows < 1000 else 16 if rows < 5000 else 24)
    return Recipe(
        name=name, modality=modality, data=(Source(path=path),), encoder=encoder, training=training
    )


def read_recipe(path: Path) -> Recipe:
    """Read a YAML recipe.

    ``encoder: default`` is the modality's encoder, and a mapping without convolutions changes parts
    of that. Data paths are relative to the recipe's folder.

    Raises:
        UserError: the file cannot be read, or a key or value in it is wrong; the message names it.
    """
    mapping = read_yaml(path)
    encoder = mapping.get("encoder", "default")
    changes: dict[str, Any] = {} if encoder == "default" else encoder
    if isinstance(changes, dict) and "convolutions" not in changes:
        default = SPEECH_ENCODER if mapping.get("modality") == "speech" else HANDWRITING_ENCODER
        mapping["encoder"] = default.model_dump() | changes
    recipe = parse_recipe(Recipe, mapping, path)
    update: dict[str, Any] = {"data": resolve_sources(recipe.data, path)}
    if recipe.pronunciations is not None:
        update["pronunciations"] = resolve_path(recipe.pronunciations, path)
    return recipe.model_copy(update=update)
