"""The recipe of a neural language model: its YAML file with all defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from recog.model.config import Strict
from recog.model.language_model import LanguageNetworkConfig
from recog.text.normalise import RULES
from recog.training.recipe_base import (
    RECIPE_SUFFIXES,
    BaseOptimisation,
    parse_recipe,
    read_yaml,
    resolve_sources,
)

DEFAULT_MIN_COUNT = {"character": 20, "word": 2}  # rarer tokens become <unk>


class TextSource(Strict):
    """A text, or the transcripts of a recogniser's data.

    Attributes:
        path: a text in UTF-8, plain, gzip or xz, or a recogniser's recipe. Its transcripts in a
            right-to-left script are in the order of the image, as a recogniser's hypotheses are.
        split: "auto" holds a share of the lines out for dev; of a recipe it takes the recipe's dev
            rows.
        every: take one line in so many.
        times: repeat the training text so many times.
        without: names of sources of the recogniser's recipe to leave out.
    """

    path: str
    split: Literal["auto", "train", "dev"] = "auto"
    every: int = Field(1, ge=1, le=1_000_000)
    times: int = Field(1, ge=1, le=1000)
    without: tuple[str, ...] = ()

    @property
    def is_recipe(self) -> bool:
        """Whether the source is a recogniser's recipe."""
        return Path(self.path).suffix.lower() in RECIPE_SUFFIXES

    @model_validator(mode="after")
    def _consistent(self) -> TextSource:
        if self.without and not self.is_recipe:
            raise ValueError("without is for the sources of a recogniser's recipe")
        return self


class LanguageOptimisation(BaseOptimisation):
    """How a language model is trained: truncated back-propagation through time, AdamW.

    Attributes:
        batch: places of the text that are read side by side.
        window: tokens over which gradients flow back; the state goes on from window to window.
        reset: probability that a window begins with the zero state, as a single line does.
        unknown: probability that a token is replaced by ``<unk>``, so that ``<unk>`` gets the
            probability of new tokens.
        candidates: symbols, drawn by Zipf's law, that each target is compared with in place of the
            whole vocabulary; 0 takes all of it. With 40,000 words 2,048 candidates take a seventh
            of the time.
    """

    epochs: int = Field(5, ge=1)
    batch: int = Field(64, ge=1, le=65_536)
    window: int = Field(128, ge=2, le=8192)
    reset: float = Field(0.05, ge=0.0, le=1.0)
    unknown: float = Field(1e-4, ge=0.0, lt=0.5)
    candidates: int = Field(0, ge=0, le=199_998)


class LanguageRecipe(Strict):
    """A whole training run of a language model.

    Attributes:
        unit: the tokens, words or characters.
        sentence: whether each line is a sentence that ``</s>`` closes. Otherwise lines are running
            text, joined by spaces, and ``</s>`` stands for blank lines and the ends of files.
        vocabulary: most symbols, the most frequent first; 0 sets no bound.
        min_count: how often a symbol must occur; 0 chooses by the unit.
        dev_share: share of the lines that are held out.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    modality: Literal["text"]
    languages: tuple[str, ...] = ()
    data: tuple[TextSource, ...] = Field(min_length=1)
    normalise: str = "plain"
    unit: Literal["word", "character"] = "character"
    sentence: bool = False
    vocabulary: int = Field(20_000, ge=0, le=199_998)
    min_count: int = Field(0, ge=0)
    dev_share: float = Field(0.01, gt=0.0, lt=0.9)
    network: LanguageNetworkConfig = LanguageNetworkConfig()
    training: LanguageOptimisation = LanguageOptimisation()

    @field_validator("normalise")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in RULES:
            raise ValueError(
                f"there is no text normalisation '{name}'; use one of {', '.join(RULES)}"
            )
        return name

    @property
    def least_count(self) -> int:
        """How often a symbol must occur."""
        return self.min_count or DEFAULT_MIN_COUNT[self.unit]


def read_language_recipe(path: Path) -> LanguageRecipe:
    """Read a YAML recipe; see :func:`recog.training.recogniser.recipe.read_recipe`."""
    recipe = parse_recipe(LanguageRecipe, read_yaml(path), path)
    return recipe.model_copy(update={"data": resolve_sources(recipe.data, path)})
