"""What the training of a page model is, as a YAML file of modality ``page`` says it. Every default
stands here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from recog.model.config import Strict
from recog.model.folder import pretrained
from recog.model.page_model import GeometryConfig, PageModelFolder, PageNetworkConfig
from recog.segment.page_lines import MULTIPLE
from recog.training.recogniser.recipe import Source, read_yaml, resolve, validated


class PageOptimisation(Strict):
    """How a page network is trained. ``updates`` make an epoch, each on ``batch`` crops of ``crop``
    pixels."""

    epochs: int = Field(12, ge=1)
    updates: int = Field(100, ge=1)
    batch: int = Field(6, ge=1)
    crop: int = Field(416, ge=64, le=2048, multiple_of=MULTIPLE)
    learning_rate: float = Field(2e-3, gt=0.0, lt=1.0)
    warmup: float = Field(0.04, ge=0.0, lt=1.0)
    schedule: Literal["cosine", "one-cycle", "constant"] = "one-cycle"
    weight_decay: float = Field(0.01, ge=0.0)
    clip: float = Field(1.0, gt=0.0)
    average: float = Field(0.995, ge=0.0, lt=1.0)
    amp: Literal["auto", "bf16", "off"] = "auto"
    seed: int = Field(1, ge=0)
    device: str = "auto"
    threads: int = Field(0, ge=0)


class PageRecipe(Strict):
    """The whole training of a page model, or of a part of it.

    ``train`` is the part: the "lines" network, by default; the "context" of it, which tells a
    page's writing from notes on it; or the "geometry" network. The last two need a ``base``, a
    shipped page model or a folder, to which they are added. With a base the lines network goes on
    from its weights; what else the base has is kept, and its encoder too where a context stands on
    it. Context is learned on pages of the data drawn by their weights; ``noted`` are the names of
    the data that get notes by ``hands``, which are corpora of line images.
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
        """Recipes of context say so by their keys in older versions."""
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


def is_page_recipe(path: Path) -> bool:
    """Whether a file is a recipe whose modality is page."""
    return (
        path.suffix.lower() in (".yaml", ".yml")
        and path.is_file()
        and read_yaml(path).get("modality") == "page"
    )


def read_page_recipe(path: Path) -> PageRecipe:
    """Read a YAML recipe; see :func:`recog.training.recogniser.recipe.read_recipe`."""
    recipe = validated(PageRecipe, read_yaml(path), path)
    data = tuple(s.model_copy(update={"path": resolve(s.path, path)}) for s in recipe.data)
    hands = tuple(s.model_copy(update={"path": resolve(s.path, path)}) for s in recipe.hands)
    base = (
        recipe.base
        if recipe.base is None or recipe.base in pretrained()
        else resolve(recipe.base, path)
    )
    return recipe.model_copy(update={"data": data, "hands": hands, "base": base})


def folder_recipe(folder: Path, base: PageModelFolder, name: str) -> PageRecipe:
    """The recipe that trains the page model ``base`` on for a folder of pages with PAGE or ALTO
    files."""
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
