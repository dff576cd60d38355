"""Rescoring the N-best with a neural language model, which reads further back than any n-gram.

The beam needs a model that answers for every prefix at every frame; a neural one is too slow for
that, and is asked about the few readings that the beam leaves (Mikolov et al. 2010, "Recurrent
neural network based language model", section 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from recog.decoding.decoder import Hypothesis
from recog.decoding.validation import InvalidInputError

if TYPE_CHECKING:
    from recog.lm.neural import State


RESCORED = 20  # readings that are asked for
# natural log; without those further behind the best as few words were wrong (LibriSpeech dev)
MARGIN = 6.0


class LanguageModel(Protocol):
    """What rescoring asks of a model; :class:`recog.lm.neural.NeuralLM` is one."""

    def score(
        self,
        texts: Sequence[str],
        before: str | State | None = None,
        *,
        sentence: bool | None = None,
    ) -> NDArray[np.float64]:
        """Natural log of the probability of each text, (texts,)."""
        ...

    def alike(self, texts: Sequence[str]) -> bool:
        """Whether the model cannot tell the texts apart."""
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
    """Order the readings of one utterance anew.

    A reading's new score is ``log_prob + boost + (1 - interpolate) * (score - log_prob - boost) +
    weight * ln P_neural(text)``. In the decoder's ``score``, ``score - log_prob`` is what its
    n-gram model, its bonus a word or character and its hotwords (the ``boost``) added; at
    ``interpolate`` 0 all of that stays and the neural model comes on top, at 1 the neural model
    stands in the place of the n-gram model. ``log_prob``, which is the network's alone, and the
    hotwords' boosts, of which no model knows, stay as they are.

    Args:
        hypotheses: as :meth:`recog.decoding.Decoder.decode` gives them for one utterance; the list
            is left as it is.
        lm: the neural model.
        weight: of ln P_neural, 0 to 100; 0 asks the model nothing.
        interpolate: the share, 0 to 1, of what the decoder added to ``log_prob`` that is taken
            back, but for boosts.
        before: the text that this one follows, or where :meth:`recog.lm.neural.NeuralLM.read` left
            off.
        sentence: whether each text is a whole sentence; by default as the model was trained.
        texts: what the model is asked about in place of the hypotheses' own texts, where these are
            not what is written.
        boosts: of the hotwords in each reading, natural log, part of its score; by default none has
            any.

    Returns:
        The same readings with their new scores, best first; those of equal score stay in their
        order.

    Raises:
        InvalidInputError: an option out of range.
    """
    for name, value, highest in (("weight", weight, 100.0), ("interpolate", interpolate, 1.0)):
        if not (math.isfinite(value) and 0.0 <= value <= highest):
            raise InvalidInputError(f"{name} is {value}; it must lie between 0 and {highest:g}.")
    if not hypotheses:
        return []
    kept = [h.score for h in hypotheses]
    if interpolate:
        bases = [
            h.log_prob + boost
            for h, boost in zip(hypotheses, boosts or [0.0] * len(kept), strict=True)
        ]
        kept = [
            base + (1.0 - interpolate) * (h.score - base)
            for h, base in zip(hypotheses, bases, strict=True)
        ]
    neural = [0.0] * len(kept)
    if weight:
        neural = (
            weight * lm.score(texts or [h.text for h in hypotheses], before, sentence=sentence)
        ).tolist()
    found = [replace(h, score=a + b) for h, a, b in zip(hypotheses, kept, neural, strict=True)]
    # stable: reverse keeps the order of equals
    return sorted(found, key=lambda h: h.score, reverse=True)


def contenders(hypotheses: Sequence[Hypothesis], margin: float = MARGIN) -> list[Hypothesis]:
    """The readings, best first, that are near enough to the best one to be worth a neural model's
    time."""
    return [
        hypothesis for hypothesis in hypotheses if hypothesis.score >= hypotheses[0].score - margin
    ]


@dataclass(frozen=True)
class Rescorer:
    """A neural language model and what it counts for; see :func:`rescore`.

    Attributes:
        lm: the model.
        weight: of ln P_neural.
        interpolate: the share that is taken back of what the decoder added.
        margin: how far behind the best a reading may be, natural log, to be asked about.
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
        """The readings of one utterance, best first; ``texts`` are they as they are written, and
        ``boosts`` what their hotwords add."""
        return rescore(
            hypotheses,
            self.lm,
            self.weight,
            interpolate=self.interpolate,
            before=before,
            texts=texts,
            boosts=boosts,
        )
