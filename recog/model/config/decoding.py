"""How the network's outputs are decoded: language models, rescoring, calibrated confidences."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from recog.model.config.base import Extended, Strict

MIN_CONFIDENCE = 1e-12  # confidences are interpolated by their logarithms; below it all are alike
LM_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class Calibration(Strict):
    """A map from raw confidences to the share of words that are right, as a model's config keeps
    it.

    ``raw`` are the knots, rising, and ``right`` the shares there, never falling. Between two knots
    the share is linear in ln raw; before the first and after the last it is theirs.
    """

    kind: Literal["isotonic"] = "isotonic"
    raw: tuple[float, ...] = Field(min_length=1, max_length=100)
    right: tuple[float, ...] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _rising(self) -> Calibration:
        if len(self.raw) != len(self.right):
            raise ValueError(
                f"the calibration has {len(self.raw)} knots and {len(self.right)} shares"
            )
        if not all(MIN_CONFIDENCE <= x <= 1.0 for x in self.raw) or not all(
            0.0 <= y <= 1.0 for y in self.right
        ):
            raise ValueError("the calibration's knots and shares must lie between 0 and 1")
        if any(a >= b for a, b in pairwise(self.raw)) or any(
            a > b for a, b in pairwise(self.right)
        ):
            raise ValueError("the calibration's knots must rise, and its shares never fall")
        return self

    def apply(self, confidences: ArrayLike) -> NDArray[np.float64]:
        """Calibrated confidences, 0 to 1, of raw ones, in any shape."""
        raw = np.maximum(np.asarray(confidences, np.float64), MIN_CONFIDENCE)
        return np.asarray(np.interp(np.log(raw), np.log(self.raw), self.right))

    def __call__(self, confidence: float) -> float:
        """:meth:`apply` for a single word."""
        return float(self.apply(confidence))


class View(Strict):
    """How a line of writing is shown to the network: leaned to the right by ``slant`` columns a row
    (to the left where it is negative), then ``width`` times as wide. Speech is made ``width`` times
    as long."""

    slant: float = Field(0.0, ge=-1.0, le=1.0)
    width: float = Field(1.0, ge=0.5, le=2.0)


def views_fault(modality: str, views: tuple[View, ...]) -> str | None:
    """What is wrong with views for a kind of media; None where nothing is."""
    if modality == "speech" and (views[0] != View() or any(view.slant for view in views)):
        return "the first view of speech is as it is (0,1), and none has a slant"
    return None


class Rescoring(Strict):
    """How a recogniser's own neural language model counts; see
    :class:`recog.decoding.rescoring.nbest.Rescorer`. ``unknown_cost`` is that of
    :class:`recog.lm.neural.NeuralLM`."""

    weight: float = Field(gt=0.0, le=100.0)
    interpolate: float = Field(0.0, ge=0.0, le=1.0)
    margin: float = Field(6.0, ge=0.0, le=1000.0)
    unknown_cost: float = Field(2.0, ge=0.0, le=100.0)


class DecodingConfig(Extended):
    """How the model's outputs are best decoded, as tuned on dev; see
    :class:`recog.decoding.Decoder` for the options.

    ``lm`` names the language model's file in the model folder; ``languages`` files of others, each
    used for lines that are likely to be in its language (see
    :func:`recog.decoding.rescoring.language_id.identify_languages`); ``sounds`` says whether a model
    that hears sounds finds the words of its language model in them, or in its letters; ``offset``
    is added to the times of words, in frames, as a CTC network emits early or late by about as much
    everywhere; ``temperature`` divides the log-probabilities before they are normalised again:
    above 1 the network counts for less. A line, or a segment of speech, is taken in the first of
    the ``views``, and in the others too where it is more doubtful than ``doubt``
    (:func:`recog.decoding.rescoring.test_time_augmentation.uncertainty_of`). With ``rescoring`` the
    model's folder has a neural language model, which orders the readings anew. ``dev`` records what
    tuning measured, for people to read.
    """

    ADDED: ClassVar[tuple[str, ...]] = ("languages", "sounds", "views", "doubt", "rescoring")

    lm: str | None = Field(None, pattern=LM_FILE)
    languages: dict[str, Annotated[str, Field(pattern=LM_FILE)]] = {}
    sounds: bool = True
    beam: int = Field(0, ge=0, le=10_000)
    alpha: float = Field(0.5, ge=0.0, le=100.0)
    beta: float = Field(0.5, ge=-100.0, le=100.0)
    unknown_cost: float = Field(2.0, ge=0.0, le=100.0)
    sentence: bool = False
    temperature: float = Field(1.0, gt=0.0, le=100.0)
    offset: float = Field(0.0, ge=-100.0, le=100.0)
    views: tuple[View, ...] = Field((View(),), min_length=1, max_length=8)
    doubt: float = Field(0.12, ge=0.0, le=100.0)
    rescoring: Rescoring | None = None
    dev: dict[str, Any] = {}
