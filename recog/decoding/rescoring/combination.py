"""N-best combination: a neural language model reorders and combines the beam's hypotheses.

The best hypothesis takes over runs of words from the others for as long as the neural model's score
rises; see :mod:`recog.decoding.rescoring.hill_climbing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from recog.decoding.decoder import Decoder
from recog.decoding.hypothesis import Hypothesis
from recog.decoding.rescoring.hill_climbing import MAX_CANDIDATES, Tokens, climb, new_combinations
from recog.decoding.rescoring.nbest import Rescorer, within_margin
from recog.decoding.rescoring.test_time_augmentation import VariantScorer
from recog.decoding.validation import Floats

ROUNDS = 3  # of hill climbing
BEHIND = 3.0  # natural log: how far a combination may lie behind the best before rescoring

Ranking = list[tuple[str, Hypothesis]]  # written texts and hypotheses, best first


def _texts_of(hypotheses: Sequence[Hypothesis]) -> list[str]:
    return [hypothesis.text for hypothesis in hypotheses]


@dataclass(frozen=True)
class NBestCombination:
    """Rescore and combine the hypotheses of an utterance.

    Args:
        decoder: the decoder that made them.
        rescorer: the neural model.
        texts_of: gives the written text of each hypothesis; its ``text`` by default.
    """

    decoder: Decoder
    rescorer: Rescorer
    texts_of: Callable[[Sequence[Hypothesis]], list[str]] = _texts_of

    def __call__(
        self,
        hypotheses: Sequence[Hypothesis],
        variants: Sequence[Floats],
        *,
        before: str | None = None,
        include_distant: bool = False,
    ) -> list[Hypothesis]:
        """Return the hypotheses of an utterance, best first, each written text once.

        Combinations have no timesteps.

        Args:
            hypotheses: as the decoder orders them.
            variants: (frames, symbols) each; a hypothesis's log-probability is the mean over them.
            before: the text that precedes this one.
            include_distant: return hypotheses beyond the rescorer's margin too. This never changes
                the best one.
        """
        near = within_margin(hypotheses, self.rescorer.margin)
        ranked = self._combined(near, variants, before, scored=include_distant)
        if include_distant and len(near) < len(hypotheses):
            distant = hypotheses[len(near) :]
            merged = _merge(ranked, self._ranked(distant, self.texts_of(distant), before))
            ranked = [ranked[0], *(pair for pair in merged if pair[0] != ranked[0][0])]
        return [hypothesis for _, hypothesis in ranked]

    def _combined(
        self,
        hypotheses: Sequence[Hypothesis],
        variants: Sequence[Floats],
        before: str | None,
        *,
        scored: bool,
    ) -> Ranking:
        """Rank the hypotheses and their combinations.

        Where all texts are the same to the neural model, it is only asked if ``scored``.
        """
        # one hypothesis, or words that differ in case or punctuation alone
        texts = self.texts_of(hypotheses)
        if self.rescorer.lm.alike(texts):
            return self._ranked(hypotheses, texts, before, weight=None if scored else 0.0)
        ranked = self._ranked(hypotheses, texts, before)
        symbols = self.decoder.symbols
        if " " not in symbols:
            return ranked
        space, score = symbols.index(" "), VariantScorer(self.decoder, variants, before)
        known = {hypothesis.tokens for hypothesis in hypotheses}
        threshold = hypotheses[0].score - BEHIND

        def neighbours(best: Hypothesis) -> Iterable[Tokens]:
            fresh = new_combinations(best, [other for _, other in ranked[1:]], known, space)
            tokens = islice(dict.fromkeys(islice(fresh, 2 * MAX_CANDIDATES)), MAX_CANDIDATES)
            return list(tokens)

        def choose(best: Hypothesis, candidates: Iterable[Tokens]) -> Hypothesis:
            nonlocal ranked
            known.update(candidates)
            combinations = [h for h in map(score, candidates) if h and h.score >= threshold]
            if combinations:
                texts = self.texts_of(combinations)
                ranked = _merge(ranked, self._ranked(combinations, texts, before))
            return ranked[0][1]

        climb(ranked[0][1], neighbours, choose, ROUNDS)
        return ranked

    def _ranked(
        self,
        hypotheses: Sequence[Hypothesis],
        texts: Sequence[str],
        before: str | None,
        *,
        weight: float | None = None,
    ) -> Ranking:
        """Rescore the first hypothesis of each written text, with another ``weight`` if given."""
        rescorer = self.rescorer if weight is None else replace(self.rescorer, weight=weight)
        first: dict[str, Hypothesis] = {}
        for text, hypothesis in zip(texts, hypotheses, strict=True):
            first.setdefault(text, hypothesis)
        text_of = {hypothesis.tokens: text for text, hypothesis in first.items()}
        boosts = [self.decoder.boosts(h.tokens, before=before) for h in first.values()]
        rescored = rescorer(list(first.values()), list(first), before=before, boosts=boosts)
        return [(text_of[hypothesis.tokens], hypothesis) for hypothesis in rescored]


def _merge(left: Ranking, right: Ranking) -> Ranking:
    """Merge two rankings; of equal texts the better hypothesis stays."""
    each: dict[str, Hypothesis] = {}
    for text, hypothesis in sorted((*left, *right), key=lambda pair: pair[1].score, reverse=True):
        each.setdefault(text, hypothesis)
    return list(each.items())
