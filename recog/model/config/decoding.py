"""Decoding options of a model: language models, rescoring, calibrated confidences."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from recog.model.config.base import Extended, Strict

MIN_CONFIDENCE = 1e-12  # confidences are interpolated in ln; those below count as this
LM_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class Calibration(Strict):
    """A map from raw confidences to the share of words that are right.

    The knots ``raw`` rise, and the shares at the knots, ``right``, never fall. Between two knots
    the share is linear in ln raw. It is constant before the first and after the last knot.
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
        """Map raw confidences of any shape to calibrated confidences from 0 to 1."""
        raw = np.maximum(np.asarray(confidences, np.float64), MIN_CONFIDENCE)
        return np.asarray(np.interp(np.log(raw), np.log(self.raw), self.right))

    def __call__(self, confidence: float) -> float:
        """Calibrate the confidence of a single word."""
        return float(self.apply(confidence))


class View(Strict):
    """A transformation of the input for test-time augmentation.

    A line of writing is sheared to the right by ``slant`` columns per row, or to the left where
    ``slant`` is negative. Then it is made ``width`` times as wide. Speech is made ``width`` times
    as long.
    """

    slant: float = Field(0.0, ge=-1.0, le=1.0)
    width: float = Field(1.0, ge=0.5, le=2.0)


def views_fault(modality: str, views: tuple[View, ...]) -> str | None:
    """Describe why views are not valid for a modality; None where they are valid."""
    if modality == "speech" and (views[0] != View() or any(view.slant for view in views)):
        return "the first view of speech is as it is (0,1), and none has a slant"
    return None


class Rescoring(Strict):
    """Options of rescoring with the neural language model of a recogniser.

    See :class:`recog.decoding.rescoring.nbest.Rescorer`. ``unknown_cost`` is an option of
    :class:`recog.lm.neural.NeuralLM`.
    """

    weight: float = Field(gt=0.0, le=100.0)
    interpolate: float = Field(0.0, ge=0.0, le=1.0)
    margin: float = Field(6.0, ge=0.0, le=1000.0)
    unknown_cost: float = Field(2.0, ge=0.0, le=100.0)


class DecodingConfig(Extended):
    """Decoding options of a model, as tuned on its dev set.

    :class:`recog.decoding.Decoder` documents the options that are not listed here.

    Attributes:
        lm: file name of the language model in the model folder.
        languages: file names of language models by language. Each is used for lines that are likely
            to be in its language (see
            :func:`recog.decoding.rescoring.language_id.identify_languages`).
        sounds: whether a model that recognises phones decodes the words of its language model from
            phones, else from letters.
        offset: frames added to the times of words. A CTC network emits early or late by about the
            same amount everywhere.
        temperature: divisor of the log-probabilities, which are then normalised again. Above 1 the
            network has less weight.
        views: views of a line or segment of speech. The first is always used. The others are used
            where the uncertainty is above ``doubt``.
        doubt: threshold on
            :func:`recog.decoding.rescoring.test_time_augmentation.uncertainty_of`.
        rescoring: options of the neural language model in the model folder, which reranks the
            readings. None where there is none.
        dev: measurements of the tuning, for people to read.
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
