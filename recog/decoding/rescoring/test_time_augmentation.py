"""Test-time augmentation: decode several variants of a line or of speech together.

A variant is what the same network outputs for a slightly changed input: a line slanted or
stretched, speech slowed down. The network errs in different places on each. The outputs cannot be
averaged frame by frame, because the peaks of a CTC network move between variants. The probability
of a whole labelling can: its log-probability here is the mean over the variants, a geometric mean
of probabilities (Hinton 2002, "Training products of experts").

Candidates are the N-best lists of all variants. The best candidate then takes over words of the
others as long as its score rises. ROVER (Fiscus 1997, "A post-processing system to yield reduced
word error rates") aligns the outputs of several recognisers in the same way, but lets them vote;
here network and language model decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from recog.decoding.ctc.forward_sum import ForwardSums
from recog.decoding.ctc.viterbi import viterbi
from recog.decoding.decoder import Decoder
from recog.decoding.hypothesis import Hypothesis
from recog.decoding.rescoring.hill_climbing import MAX_CANDIDATES, Tokens, climb, new_combinations
from recog.decoding.validation import Floats

READINGS = 5  # hypotheses taken from each variant; 10 and 40 gave the same texts


class Posteriors(NamedTuple):
    """A network's outputs for a line or a stretch of speech.

    Attributes:
        log_probs: (frames, symbols) natural log-probabilities.
        phones: (frames, phones), of models that recognise phones too.
        variants: the outputs for changed inputs; their numbers of frames differ.
    """

    log_probs: Floats
    phones: Floats | None = None
    variants: tuple[Posteriors, ...] = ()


def uncertainty_of(log_probs: Floats) -> float:
    """Mean of -ln P of the best symbol over the frames where it is not the blank.

    Args:
        log_probs: (frames, symbols), blank at index 0. 0 where the blank is best in all frames.
    """
    best = log_probs.argmax(axis=1)
    written = np.flatnonzero(best)
    return -float(log_probs[written, best[written]].mean()) if len(written) else 0.0


def decode_variants(
    decoder: Decoder,
    lines: Sequence[Sequence[Floats]],
    *,
    before: Sequence[str | None] | None = None,
    n_best: int | None = None,
    per_variant: int | None = None,
) -> list[list[Hypothesis]]:
    """Decode lines, each from one or several variants.

    Args:
        lines: for each line its variants, (frames, symbols) natural log-probabilities.
        before: for each line the preceding text; see :meth:`recog.decoding.Decoder.decode`.
        n_best: the most hypotheses for a line; None for as many as the decoder gives.
        per_variant: the least number of hypotheses to take from each of several variants,
            :data:`READINGS` by default.

    Returns:
        For each line its hypotheses, best first, at most ``n_best``. With several variants,
        ``log_prob`` is the mean over the variants, and ``timesteps`` belong to the first. A
        hypothesis that needs more frames than a variant has is left out.
    """
    texts = [None] * len(lines) if before is None else list(before)
    results: list[list[Hypothesis]] = [[] for _ in lines]
    per_variant = min(max(per_variant or READINGS, decoder.n_best), decoder.beam_width)
    n_best = min(n_best or decoder.n_best, decoder.beam_width)
    for several, count in ((False, n_best), (True, per_variant)):
        rows = [i for i, variants in enumerate(lines) if (len(variants) > 1) == several]
        decoded = iter(
            decoder.decode(
                [variant for i in rows for variant in lines[i]],
                before=[texts[i] for i in rows for _ in lines[i]],
                n_best=count,
            )
        )
        for i in rows:
            lists = list(islice(decoded, len(lines[i])))
            results[i] = (
                _Combiner(VariantScorer(decoder, lines[i], texts[i])).best(lists, n_best)
                if several
                else lists[0]
            )
    return results


@dataclass
class VariantScorer:
    """Score a labelling by all variants of a line.

    Args:
        decoder: its language model and hotwords count.
        variants: (frames, symbols) natural log-probabilities, each.
        before: the text that precedes the line.
    """

    decoder: Decoder
    variants: Sequence[Floats]
    before: str | None = None

    def __post_init__(self) -> None:
        self.sums = [ForwardSums(variant) for variant in self.variants]

    def __call__(
        self,
        tokens: Tokens,
        weight: float | None = None,
        log_probs: Mapping[int, float] = MappingProxyType({}),
    ) -> Hypothesis | None:
        """Return the hypothesis of these tokens, without timesteps.

        Args:
            weight: the score of language model and hotwords, if it is known.
            log_probs: the log-probabilities by the index of the variant, where they are known.

        Returns:
            None where a variant has too few frames, or the language model rules the text out.
        """
        if weight is None:
            weight = self.decoder.weight(tokens, before=self.before)
        if not np.isfinite(weight):
            return None
        each = [
            log_probs[k] if k in log_probs else sums(tokens) for k, sums in enumerate(self.sums)
        ]
        mean = float(np.mean(each))
        if not np.isfinite(mean):
            return None
        text = "".join(self.decoder.symbols[token] for token in tokens)
        return Hypothesis(text, mean + weight, mean, tokens, ())


class _Combiner:
    """Rank and combine the N-best lists of a line's variants."""

    def __init__(self, score: VariantScorer) -> None:
        self.score = score
        self.known: dict[Tokens, Hypothesis | None] = {}
        self.budget = MAX_CANDIDATES

    def best(self, lists: Sequence[Sequence[Hypothesis]], n_best: int) -> list[Hypothesis]:
        """Return the best hypotheses, given the N-best list of each variant."""
        by_tokens: dict[Tokens, dict[int, Hypothesis]] = {}
        for variant, hypotheses in enumerate(lists):
            for hypothesis in hypotheses:
                by_tokens.setdefault(hypothesis.tokens, {})[variant] = hypothesis
        for tokens, same in by_tokens.items():
            first = next(iter(same.values()))
            log_probs = {variant: h.log_prob for variant, h in same.items()}
            self.known[tokens] = self.score(tokens, first.score - first.log_prob, log_probs)
        self._combine()
        frames = self.score.variants[0]
        return [
            replace(h, timesteps=viterbi(frames, h.tokens).starts) for h in self._ranked()[:n_best]
        ] or list(lists[0])

    def _ranked(self) -> list[Hypothesis]:
        return sorted((h for h in self.known.values() if h), key=lambda h: h.score, reverse=True)

    def _combine(self) -> None:
        """Add the combinations that improve the best hypothesis to ``known``."""
        ranked, symbols = self._ranked(), self.score.decoder.symbols
        if len(ranked) < 2 or " " not in symbols:
            return
        best, *others = ranked
        for other in others:
            neighbours = partial(
                new_combinations, others=[other], known=self.known, space=symbols.index(" ")
            )
            best = climb(best, neighbours, self._first_better)

    def _first_better(self, best: Hypothesis, candidates: Iterable[Tokens]) -> Hypothesis:
        for tokens in candidates:
            if self.budget == 0:
                break
            self.budget -= 1
            hypothesis = self.known[tokens] = self.score(tokens)
            if hypothesis is not None and hypothesis.score > best.score:
                return hypothesis
        return best
