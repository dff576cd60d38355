"""The decoder: options and log-probabilities in, hypotheses out."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recog.decoding.hypothesis import Hypothesis
from recog.decoding.validation import (
    Floats,
    InvalidInputError,
    Pruning,
    as_array,
    as_boosts,
    as_log_probs,
    real,
    whole,
)
from recog.lm.text import UNKNOWN_COST

if TYPE_CHECKING:
    from recog.decoding.beam.search import Search
    from recog.decoding.fusion.tables import ShallowFusion
    from recog.lm.trie import NGramTrie

MAX_BEAM = 1_000_000
HOTWORD_BOOST = 5.0


class Decoder:
    """CTC prefix beam search (Hannun et al. 2014), with n-gram language models and hotwords.

    After each frame the ``beam_width`` most probable prefixes stay, summed over all their
    alignments and weighted by the language model. Final candidates are compared by their exact
    sums. The best path's labelling is always among them, unless the vocabulary is closed. So
    without a model the first hypothesis is at least as probable as best path's, at any width.

    A model of words scores a word at its end, a space or the end of the text. Before that, the
    unigram of the best word that begins so serves as a look-ahead. Unknown words cost P(<unk>) and
    ``unknown_cost`` for each character. Where only the best text is requested, prefixes recombine:
    of those with the same context and the same beginning of a word, the most probable stays. This
    makes a narrow beam as good as a much wider one. A model of characters scores each character.

    Args:
        symbols: the strings of indices 0 to n - 1. Index 0 is the blank, whatever its string; the
            others may be of any length.
        beam_width: prefixes in the beam, from 1.
        n_best: the most hypotheses for an utterance, 1 to ``beam_width``.
        threads: utterances to decode at once; None for the number of CPUs this process may use.
        beam_size_token: extend prefixes only by this many of a frame's most probable symbols, the
            blank included; None for no limit.
        cutoff_prob: extend prefixes only by a frame's most probable symbols that together reach
            this probability; None or 1 for no limit.
        blank_skip: skip frames that are almost certainly blank, as long as all their other symbols
            together have at most this probability, 0 to 0.1. Whatever the search misses is not more
            probable than that (see :class:`recog.decoding.beam.search.BlankSkipper`). ``log_prob``
            always counts all frames.
        beam_threshold: drop prefixes whose log-probability lies more than this below the best's;
            None for no limit.
        lm: a model of words or of characters, or the path of its file (ARPA, plain or compressed,
            or recog's binary).
        alpha: weight of ln P_lm, from 0.
        beta: added to the score for each word or, with a model of characters, for each character.
        hotwords: words and phrases to expect, spelled in the symbols; or a mapping to their boosts.
        hotword_boost: added to the score where a hotword occurs as whole words, 0 to 50, natural
            log.
        closed_vocabulary: allow only the words of the model, or of the lexicon.
        sentence: whether an utterance is a sentence, from <s> to </s>. A line of handwriting or a
            stretch of speech is not.
        unknown_cost: cost of each character of an unknown word, natural log, multiplied by alpha.
        lexicon: the spellings of each word in the symbols, where these are not its characters: its
            pronunciations, if the symbols are phones. Words of the model that it lacks are never
            found; words that the model lacks cost as unknown words. Of several words spelled alike
            the most probable counts (:class:`recog.decoding.lexicon.homophones.Homophones`
            chooses).

    Raises:
        InvalidInputError: an option out of range.

    Example:
        >>> decoder = Decoder(["", "a", "b"], beam_width=10)
        >>> [[best]] = decoder.decode([np.log([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])])
        >>> best.text, best.timesteps
        ('ab', (0, 2))
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        beam_width: int = 25,
        n_best: int = 1,
        threads: int | None = None,
        beam_size_token: int | None = None,
        cutoff_prob: float | None = None,
        beam_threshold: float | None = None,
        blank_skip: float = 0.0,
        lm: str | Path | NGramTrie | None = None,
        alpha: float = 0.5,
        beta: float = 0.5,
        hotwords: Iterable[str] | Mapping[str, float] | None = None,
        hotword_boost: float = HOTWORD_BOOST,
        closed_vocabulary: bool = False,
        sentence: bool = False,
        unknown_cost: float = UNKNOWN_COST,
        lexicon: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        if not self.symbols or not all(isinstance(symbol, str) for symbol in self.symbols):
            raise InvalidInputError("symbols must be strings, the blank's first.")
        self.beam_width = whole("beam_width", beam_width, MAX_BEAM)
        self.n_best = whole("n_best", n_best, self.beam_width, " (beam_width)")
        self.threads = _cpus() if threads is None else whole("threads", threads, 1024)
        n = len(self.symbols)
        tokens = (
            n
            if beam_size_token is None
            else min(whole("beam_size_token", beam_size_token, 2**31), n)
        )
        cutoff = 1.0 if cutoff_prob is None else float(cutoff_prob)
        if not 0.0 < cutoff <= 1.0:
            raise InvalidInputError(
                f"cutoff_prob is {cutoff_prob}; it must lie above 0 and at most at 1."
            )
        threshold = math.inf if beam_threshold is None else float(beam_threshold)
        if not threshold >= 0.0:
            raise InvalidInputError(f"beam_threshold is {beam_threshold}; it must be at least 0.")
        skip = real("blank_skip", blank_skip, 0.0, 0.1)
        self.sentence = sentence
        self.fusion: ShallowFusion | None = None
        boosts = as_boosts(hotwords, hotword_boost)
        alpha, beta = real("alpha", alpha, 0.0), real("beta", beta, -100.0)
        unknown_cost = real("unknown_cost", unknown_cost, 0.0)
        model = _open(lm)
        if lexicon is not None and (model is None or model.unit != "word"):
            raise InvalidInputError("a lexicon needs a language model of words.")
        recombine = model is not None and model.unit == "word" and self.n_best == 1
        self._pruning = Pruning(
            self.beam_width, tokens, cutoff, math.exp(-threshold), skip, recombine
        )
        # with weights of 0 there is no need for the model
        if boosts or closed_vocabulary or (model is not None and (alpha or beta)):
            from recog.decoding.fusion.tables import make_fusion

            self.fusion = make_fusion(
                self.symbols,
                model,
                alpha=alpha,
                beta=beta,
                closed_vocabulary=closed_vocabulary,
                unknown_cost=unknown_cost,
                hotwords=boosts,
                lexicon=lexicon,
            )

    def decode(
        self,
        log_probs: Any,
        lengths: Any = None,
        *,
        before: Sequence[str | None] | None = None,
        n_best: int | None = None,
    ) -> list[list[Hypothesis]]:
        """Decode a batch; an utterance's result does not depend on the others.

        Args:
            log_probs: (batch, time, symbols), or a sequence of (time, symbols); natural log, NumPy
                arrays or torch tensors, computed in float64 from float32 values.
            lengths: (batch,) frames of each utterance; the rest is padding. None takes all.
            before: for each utterance the text that precedes it, for the language model, such as
                the line above. After a hyphen at its end, its last word continues.
            n_best: replaces the decoder's ``n_best``, 1 to ``beam_width``. Prefixes recombine as
                before; texts that were recombined with the best one are added to the list.

        Returns:
            For each utterance its hypotheses, best first: at most ``n_best``, at least one, all
            with different tokens. An utterance without frames has an empty hypothesis of
            log-probability 0.

        Raises:
            InvalidInputError: wrong shapes, lengths out of range, NaN, ``+inf``, positive entries,
                or a frame with no possible symbol.
        """
        utterances = self._utterances(log_probs, lengths)
        if not utterances:
            return []
        if before is not None and len(before) != len(utterances):
            raise InvalidInputError(
                f"before has {len(before)} texts for {len(utterances)} utterances."
            )
        if before is not None and not all(text is None or isinstance(text, str) for text in before):
            raise InvalidInputError("before must hold texts, or None.")
        texts = list(before) if before is not None else [None] * len(utterances)
        count = (
            self.n_best
            if n_best is None
            else whole("n_best", n_best, self.beam_width, " (beam_width)")
        )
        search = partial(self._search, n_best=count)
        threads = min(self.threads, len(utterances))
        if threads == 1:
            return [search(*pair) for pair in zip(utterances, texts, strict=True)]
        with ThreadPoolExecutor(threads) as pool:  # kernels release the GIL
            return list(pool.map(search, utterances, texts))

    def begin(self, before: str | None = None, *, frames: int = 0) -> Search:
        """Return a search before its first frame; ``frames`` is the number to expect."""
        from recog.decoding.beam.search import FusionSearch, PlainSearch

        if self.fusion is None:
            return PlainSearch(self._pruning, frames)
        return FusionSearch(self._pruning, self.fusion, before, self.sentence, frames)

    def weight(self, tokens: Sequence[int], *, before: str | None = None) -> float:
        """Return the score minus the log-probability of a text: language model and hotwords."""
        if self.fusion is None:
            return 0.0
        from recog.decoding.beam.search import text_weight

        return text_weight(self.fusion, tokens, before, self.sentence)

    def boosts(self, tokens: Sequence[int], *, before: str | None = None) -> float:
        """Return the part of :meth:`weight` that comes from the hotwords in a text."""
        if self.fusion is None:
            return 0.0
        from recog.decoding.beam.search import hotword_boosts

        return hotword_boosts(self.fusion, tokens, before, self.sentence)

    def _search(self, log_probs: Floats, before: str | None, n_best: int) -> list[Hypothesis]:
        # imported here, since Numba is slow to import and best path does not need it
        from recog.decoding.beam.search import probabilities

        if len(log_probs) == 0:
            return [Hypothesis("", self.weight((), before=before), 0.0, (), ())]
        search = self.begin(before, frames=len(log_probs))
        probs, log_scale = probabilities(log_probs)
        search.feed(probs)
        hypotheses = self.hypotheses(search.finish(log_probs, probs, log_scale, n_best))
        return (
            self._with_alternatives(hypotheses, search, log_probs, before, n_best)
            if n_best > 1 and self._pruning.recombine
            else hypotheses
        )

    def _with_alternatives(
        self,
        hypotheses: list[Hypothesis],
        search: Search,
        log_probs: Floats,
        before: str | None,
        n_best: int,
    ) -> list[Hypothesis]:
        """Add the texts that were recombined with the best one, and return the N best."""
        from recog.decoding.ctc.forward_sum import ForwardSums
        from recog.decoding.ctc.viterbi import viterbi

        known, sums = {hypothesis.tokens for hypothesis in hypotheses}, ForwardSums(log_probs)
        for tokens in search.recombined_alternatives(hypotheses[0].tokens, n_best):
            log_prob = -math.inf if tokens in known else sums(tokens)
            if math.isfinite(log_prob):
                score = log_prob + self.weight(tokens, before=before)
                hypotheses.append(Hypothesis(self._text(tokens), score, log_prob, tokens, ()))
        hypotheses = sorted(hypotheses, key=lambda h: h.score, reverse=True)[:n_best]
        return [
            h if h.timesteps else replace(h, timesteps=viterbi(log_probs, h.tokens).starts)
            for h in hypotheses
        ]

    def hypotheses(self, arrays: Sequence[Any]) -> list[Hypothesis]:
        """Convert the arrays of :meth:`recog.decoding.beam.search.Search.finish`."""
        rows = [self._hypothesis(*row) for row in zip(*arrays, strict=True)]
        # with a closed vocabulary some may be impossible
        return [row for row in rows if row.score > -math.inf] or rows[:1]

    def _hypothesis(
        self, labels: Any, starts: Any, length: int, log_prob: float, score: float
    ) -> Hypothesis:
        tokens = tuple(labels[:length].tolist())
        timesteps = tuple(starts[:length].tolist())
        return Hypothesis(self._text(tokens), float(score), float(log_prob), tokens, timesteps)

    def _text(self, tokens: Sequence[int]) -> str:
        return "".join([self.symbols[token] for token in tokens])

    def _utterances(self, log_probs: Any, lengths: Any) -> list[Floats]:
        if isinstance(log_probs, (list, tuple)):
            items = [as_array(item) for item in log_probs]
        else:
            batch = as_array(log_probs)
            if batch.ndim != 3:
                raise InvalidInputError(
                    f"log_probs has shape {batch.shape}, where (batch, time, symbols) is expected, "
                    "or a list of (time, symbols)."
                )
            items = list(batch)
        if lengths is not None:
            counts = as_array(lengths)
            if counts.shape != (len(items),) or (counts.size and counts.dtype.kind not in "iu"):
                raise InvalidInputError(
                    f"lengths must be {len(items)} whole numbers, one for each utterance."
                )
            for i, (item, count) in enumerate(zip(items, counts.tolist(), strict=True)):
                if item.ndim == 2 and not 0 <= count <= len(item):
                    raise InvalidInputError(
                        f"lengths[{i}] is {count}, but utterance {i} has {len(item)} frames."
                    )
                items[i] = item[:count]
        return [
            as_log_probs(x, symbols=len(self.symbols), name=f"utterance {i}")
            for i, x in enumerate(items)
        ]


def _open(lm: str | Path | NGramTrie | None) -> NGramTrie | None:
    if isinstance(lm, (str, Path)):
        from recog.lm.binary import load_lm

        return load_lm(lm)
    return lm


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
