"""Rescore the N-best list with a neural language model, which sees more than an n-gram.

The beam asks its language model about every prefix at every frame, and a neural model is too slow
for that. So it scores the few hypotheses that the beam returns (Mikolov et al. 2010, "Recurrent
neural network based language model", section 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from recog.decoding.hypothesis import Hypothesis
from recog.decoding.validation import InvalidInputError

if TYPE_CHECKING:
    from recog.lm.neural import State


RESCORED = 20  # hypotheses requested from the beam
MARGIN = 6.0  # natural log; hypotheses further behind corrected no word of LibriSpeech dev


class LanguageModel(Protocol):
    """The interface of a neural model; :class:`recog.lm.neural.NeuralLM` has it."""

    def score(
        self,
        texts: Sequence[str],
        before: str | State | None = None,
        *,
        sentence: bool | None = None,
    ) -> NDArray[np.float64]:
        """Return the natural log of each text's probability, (texts,)."""
        ...

    def alike(self, texts: Sequence[str]) -> bool:
        """Whether the texts are all the same to the model."""
        ...


def rescore(
    hypotheses: Sequence[Hypothesis],
    lm: LanguageModel,
    weight: float,
    *,
    interpolate: float = 0.0,
    before: str | State | None = None,
    sentence: bool | None = None,
    texts: Sequence[str] | None = None,
    boosts: Sequence[float] | None = None,
) -> list[Hypothesis]:
    """Rescore the hypotheses of an utterance and sort them.

    The new score is ``log_prob + boost + (1 - interpolate) * (score - log_prob - boost) + weight *
    ln P_neural(text)``. In the decoder's ``score``, ``score - log_prob`` comes from its n-gram
    model, its bonus for each word or character, and its hotwords (``boost``). With ``interpolate``
    0 the neural model is added to all of that; with 1 it replaces the n-gram model. The network's
    ``log_prob`` and the hotword boosts never change, since no language model contains them.

    Args:
        hypotheses: one utterance's, from :meth:`recog.decoding.Decoder.decode`; left unchanged.
        lm: the neural model.
        weight: of ln P_neural, 0 to 100; with 0 the model is not used.
        interpolate: the share, 0 to 1, to remove from the n-gram model's part of the score.
        before: the preceding text, or the state from :meth:`recog.lm.neural.NeuralLM.read`.
        sentence: whether each text is a whole sentence; by default as the model was trained.
        texts: texts for the model, where they are not the hypotheses' texts.
        boosts: the hotword boosts in each score, natural log; none by default.

    Returns:
        The same hypotheses with new scores, best first; equal scores keep their order.

    Raises:
        InvalidInputError: an option out of range.
    """
    for name, value, highest in (("weight", weight, 100.0), ("interpolate", interpolate, 1.0)):
        if not (math.isfinite(value) and 0.0 <= value <= highest):
            raise InvalidInputError(f"{name} is {value}; it must lie between 0 and {highest:g}.")
    if not hypotheses:
        return []
    scores = [h.score for h in hypotheses]
    if interpolate:
        bases = [
            h.log_prob + boost
            for h, boost in zip(hypotheses, boosts or [0.0] * len(scores), strict=True)
        ]
        scores = [
            base + (1.0 - interpolate) * (h.score - base)
            for h, base in zip(hypotheses, bases, strict=True)
        ]
    neural = [0.0] * len(scores)
    if weight:
        neural = (
            weight * lm.score(texts or [h.text for h in hypotheses], before, sentence=sentence)
        ).tolist()
    rescored = [replace(h, score=a + b) for h, a, b in zip(hypotheses, scores, neural, strict=True)]
    # stable: reverse keeps the order of equals
    return sorted(rescored, key=lambda h: h.score, reverse=True)


def within_margin(hypotheses: Sequence[Hypothesis], margin: float = MARGIN) -> list[Hypothesis]:
    """Return the hypotheses, sorted best first, within a margin of the best score."""
    return [h for h in hypotheses if h.score >= hypotheses[0].score - margin]


@dataclass(frozen=True)
class Rescorer:
    """A neural language model with its weights; see :func:`rescore`.

    Attributes:
        lm: the model.
        weight: of ln P_neural.
        interpolate: the share to remove from the n-gram model's part of the score.
        margin: the most that a rescored hypothesis may lie behind the best, natural log.
    """

    lm: LanguageModel
    weight: float
    interpolate: float = 0.0
    margin: float = MARGIN

    def __call__(
        self,
        hypotheses: Sequence[Hypothesis],
        texts: Sequence[str] | None = None,
        *,
        before: str | None = None,
        boosts: Sequence[float] | None = None,
    ) -> list[Hypothesis]:
        """Rescore the hypotheses of an utterance; the arguments are those of :func:`rescore`."""
        return rescore(
            hypotheses,
            self.lm,
            self.weight,
            interpolate=self.interpolate,
            before=before,
            texts=texts,
            boosts=boosts,
        )
