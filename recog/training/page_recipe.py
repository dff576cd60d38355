"""What the training of a page model is, as a YAML file of modality ``page`` says it. Every default stands here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from recog.model.config import Strict
from recog.model.folder import pretrained
from recog.model.page import GeometryConfig, PageNetworkConfig
from recog.segment.page import MULTIPLE
from recog.training.recipe import Source, read_yaml, resolve, validated


class PageOptimisation(Strict):
    """How a page network is trained. ``updates`` make an epoch, each on ``batch`` crops of ``crop`` pixels."""

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
    """The whole training of a page model.

    With ``base``, a shipped page model or a folder, its network is kept. Trained is ``geometry``, a network that is added to
    it, or else the context of ``network``, on pages of the data drawn by their weights. ``noted`` are the names of the data that get notes by ``hands``, which are corpora of
    line images.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    modality: Literal["page"]
    data: tuple[Source, ...] = Field(min_length=1)
    network: PageNetworkConfig = PageNetworkConfig()
    training: PageOptimisation = PageOptimisation()
    base: str | None = None
    geometry: GeometryConfig | None = None
    noted: tuple[str, ...] = ()
    hands: tuple[Source, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> PageRecipe:
        if bool(self.base) != bool(self.network.context or self.geometry):
            raise ValueError("base goes with network.context or geometry: first the network is trained, then what is added to it")
        return self


def is_page_recipe(path: Path) -> bool:
    """Whether a file is a recipe whose modality is page."""
    return path.suffix.lower() in (".yaml", ".yml") and path.is_file() and read_yaml(path).get("modality") == "page"


def read_page_recipe(path: Path) -> PageRecipe:
    """Read a YAML recipe; see :func:`recog.training.recipe.read_recipe`."""
    recipe = validated(PageRecipe, read_yaml(path), path)
    data = tuple(s.model_copy(update={"path": resolve(s.path, path)}) for s in recipe.data)
    hands = tuple(s.model_copy(update={"path": resolve(s.path, path)}) for s in recipe.hands)
    base = recipe.base if recipe.base is None or recipe.base in pretrained() else resolve(recipe.base, path)
    return recipe.model_copy(update={"data": data, "hands": hands, "base": base})
