"""Prefix beam search of an utterance, at once or in chunks, with compiled kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recog.decoding.beam.beam import make_scratch, new_beam
from recog.decoding.beam.prefix_trie import ROOT, make_trie, with_room
from recog.decoding.fusion.character_cache import make_rows
from recog.decoding.fusion.kernels import CHARACTERS, make_prefix_states, with_capacity
from recog.decoding.validation import Floats, Pruning
from recog.util.jit import compile_in_background

if TYPE_CHECKING:
    from recog.decoding.fusion.tables import ShallowFusion

CAPACITY = 256  # nodes of a new trie
NODES_PER_FRAME = 8  # of a line with a language model at a beam of 25, with some to spare


class Search(Protocol):
    """A beam search that can be fed in chunks."""

    def feed(self, probs: Any) -> None:
        """Search further frames: (time, symbols) probabilities, at least one frame."""

    def prefixes(self) -> tuple[Any, Any]:
        """Return the labels that all prefixes share, and those of the best one; int32."""

    def recombined_alternatives(self, labels: Sequence[int], count: int) -> list[tuple[int, ...]]:
        """Return at most ``count`` texts that were recombined with this one."""

    def finish(self, log_probs: Floats, probs: Any, log_scale: float, n_best: int) -> Sequence[Any]:
        """Return the hypotheses, given all frames.

        Returns:
            Labels, starts, numbers of labels, log-probabilities and scores; a row for each
            hypothesis.
        """


class BlankSkipper:
    """Leave frames that are almost certainly blank out of a search, within a bound.

    A run of such frames becomes a single frame that is certainly blank. The search then misses the
    alignments with a label in any of them, and no others. Their total probability is at most the
    sum of the frames' probabilities of a label, which never exceeds ``bound``. So with a beam that
    loses nothing, the result is at most this much less probable than the best labelling.

    No frame may use more than 1/64 of the bound, so that the first doubtful frames do not use it
    up. The skipped frames do not depend on how a stream is cut into chunks.
    """

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self._spent = 0.0

    def __call__(self, probs: Any) -> Any:
        """Return the frames to search, of (time, symbols) probabilities."""
        if self._bound <= 0.0:
            return probs
        others = probs[:, 1:].sum(1)
        blank = others <= self._bound / 64.0
        spent = np.cumsum(np.concatenate(([self._spent], np.where(blank, others, 0.0))))[1:]
        self._spent = float(spent[-1])
        blank &= spent <= self._bound
        repeated = blank.copy()
        repeated[1:] &= blank[:-1]
        repeated[0] = False
        frames = probs[~repeated]
        frames[blank[~repeated]] = np.eye(1, probs.shape[1])
        return frames


class PlainSearch:
    """Beam search without a language model.

    Args:
        pruning: the beam's options.
        frames: the expected number of frames.
    """

    KERNELS = "plain_step", "plain_finish"

    def __init__(self, pruning: Pruning, frames: int = 0) -> None:
        self._step, self._finish = _kernels(*self.KERNELS)
        self._pruning: tuple[Any, ...] = (pruning.tokens, pruning.cutoff, pruning.ratio)
        self._skip = BlankSkipper(pruning.blank_skip)
        self._trie = make_trie(max(CAPACITY, NODES_PER_FRAME * frames))
        self._beam = new_beam(pruning.width, self._trie, self._start_mass())

    def _start_mass(self) -> float:
        return 1.0

    def _grow(self, nodes: int) -> None:
        self._trie = with_room(self._trie, nodes)

    def _step_arguments(self) -> tuple[Any, ...]:
        return ()

    def feed(self, probs: Any) -> None:
        probs = self._skip(probs)
        scratch, done = make_scratch(len(self._beam.rows), probs.shape[1]), 0
        while done < len(probs):
            self._grow(len(self._beam.rows))
            done += self._step(
                probs[done:], self._beam, self._trie, scratch, *self._pruning,
                *self._step_arguments(),
            )  # fmt: skip

    def prefixes(self) -> tuple[Any, Any]:
        from recog.decoding.beam.kernels.partial import shared_and_best

        return shared_and_best(self._beam, self._trie)

    def recombined_alternatives(self, labels: Sequence[int], count: int) -> list[tuple[int, ...]]:
        """Return nothing: without a language model no prefixes recombine."""
        return []

    def finish(self, log_probs: Floats, probs: Any, log_scale: float, n_best: int) -> Sequence[Any]:
        self._grow(len(probs))
        *labels, sums = self._finish(log_probs, probs, log_scale, self._beam, self._trie, n_best)
        return [*labels, sums, sums]


class FusionSearch(PlainSearch):
    """Beam search with a language model or hotwords.

    Args:
        pruning: the beam's options.
        fusion: language model and hotwords.
        before: the text that precedes the utterance.
        sentence: whether the utterance is a sentence.
        frames: the expected number of frames.
    """

    KERNELS = "lm_step", "lm_finish"

    def __init__(
        self,
        pruning: Pruning,
        fusion: ShallowFusion,
        before: str | None,
        sentence: bool,
        frames: int = 0,
    ) -> None:
        self._fusion = fusion.tables
        self._start = fusion.start(before, sentence=sentence)
        self._end_token = fusion.end_token if sentence else -1
        self._rows = make_rows(
            len(self._fusion.tokens), used=self._fusion.options[0]["kind"] == CHARACTERS
        )
        super().__init__(pruning, frames)
        self._pruning = (*self._pruning, pruning.recombine)

    def _start_mass(self) -> float:
        self._states = make_prefix_states(self._fusion, len(self._trie.nodes), self._start)
        return float(self._states[ROOT]["look_ahead"])

    def _grow(self, nodes: int) -> None:
        super()._grow(nodes)
        self._states = with_capacity(self._states, len(self._trie.nodes))

    def _step_arguments(self) -> tuple[Any, ...]:
        return self._fusion, self._states, self._rows

    def recombined_alternatives(self, labels: Sequence[int], count: int) -> list[tuple[int, ...]]:
        from recog.decoding.beam.recombination import recombined_alternatives

        return recombined_alternatives(self._trie, self._states, labels, count)

    def finish(self, log_probs: Floats, probs: Any, log_scale: float, n_best: int) -> Sequence[Any]:
        self._grow(len(probs))
        return self._finish(
            log_probs, probs, log_scale, self._beam, self._trie, n_best,
            self._fusion, self._states, self._start, self._end_token,
        )  # fmt: skip


@cache
def _kernels(step: str, finish: str) -> tuple[Any, Any]:
    """Import the two kernels of a search; at the first use ever they compile in parallel."""
    package = "recog.decoding.beam.kernels"
    with compile_in_background(f"{package}.{step}"):
        finish_module = import_module(f"{package}.{finish}")
    return import_module(f"{package}.{step}").step, finish_module.finish


def probabilities(log_probs: Floats) -> tuple[Any, float]:
    """Return probabilities scaled to sum to 1 in each frame, and the log of the scales' product."""
    from recog.decoding.ctc import trellis

    return trellis.probabilities(log_probs)


def text_weight(
    fusion: ShallowFusion, labels: Sequence[int], before: str | None, sentence: bool
) -> float:
    """Return the natural log of a text's weight: alpha ln P_lm + beta n + boosts."""
    from recog.decoding.beam.kernels.lm_score import lm_score

    end_token = fusion.end_token if sentence else -1
    start = fusion.start(before, sentence=sentence)
    return float(lm_score(fusion.tables, np.asarray(labels, np.int32), start, end_token))


def hotword_boosts(
    fusion: ShallowFusion, labels: Sequence[int], before: str | None, sentence: bool
) -> float:
    """Return the part of :func:`text_weight` that comes from hotwords, natural log."""
    tables = fusion.tables
    if len(tables.hotword_next) <= 1:
        return 0.0
    hotword_state, total = fusion.start(before, sentence=sentence)[3], 0.0
    codes = [
        code
        for label in labels
        for code in tables.codes[tables.first[label] : tables.first[label + 1]]
    ]
    if tables.options[0]["whole_words"] and (not codes or codes[-1] != 0):
        codes.append(0)  # the end of the text ends its last word
    for code in codes:
        hotword_state = tables.hotword_next[hotword_state, code]
        total += math.log(tables.hotword_gain[hotword_state, 0])
    return total
