"""The recipe of a page model: its YAML file with all defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from recog.model.config import Strict
from recog.model.folder import pretrained
from recog.model.page_model import GeometryConfig, PageModelFolder, PageNetworkConfig
from recog.segment.page_lines import MULTIPLE
from recog.training.recipe_base import (
    BaseOptimisation,
    Source,
    parse_recipe,
    read_yaml,
    resolve_path,
    resolve_sources,
)


class PageOptimisation(BaseOptimisation):
    """How a page network is trained.

    Attributes:
        updates: of an epoch.
        batch: crops of an update.
        crop: side of a crop in pixels.
        average: decay of the moving average of the weights, which is evaluated and kept.
    """

    epochs: int = Field(12, ge=1)
    updates: int = Field(100, ge=1)
    batch: int = Field(6, ge=1)
    crop: int = Field(416, ge=64, le=2048, multiple_of=MULTIPLE)
    warmup: float = Field(0.04, ge=0.0, lt=1.0)
    average: float = Field(0.995, ge=0.0, lt=1.0)


class PageRecipe(Strict):
    """A whole training run of a page model, or of a part of it.

    Attributes:
        train: the part. "lines" is the network that finds lines. "context" is its head that tells
            the main text from marginalia. "geometry" is the network for size and direction.
        base: a shipped page model or a folder. "context" and "geometry" are added to it; "lines"
            goes on from its weights, and keeps its encoder where it has a context.
        noted: names of the sources to whose pages notes are added, for the context.
        hands: corpora of line images by other hands, for these notes.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    modality: Literal["page"]
    data: tuple[Source, ...] = Field(min_length=1)
    network: PageNetworkConfig = PageNetworkConfig()
    training: PageOptimisation = PageOptimisation()
    train: Literal["lines", "context", "geometry"] = "lines"
    base: str | None = None
    geometry: GeometryConfig = GeometryConfig()
    noted: tuple[str, ...] = ()
    hands: tuple[Source, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _older(cls, values: Any) -> Any:
        """Older recipes of a context have no ``train``."""
        network = values.get("network") if isinstance(values, dict) else None
        if (
            isinstance(network, dict)
            and network.get("context")
            and values.get("base")
            and "train" not in values
        ):
            return values | {"train": "context"}
        return values

    @model_validator(mode="after")
    def _whole(self) -> PageRecipe:
        if self.train != "lines" and self.base is None:
            raise ValueError(f"train: {self.train} needs a base, to which it is added")
        if self.train == "context" and not self.network.context:
            raise ValueError("train: context needs network.context, the dilations of its blocks")
        return self


def read_page_recipe(path: Path) -> PageRecipe:
    """Read a YAML recipe; see :func:`recog.training.recogniser.recipe.read_recipe`."""
    recipe = parse_recipe(PageRecipe, read_yaml(path), path)
    update: dict[str, Any] = {
        "data": resolve_sources(recipe.data, path),
        "hands": resolve_sources(recipe.hands, path),
    }
    if recipe.base is not None and recipe.base not in pretrained():
        update["base"] = resolve_path(recipe.base, path)
    return recipe.model_copy(update=update)


def folder_recipe(folder: Path, base: PageModelFolder, name: str) -> PageRecipe:
    """The recipe for training ``base`` further on a folder of pages with PAGE or ALTO files."""
    source = Source(path=str(folder), name=folder.resolve().name)
    options = PageOptimisation(epochs=6, updates=50, learning_rate=5e-4, average=0.98)
    return PageRecipe(
        name=name,
        modality="page",
        data=(source,),
        network=base.config.network,
        training=options,
        base=str(base.path),
    )
