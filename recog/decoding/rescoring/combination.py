"""The second pass over what a beam found: a neural language model orders the readings anew, and
those that do best by it lend each other words.

The N best of a long line or stretch differ in a few places only, and seldom is one of them right in
all: what each has right is put together, a run of words at a time, for as long as that makes the
best one better (as Rastrow et al. 2011, "Efficient discriminative training of long-span language
models", climb from the N-best, here over its own words).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.rescoring.nbest import Rescorer, contenders
from recog.decoding.rescoring.test_time_augmentation import Tokens, Weigher, mixed
from recog.decoding.validation import Floats

ROUNDS = 3  # times that words are lent
LENT = 40  # readings of a round that are put together at most
BEHIND = 3.0  # natural log; by the n-gram model alone, how far behind the best these may be


@dataclass(frozen=True)
class SecondPass:
    """Order readings anew.

    Args:
        decoder: that found them.
        rescorer: the neural model.
        written: what is written of each of several readings; by default their own texts.
    """

    decoder: Decoder
    rescorer: Rescorer
    written: Callable[[Sequence[Hypothesis]], list[str]] = lambda readings: [
        reading.text for reading in readings
    ]

    def __call__(
        self,
        found: Sequence[Hypothesis],
        views: Sequence[Floats],
        *,
        before: str | None = None,
        every: bool = False,
    ) -> list[Hypothesis]:
        """The readings of one utterance, best first, no two of them written alike; those that were
        put together have no timesteps.

        Args:
            found: as the decoder orders them.
            views: of which each reading's log-probability is the mean, (frames, symbols) each.
            before: the text that this one follows.
            every: those far behind too, for whoever wants to see them; which is the best does not
                depend on it.
        """
        near = contenders(found, self.rescorer.margin)
        ranked = self._climbed(near, self.written(near), views, before, scored=every)
        if every and len(near) < len(found):
            far = found[len(near) :]
            merged = _merged(ranked, self._ordered(far, self.written(far), self.rescorer, before))
            ranked = [ranked[0], *(pair for pair in merged if pair[0] != ranked[0][0])]
        return [reading for _, reading in ranked]

    def _climbed(
        self,
        readings: Sequence[Hypothesis],
        texts: Sequence[str],
        views: Sequence[Floats],
        before: str | None,
        *,
        scored: bool,
    ) -> list[tuple[str, Hypothesis]]:
        """The readings with what is written of them, best first, and those that were put together
        of their words among them. Where the neural model has nothing to say it is asked only if
        ``scored`` wants its part of the scores."""
        # one reading, or words that differ in their case or punctuation alone
        if self.rescorer.lm.alike(texts):
            rescorer = self.rescorer if scored else replace(self.rescorer, weight=0.0)
            return self._ordered(readings, texts, rescorer, before)
        ranked = self._ordered(readings, texts, self.rescorer, before)
        symbols = self.decoder.symbols
        if " " not in symbols:
            return ranked
        space, weigh = symbols.index(" "), Weigher(self.decoder, views, before)
        known, bar = {reading.tokens for reading in readings}, readings[0].score - BEHIND
        for _ in range(ROUNDS):
            best = ranked[0][1]
            fresh = _lent(best, [reading for _, reading in ranked[1:]], known, space)
            made = [
                reading
                for reading in map(weigh, fresh)
                if reading is not None and reading.score >= bar
            ]
            if made:
                ranked = _merged(
                    ranked, self._ordered(made, self.written(made), self.rescorer, before)
                )
            if ranked[0][1] is best:
                break
        return ranked

    def _ordered(
        self,
        readings: Sequence[Hypothesis],
        texts: Sequence[str],
        rescorer: Rescorer,
        before: str | None,
    ) -> list[tuple[str, Hypothesis]]:
        """Each text once, with the first of the readings that are written so; best first."""
        each: dict[str, Hypothesis] = {}
        for text, reading in zip(texts, readings, strict=True):
            each.setdefault(text, reading)
        names = {reading.tokens: text for text, reading in each.items()}
        boosts = [self.decoder.boosts(reading.tokens, before=before) for reading in each.values()]
        anew = rescorer(list(each.values()), list(each), before=before, boosts=boosts)
        return [(names[reading.tokens], reading) for reading in anew]


def _lent(
    best: Hypothesis, others: Sequence[Hypothesis], known: set[Tokens], space: int
) -> list[Tokens]:
    """The best reading with one run of its words as another has it, each of them new; they are
    known then."""
    fresh = (
        tokens
        for other in others
        for tokens in mixed(best.tokens, other.tokens, space)
        if tokens not in known
    )
    found = list(islice(dict.fromkeys(islice(fresh, 2 * LENT)), LENT))
    known.update(found)
    return found


def _merged(
    ranked: Sequence[tuple[str, Hypothesis]], more: Sequence[tuple[str, Hypothesis]]
) -> list[tuple[str, Hypothesis]]:
    """Both lists in one, best first; of what is written alike the better one."""
    each: dict[str, Hypothesis] = {}
    for text, reading in sorted((*ranked, *more), key=lambda pair: pair[1].score, reverse=True):
        each.setdefault(text, reading)
    return list(each.items())
