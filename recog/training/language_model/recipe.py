"""What the training of a neural language model is, as a YAML file says it. Every default stands
here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from recog.model.config import Strict
from recog.model.language_model import LanguageNetworkConfig
from recog.text.normalise import RULES
from recog.training.recogniser.recipe import read_yaml, resolve, validated

RECIPES = (".yaml", ".yml")
# what occurs less often is <unk>, unless the recipe says otherwise
RARE = {"character": 20, "word": 2}


class TextSource(Strict):
    """A text in UTF-8, plain, gzip or xz, or the transcripts of a recogniser's data: then ``path``
    is its recipe.

    With ``split: auto`` a share of the lines is held out for dev; of a recipe's transcripts it is
    those of its own dev. Those of a right-to-left script are in the order in which an image shows
    them, as a recogniser's readings are rescored. ``every`` takes one line in so many, ``times``
    says what there is to train on so many times over, and ``without`` names sources of a
    recogniser's recipe that are left out.
    """

    path: str
    split: Literal["auto", "train", "dev"] = "auto"
    every: int = Field(1, ge=1, le=1_000_000)
    times: int = Field(1, ge=1, le=1000)
    without: tuple[str, ...] = ()

    @property
    def is_recipe(self) -> bool:
        """Whether the text is that of a recogniser's data."""
        return Path(self.path).suffix.lower() in RECIPES

    @model_validator(mode="after")
    def _consistent(self) -> TextSource:
        if self.without and not self.is_recipe:
            raise ValueError("without is for the sources of a recogniser's recipe")
        return self


class LanguageOptimisation(Strict):
    """How the network is trained: truncated back-propagation through time over running text, AdamW.

    ``batch`` is how many places of the text are read side by side, ``window`` how many tokens
    back-propagation reaches back; the state goes on from window to window. ``learning_rate`` is the
    peak, reached after the share ``warmup`` of the run and falling by the ``schedule``. ``reset``
    is how often a window begins without a state, as a lone line does, and ``unknown`` how often a
    token is shown as ``<unk>``, so that it has the probability of what is really new.
    ``candidates``: how many symbols, drawn by Zipf's law, each target is weighed against, in place
    of the whole vocabulary (0: all of it); with 40,000 words 2,048 of them take a seventh of the
    time.
    """

    epochs: int = Field(5, ge=1)
    batch: int = Field(64, ge=1, le=65_536)
    window: int = Field(128, ge=2, le=8192)
    learning_rate: float = Field(2e-3, gt=0.0, lt=1.0)
    warmup: float = Field(0.1, ge=0.0, lt=1.0)
    schedule: Literal["cosine", "one-cycle", "constant"] = "one-cycle"
    weight_decay: float = Field(0.01, ge=0.0)
    clip: float = Field(1.0, gt=0.0)
    reset: float = Field(0.05, ge=0.0, le=1.0)
    unknown: float = Field(1e-4, ge=0.0, lt=0.5)
    candidates: int = Field(0, ge=0, le=199_998)
    amp: Literal["auto", "bf16", "off"] = "auto"
    seed: int = Field(1, ge=0)
    device: str = "auto"
    threads: int = Field(0, ge=0)


class LanguageRecipe(Strict):
    """The whole training of a language model.

    ``sentence``: each line of the texts is a sentence that ``</s>`` closes; else lines are running
    text, joined by spaces, and ``</s>`` stands for blank lines and the ends of files.
    ``vocabulary`` bounds the number of symbols, the most frequent first (0: no bound),
    ``min_count`` is how often one occurs at least (0: chosen by the unit).
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
        """How often a symbol occurs at least."""
        return self.min_count or RARE[self.unit]


def is_language_recipe(path: Path) -> bool:
    """Whether a file is a recipe whose modality is text."""
    return (
        path.suffix.lower() in RECIPES
        and path.is_file()
        and read_yaml(path).get("modality") == "text"
    )


def read_language_recipe(path: Path) -> LanguageRecipe:
    """Read a YAML recipe. Data paths are relative to the recipe's folder; ``$NAME`` in them is an
    environment variable.

    Raises:
        UserError: the file cannot be read, or a key or value in it is wrong; the message names it.
    """
    recipe = validated(LanguageRecipe, read_yaml(path), path)
    data = tuple(s.model_copy(update={"path": resolve(s.path, path)}) for s in recipe.data)
    return recipe.model_copy(update={"data": data})
