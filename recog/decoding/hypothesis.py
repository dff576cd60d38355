"""A decoded text with its scores, symbols and times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """A decoded text of an utterance.

    Attributes:
        text: the tokens' symbols, joined.
        score: orders the N-best list, higher is better. It is ``log_prob`` + alpha ln P_lm + beta n
            + boosts, where n counts words or, with a character model, characters. Without language
            model and hotwords it is ``log_prob``.
        log_prob: natural log of the labelling's probability, summed over all alignments (float64).
        tokens: symbol indices, without blanks.
        timesteps: the frame at which each token starts on the most probable alignment; rising.
    """

    text: str
    score: float
    log_prob: float
    tokens: tuple[int, ...]
    timesteps: tuple[int, ...]
