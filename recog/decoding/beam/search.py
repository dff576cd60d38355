"""One utterance through the compiled kernels, at once or in chunks: the beam and all that belongs
to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recog.decoding.beam.beam import make_scratch, new_beam
from recog.decoding.beam.prefix_trie import ROOT, make_trie, with_room
from recog.decoding.fusion.kernels import make_places, make_rows, with_places
from recog.decoding.validation import Floats, Pruning
from recog.util.jit import compile_in_background

if TYPE_CHECKING:
    from recog.decoding.fusion.tables import Language

CAPACITY = 256  # nodes of a new trie
# nodes a frame that a line with a language model takes at a beam of 25, with some to spare
USUAL = 8


class Search(Protocol):
    """A beam between two chunks."""

    def feed(self, probs: Any) -> None:
        """Take it through (time, symbols) probabilities of at least one frame."""

    def prefixes(self) -> tuple[Any, Any]:
        """Labels that all live prefixes share, and those of the best; int32."""

    def rivals(self, labels: Sequence[int], count: int) -> list[tuple[int, ...]]:
        """Texts that gave way to this one where they recombined with it, at most so many."""

    def finish(self, log_probs: Floats, probs: Any, log_scale: float, n_best: int) -> Sequence[Any]:
        """Of all frames at once: labels, starts, numbers of labels, log-probabilities, scores; a
        row each hypothesis."""


class BlankSkipper:
    """Leaves frames that are all but certain to be blank out of a search, within a bound.

    A run of such frames becomes one that is blank for certain. The search then misses the
    alignments that have a label in any of them, and no others. Their probability, of all labellings
    together, is at most the sum of the frames' probabilities of not being blank, which never
    exceeds ``bound``: with a beam that loses nothing, the labelling found is at most this much less
    probable than the best. No frame may take more than 1/64 of the bound, so that the first
    doubtful ones do not use it up; which frames are skipped does not depend on how a stream is cut
    into chunks.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self._spent = 0.0

    def __call__(self, probs: Any) -> Any:
        """The frames to search, of (time, symbols) probabilities."""
        if self._bound <= 0.0:
            return probs
        others = probs[:, 1:].sum(1)
        sure = others <= self._bound / 64.0
        spent = np.cumsum(np.concatenate(([self._spent], np.where(sure, others, 0.0))))[1:]
        self._spent = float(spent[-1])
        sure &= spent <= self._bound
        again = sure.copy()
        again[1:] &= sure[:-1]
        again[0] = False
        searched = probs[~again]
        searched[sure[~again]] = np.eye(1, probs.shape[1])
        return searched


class PlainSearch:
    """Without a language model."""

    def __init__(self, pruning: Pruning, frames: int = 0) -> None:
        self._extend, self._end = _kernels(
            "recog.decoding.beam.kernels.plain_step", "recog.decoding.beam.kernels.plain_finish"
        )
        self._pruning = (pruning.tokens, pruning.cutoff, pruning.ratio)
        self._skip = BlankSkipper(pruning.blank_skip)
        self._trie = make_trie(max(CAPACITY, USUAL * frames))
        self._beam = new_beam(pruning.width, self._trie, 1.0)

    def feed(self, probs: Any) -> None:
        probs = self._skip(probs)
        work, done = make_scratch(len(self._beam.rows), probs.shape[1]), 0
        while done < len(probs):
            self._trie = with_room(self._trie, len(self._beam.rows))
            done += self._extend(probs[done:], self._beam, self._trie, work, *self._pruning)

    def prefixes(self) -> tuple[Any, Any]:
        return _prefixes(self._beam, self._trie)

    def rivals(self, labels: Sequence[int], count: int) -> list[tuple[int, ...]]:
        """None: without a language model nothing recombines."""
        return []

    def finish(self, log_probs: Floats, probs: Any, log_scale: float, n_best: int) -> Sequence[Any]:
        self._trie = with_room(self._trie, len(probs))
        *labels, sums = self._end(log_probs, probs, log_scale, self._beam, self._trie, n_best)
        return [*labels, sums, sums]


class WeightedSearch:
    """With a language model or hotwords.

    Args:
        before: the text that the utterance follows.
        sentence: it is a sentence.
    """

    def __init__(
        self,
        pruning: Pruning,
        language: Language,
        before: str | None,
        sentence: bool,
        frames: int = 0,
    ) -> None:
        self._extend, self._end = _kernels(
            "recog.decoding.beam.kernels.lm_step", "recog.decoding.beam.kernels.lm_finish"
        )
        self._pruning = (pruning.tokens, pruning.cutoff, pruning.ratio, pruning.recombine)
        self._skip = BlankSkipper(pruning.blank_skip)
        self._fusion = language.fusion
        self._start = language.start(before, sentence=sentence)
        self._end_token = language.end_token if sentence else -1
        self._trie = make_trie(max(CAPACITY, USUAL * frames))
        self._places = make_places(self._fusion, len(self._trie.nodes), self._start)
        self._rows = make_rows(self._fusion)
        self._beam = new_beam(pruning.width, self._trie, float(self._places[ROOT]["ahead"]))

    def feed(self, probs: Any) -> None:
        probs = self._skip(probs)
        work, done = make_scratch(len(self._beam.rows), probs.shape[1]), 0
        while done < len(probs):
            self._grow(len(self._beam.rows))
            done += self._extend(
                probs[done:],
                self._beam,
                self._trie,
                work,
                *self._pruning,
                self._fusion,
                self._places,
                self._rows,
            )

    def _grow(self, nodes: int) -> None:
        self._trie = with_room(self._trie, nodes)
        self._places = with_places(self._places, len(self._trie.nodes))

    def prefixes(self) -> tuple[Any, Any]:
        return _prefixes(self._beam, self._trie)

    def rivals(self, labels: Sequence[int], count: int) -> list[tuple[int, ...]]:
        """Texts that gave way to this one where they recombined with it, at most so many."""
        from recog.decoding.beam.recombination import rivals

        return rivals(self._trie, self._places, labels, count)

    def finish(self, log_probs: Floats, probs: Any, log_scale: float, n_best: int) -> Sequence[Any]:
        self._grow(len(probs))
        return self._end(
            log_probs, probs, log_scale, self._beam, self._trie, n_best,
            self._fusion, self._places, self._start, self._end_token,
        )  # fmt: skip


@cache
def _kernels(extend: str, end: str) -> tuple[Any, Any]:
    """The two kernels of a search by their modules, which compile at the first use ever: side by
    side."""
    with compile_in_background(extend):
        ending = import_module(end)
    return import_module(extend).extend, ending.end


def _prefixes(beam: Any, trie: Any) -> tuple[Any, Any]:
    from recog.decoding.beam.kernels.partial import shared_and_best

    return shared_and_best(beam, trie)


def probabilities(log_probs: Floats) -> tuple[Any, float]:
    """Each frame's probabilities, scaled to sum to 1 (float64), and the sum of the logs of the
    scales."""
    from recog.decoding.ctc import trellis

    return trellis.probabilities(log_probs)


def weight_of(
    language: Language, labels: Sequence[int], before: str | None, sentence: bool
) -> float:
    """Natural log of what a text's log-probability is multiplied by: alpha ln P_lm + beta n +
    boosts."""
    from recog.decoding.beam.kernels import lm_score as context_kernels

    end_token = language.end_token if sentence else -1
    start = language.start(before, sentence=sentence)
    return float(
        context_kernels.weight_of(language.fusion, np.asarray(labels, np.int32), start, end_token)
    )


def boosts_of(
    language: Language, labels: Sequence[int], before: str | None, sentence: bool
) -> float:
    """The part of :func:`weight_of` that is the boosts of the hotwords in a text, natural log."""
    fusion = language.fusion
    if len(fusion.hot_next) <= 1:
        return 0.0
    hot, total = language.start(before, sentence=sentence)[3], 0.0
    codes = [
        code
        for label in labels
        for code in fusion.codes[fusion.first[label] : fusion.first[label + 1]]
    ]
    if fusion.options[0]["hot_words"] and (not codes or codes[-1] != 0):
        codes.append(0)  # the end of the text ends its last word
    for code in codes:
        hot = fusion.hot_next[hot, code]
        total += math.log(fusion.hot_gain[hot, 0])
    return total
