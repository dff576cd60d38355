"""What a training run is: data, features, network and optimisation, as a YAML file says it. Every
default stands here."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError, field_validator

from recog.errors import UsageError, UserError
from recog.model.config import ConvLayer, EncoderConfig, SpectrogramConfig, Strict, StripConfig

Modality = Literal["speech", "handwriting"]
AnyRecipe = TypeVar("AnyRecipe", bound=Strict)


class Source(Strict):
    """One corpus of a run.

    ``path`` is a folder of media with their texts, a manifest, or with ``layout`` (one of ``recog
    prepare``'s) a corpus as its publisher lays it out, read with its ``options``; ``$NAME`` in it
    is an environment variable. ``weight`` is how often each of its rows is seen in an epoch on
    average: 0.3 takes another random third each time, 2 takes every row twice. ``max_repeats``
    bounds how many rows may share one text (formulas that half a corpus repeats). ``group`` is a
    regular expression that the names of the media begin with, without their suffix; where the data
    name no speakers or hands, rows whose names match it alike (its first group, or all of it) are
    of one. With ``recombine: false`` no line is made anew of the corpus' words, whatever
    ``training.recombine`` says. A missing path is an error unless ``optional``. ``licence`` is for
    the model card.
    """

    path: str
    layout: str | None = None
    options: dict[str, str] = {}
    name: str = ""
    weight: float = Field(1.0, ge=0.0, le=100.0)
    split: Literal["auto", "train", "dev"] = "auto"
    max_repeats: int = Field(0, ge=0)
    group: str = ""
    recombine: bool = True
    optional: bool = False
    licence: str = ""

    @property
    def display_name(self) -> str:
        """Its name, or that of its folder or file."""
        return self.name or Path(self.path).name

    @field_validator("group")
    @classmethod
    def _is_pattern(cls, group: str) -> str:
        try:
            re.compile(group)
        except re.error as error:
            raise ValueError(f"'{group}' is not a regular expression: {error}") from None
        return group


class Optimisation(Strict):
    """How the network is trained.

    ``epochs`` 0 chooses by the size of the data. ``batch_columns`` bounds the input columns (frames
    of sound, pixels of width) of a batch, ``batch_items`` its rows. ``learning_rate`` is the peak;
    ``warmup`` and the decay are shares of the whole run. ``shortcut`` weighs the second CTC head,
    straight on the convolutions (Retsinas et al. 2022), ``sounds`` the one that hears how words are
    pronounced, where the recipe says that, and ``intermediate`` those over an intermediate layer,
    where the encoder has any: letters and sounds there count for this much of what they count for
    at the top. ``average`` is the decay of the moving average of the weights that is evaluated and
    kept. ``accumulate`` batches make an update, as if they were one, but for the batch statistics
    of the convolutions' norms. ``freeze`` is the share of the run for which the convolutions keep a
    base model's weights and statistics. ``recombine`` is the share of the lines, of handwriting
    trained from a base model, that are put together anew from words of others of the same hand
    (:mod:`recog.training.recogniser.line_synthesis`): for little data. ``deterministic`` makes runs
    on a GPU repeatable, more slowly; on the CPU they always are.
    """

    epochs: int = Field(0, ge=0)
    batch_columns: int = Field(12_000, ge=64)
    batch_items: int = Field(24, ge=1)
    learning_rate: float = Field(1.5e-3, gt=0.0, lt=1.0)
    warmup: float = Field(0.05, ge=0.0, lt=1.0)
    schedule: Literal["cosine", "one-cycle", "constant"] = "cosine"
    weight_decay: float = Field(0.01, ge=0.0)
    clip: float = Field(1.0, gt=0.0)
    shortcut: float = Field(0.3, ge=0.0)
    sounds: float = Field(1.5, ge=0.0)
    intermediate: float = Field(0.3, ge=0.0)
    average: float = Field(0.9995, ge=0.0, lt=1.0)
    augment: bool = True
    amp: Literal["auto", "bf16", "off"] = "auto"
    seed: int = Field(1, ge=0)
    short_first: bool = True
    device: str = "auto"
    threads: int = Field(0, ge=0)
    workers: int = Field(-1, ge=-1)
    accumulate: int = Field(1, ge=1, le=1024)
    freeze: float = Field(0.0, ge=0.0, le=1.0)
    recombine: float = Field(0.0, ge=0.0, le=1.0)
    deterministic: bool = False


class SoundAugmentation(Strict):
    """How clips are varied (see :mod:`recog.training.recogniser.augment_sound`);
    ``training.augment: false`` turns all of it off.

    ``pitch`` is the deviation of the logarithm of the factor on frequencies, ``rooms`` and
    ``noise`` are the shares of the clips that get reverberation and noise, the rest are
    SpecAugment's masks: ``band_masks`` of up to ``band_width`` bands, and ``time_masks`` per second
    (100 frames) of up to ``time_width`` frames.
    """

    pitch: float = Field(0.06, ge=0.0, le=0.2)
    rooms: float = Field(0.25, ge=0.0, le=1.0)
    noise: float = Field(0.35, ge=0.0, le=1.0)
    band_masks: int = Field(2, ge=0, le=20)
    band_width: int = Field(20, ge=0)
    time_masks: float = Field(0.7, ge=0.0, le=10.0)
    time_width: int = Field(35, ge=0)


class Recipe(Strict):
    """A whole training run.

    ``pronunciations`` is a file of them (:mod:`recog.text.pronunciations`): the network then learns
    to hear the sounds of the words too, from the rows whose words are all in it. ``subsampling`` is
    how many input columns (of 10 ms, or pixels of a strip's width) a frame of the network stands
    for, where that shall be fewer than its convolutions, or those of the base model, have: short
    clips and dense writing need more frames than usual.
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
    """The recipe of ``recog train FOLDER``. Little data is cut into small batches: what leaves the
    blank plateau is the number of updates."""
    encoder = SPEECH_ENCODER if modality == "speech" else HANDWRITING_ENCODER
    training = Optimisation(batch_items=8 if rows < 1000 else 16 if rows < 5000 else 24)
    return Recipe(
        name=name, modality=modality, data=(Source(path=path),), encoder=encoder, training=training
    )


def read_recipe(path: Path) -> Recipe:
    """Read a YAML recipe. ``encoder: default`` is the modality's, and a mapping without
    convolutions changes parts of it. Data paths are relative to the recipe's folder.

    Raises:
        UserError: the file cannot be read, or a key or value in it is wrong; the message names it.
    """
    loaded = read_yaml(path)
    encoder = loaded.get("encoder", "default")
    changes: dict[str, Any] = {} if encoder == "default" else encoder
    if isinstance(changes, dict) and "convolutions" not in changes:
        default = SPEECH_ENCODER if loaded.get("modality") == "speech" else HANDWRITING_ENCODER
        loaded["encoder"] = default.model_dump() | changes
    recipe = validated(Recipe, loaded, path)
    update: dict[str, Any] = {
        "data": tuple(s.model_copy(update={"path": resolve(s.path, path)}) for s in recipe.data)
    }
    if recipe.pronunciations is not None:
        update["pronunciations"] = resolve(recipe.pronunciations, path)
    return recipe.model_copy(update=update)


@dataclass(frozen=True)
class RunOptions:
    """What is said of a run beside its recipe, as on the command line; None is as the recipe has
    it.

    Attributes:
        threads: of the CPU; 0 as the recipe has it.
        freeze, accumulate: see :class:`Optimisation`; for recognisers.
        own_text: make a language model of the texts that a recogniser is trained on, mixed with its
            base's.
        restart: throw away the progress of an earlier run in the same folder.
    """

    epochs: int | None = None
    learning_rate: float | None = None
    device: str | None = None
    threads: int = 0
    freeze: float | None = None
    accumulate: int | None = None
    own_text: bool = False
    restart: bool = False

    def override(self, recipe: AnyRecipe) -> AnyRecipe:
        """The recipe with what is said here.

        Raises:
            UsageError: it is out of range.
        """
        if self.learning_rate is not None and not 0.0 < self.learning_rate < 1.0:
            raise UsageError(
                f"--learning-rate is {self.learning_rate:g}; it must lie above 0 and below 1."
            )
        overrides = {
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "device": self.device,
            "threads": self.threads or None,
            "freeze": self.freeze,
            "accumulate": self.accumulate,
        }
        whole: Any = recipe
        update = {name: value for name, value in overrides.items() if value is not None}
        return recipe.model_copy(update={"training": whole.training.model_copy(update=update)})


NO_OVERRIDES = RunOptions()


class _Loader(yaml.SafeLoader):
    """YAML in which no key of a mapping stands twice, so that no value is overridden in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                raise yaml.constructor.ConstructorError(
                    problem=f"'{key.value}' stands twice, again in line {key.start_mark.line + 1}"
                )
            keys.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, not yet checked; :class:`UserError` where there is none."""
    try:
        loaded: Any = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not valid YAML ({str(error).splitlines()[0]}).") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{path}: a recipe is a YAML mapping with name, modality and data.")
    return loaded


def validated(kind: type[AnyRecipe], loaded: dict[str, Any], path: Path) -> AnyRecipe:
    """The recipe in a mapping; :class:`UserError` names the first key or value that is wrong."""
    try:
        return kind.model_validate(loaded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where}: {first['msg']}.") from None


def resolve(source: str, recipe: Path) -> str:
    """A path as a recipe names it, absolute: environment variables filled in, relative to the
    recipe's folder."""
    expanded = os.path.expandvars(source)
    if "$" in expanded:
        raise UserError(
            f"{recipe}: {source}: set the environment variable to the folder of the corpora."
        )
    return str((recipe.parent / expanded).resolve())
