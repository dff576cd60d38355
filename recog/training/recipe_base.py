"""What all recipes share: reading YAML, sources, optimisation, overrides."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError, field_validator

from recog.errors import UsageError, UserError
from recog.model.config import Strict

RECIPE_SUFFIXES = (".yaml", ".yml")
RecipeT = TypeVar("RecipeT", bound=Strict)


class Source(Strict):
    """One corpus of a run.

    Attributes:
        path: folder of media with their texts, or a manifest. With ``layout`` it is a corpus as its
            publisher lays it out. ``$NAME`` in it is an environment variable.
        layout: name of an importer of ``recog prepare``.
        options: options of the importer.
        name: name in reports; the folder's name by default.
        weight: how often each row occurs in an epoch on average. 0.3 takes another random third of
            the rows each time, 2 takes every row twice.
        split: the split of all rows; "auto" takes that of the manifest, or splits at random.
        max_repeats: how many rows may share one text, for formulas that half a corpus repeats; 0
            sets no bound.
        group: regular expression for the beginning of a media file's name without its suffix. Rows
            without a speaker or hand whose names match alike (the first group, or the whole match)
            belong together.
        recombine: whether the corpus' words may be put together into new lines.
        optional: whether the path may be missing.
        licence: for the model card.
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
        """The name, or that of the folder or file."""
        return self.name or Path(self.path).name

    @field_validator("group")
    @classmethod
    def _is_pattern(cls, group: str) -> str:
        try:
            re.compile(group)
        except re.error as error:
            raise ValueError(f"'{group}' is not a regular expression: {error}") from None
        return group


class BaseOptimisation(Strict):
    """The options that every training loop needs.

    Attributes:
        epochs: passes over the data.
        learning_rate: the peak.
        warmup: share of the run in which the learning rate rises.
        schedule: how the learning rate falls; see :func:`recog.training.optimiser.learning_rate`.
        weight_decay: of matrices; biases and norms are not decayed.
        clip: largest norm of the gradient.
        amp: whether bfloat16 is used; "auto" uses it where the hardware has it.
        seed: of the initial weights, the order of the data and the augmentation.
        device: a device of torch, or "auto".
        threads: of the CPU; 0 uses every core.
    """

    epochs: int = Field(1, ge=1)
    learning_rate: float = Field(2e-3, gt=0.0, lt=1.0)
    warmup: float = Field(0.1, ge=0.0, lt=1.0)
    schedule: Literal["cosine", "one-cycle", "constant"] = "one-cycle"
    weight_decay: float = Field(0.01, ge=0.0)
    clip: float = Field(1.0, gt=0.0)
    amp: Literal["auto", "bf16", "off"] = "auto"
    seed: int = Field(1, ge=0)
    device: str = "auto"
    threads: int = Field(0, ge=0)


@dataclass(frozen=True)
class RunOptions:
    """Options of the command line that override a recipe; None leaves the recipe's value.

    Attributes:
        threads: of the CPU; 0 leaves the recipe's value.
        freeze, accumulate: see :class:`recog.training.recogniser.recipe.Optimisation`.
        own_text: estimate a language model on the texts that a recogniser is trained on, and mix it
            with its base's.
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

    def override(self, recipe: RecipeT) -> RecipeT:
        """The recipe with these options.

        Raises:
            UsageError: the learning rate is out of range.
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
    """YAML that refuses a repeated key of a mapping, so that no value is lost in silence."""

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
    """Read the mapping of a YAML file, without checking its keys.

    Raises:
        UserError: the file cannot be read, or is not a YAML mapping.
    """
    try:
        mapping: Any = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not valid YAML ({str(error).splitlines()[0]}).") from None
    if not isinstance(mapping, dict):
        raise UserError(f"{path}: a recipe is a YAML mapping with name, modality and data.")
    return mapping


def is_recipe(path: Path, modality: str) -> bool:
    """Whether a file is a recipe of this modality."""
    return (
        path.suffix.lower() in RECIPE_SUFFIXES
        and path.is_file()
        and read_yaml(path).get("modality") == modality
    )


def parse_recipe(kind: type[RecipeT], mapping: dict[str, Any], path: Path) -> RecipeT:
    """Check a mapping against the model of a recipe.

    Raises:
        UserError: names the first key or value that is wrong.
    """
    try:
        return kind.model_validate(mapping)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where}: {first['msg']}.") from None


def resolve_path(path: str, recipe: Path) -> str:
    """Make a path of a recipe absolute, from the recipe's folder and environment variables.

    Raises:
        UserError: an environment variable in it is not set.
    """
    expanded = os.path.expandvars(path)
    if "$" in expanded:
        raise UserError(
            f"{recipe}: {path}: set the environment variable to the folder of the corpora."
        )
    return str((recipe.parent / expanded).resolve())


def resolve_sources(sources: tuple[Any, ...], recipe: Path) -> tuple[Any, ...]:
    """Sources with absolute paths; see :func:`resolve_path`."""
    return tuple(s.model_copy(update={"path": resolve_path(s.path, recipe)}) for s in sources)
