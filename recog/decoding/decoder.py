"""The decoder as others see it: options in, hypotheses out. The work is done in
:mod:`recog.decoding.beam.search`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from recog.decoding.fusion.tables import Language
    from recog.lm.trie import NGramTrie

MAX_BEAM = 1_000_000
HOTWORD_BOOST = 5.0


@dataclass(frozen=True)
class Hypothesis:
    """One reading of an utterance.

    Attributes:
        text: the tokens' symbols, joined.
        score: what the N-best is ordered by, higher is better: ``log_prob`` + alpha ln P_lm + beta
            n + boosts, where n counts words or, of a character model, characters; without a
            language model and hotwords ``log_prob``.
        log_prob: natural log of the labelling's probability, summed over all its alignments
            (float64).
        tokens: symbol indices, without blanks.
        timesteps: for each token the frame at which it starts on the most probable alignment;
            rising.
    """

    text: str
    score: float
    log_prob: float
    tokens: tuple[int, ...]
    timesteps: tuple[int, ...]


class Decoder:
    """CTC prefix beam search (Hannun et al. 2014), with n-gram language models and hotwords.

    After each frame the ``beam_width`` prefixes with the most probability over all their alignments
    are kept, weighted by the language model where there is one. The best path's labelling always
    joins the final candidates (unless the vocabulary is closed), and candidates are compared by
    their exact sums: without a model the first hypothesis is at any width at least as probable as
    best path's.

    A model of words scores a word where it ends, at a space or at the end; inside, the unigram of
    the best word that the spelling may become is a look-ahead. Unknown words can be spelled: at
    P(<unk>) and ``unknown_cost`` a character. Where only the best text is asked for, prefixes
    recombine: of those that the model continues alike (the same context, the same beginning of a
    word) the most probable one goes on, which makes a narrow beam as good as a much wider one. A
    model of characters scores each one.

    Args:
        symbols: the strings of indices 0 to n - 1. Index 0 is the blank, whatever its string; the
            others may be of any length.
        beam_width: prefixes kept, from 1.
        n_best: hypotheses returned for an utterance at most, 1 to ``beam_width``.
        threads: utterances decoded at once; None takes one for each CPU this process may use.
        beam_size_token: extend prefixes only by this many of a frame's most probable symbols, the
            blank counted; None does not limit them.
        cutoff_prob: extend prefixes only by a frame's most probable symbols that together reach
            this probability; None or 1 does not limit them.
        blank_skip: leave frames that are all but certain to be blank out of the search, as long as
            everything else in all of them has at most this probability, 0 to 0.1. Nothing that the
            search then cannot see is more probable than that (see
            :class:`recog.decoding.beam.search.BlankSkipper`); ``log_prob`` counts all frames as
            ever.
        beam_threshold: drop prefixes whose log-probability lies more than this below the best's;
            None drops none.
        lm: a model of words or of characters, or the path of its file (ARPA, plain or compressed,
            or recog's binary).
        alpha: weight of ln P_lm, from 0.
        beta: added to the score for each word or, with a model of characters, for each character.
        hotwords: words and phrases to expect, each spelled in the symbols; or, with each, its
            boost.
        hotword_boost: added to the score where one of ``hotwords`` occurs as whole words, 0 to 50,
            natural log.
        closed_vocabulary: only the words of the model of words, or of the lexicon, nothing else.
        sentence: an utterance is a sentence: the model begins it with <s> and ends it with </s>. A
            line of handwriting or a stretch of speech is not.
        unknown_cost: what each character of an unknown word costs, natural log, weighed by alpha.
        lexicon: how words are spelled in the symbols, in one or several ways, where that is not by
            their own characters: where the symbols are sounds, how they are pronounced. Words of
            the model that it leaves out cannot be found, words that the model does not have cost as
            unknown ones. Several words may be spelled alike; the one that the model deems the
            likeliest counts (:class:`recog.decoding.lexicon.homophones.Homophones` tells which they
            are).

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
        self.language: Language | None = None
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
        # weights of 0 are no model at all
        if boosts or closed_vocabulary or (model is not None and (alpha or beta)):
            from recog.decoding.fusion.tables import make_language

            self.language = make_language(
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
        """Decode a batch; the result for an utterance does not depend on the others.

        Args:
            log_probs: (batch, time, symbols), or a sequence of (time, symbols); natural log, NumPy
                arrays or torch tensors, computed in float64 from float32 values.
            lengths: (batch,) frames of each utterance; the rest is padding, whatever it holds. None
                takes all.
            before: for each utterance the text that it follows, for the language model: the line
                above, of which a hyphen at the end lets the word go on.
            n_best: another number than the decoder's own, 1 to ``beam_width``. Whether prefixes
                recombine stays as it is; where they do, those that gave way to the best one's are
                among them again.

        Returns:
            For each utterance its hypotheses, best first: at most ``n_best``, at least one, no two
            of the same tokens. No frames give one empty hypothesis of log-probability 0.

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
        with ThreadPoolExecutor(threads) as pool:  # the kernels leave the GIL
            return list(pool.map(search, utterances, texts))

    def begin(self, before: str | None = None, *, frames: int = 0) -> Search:
        """A beam before the first frame; ``frames`` is how many are expected."""
        from recog.decoding.beam.search import PlainSearch, WeightedSearch

        if self.language is None:
            return PlainSearch(self._pruning, frames)
        return WeightedSearch(self._pruning, self.language, before, self.sentence, frames)

    def weight(self, tokens: Sequence[int], *, before: str | None = None) -> float:
        """What the language model and the hotwords add to the log-probability of a text to make its
        score."""
        if self.language is None:
            return 0.0
        from recog.decoding.beam.search import weight_of

        return weight_of(self.language, tokens, before, self.sentence)

    def boosts(self, tokens: Sequence[int], *, before: str | None = None) -> float:
        """The part of :meth:`weight` that is the boosts of the hotwords in a text."""
        if self.language is None:
            return 0.0
        from recog.decoding.beam.search import boosts_of

        return boosts_of(self.language, tokens, before, self.sentence)

    def _search(self, log_probs: Floats, before: str | None, n_best: int) -> list[Hypothesis]:
        from recog.decoding.beam.search import (
            probabilities,  # here, as it imports Numba: a best path never waits for it
        )

        if len(log_probs) == 0:
            return [Hypothesis("", self.weight((), before=before), 0.0, (), ())]
        search = self.begin(before, frames=len(log_probs))
        probs, log_scale = probabilities(log_probs)
        search.feed(probs)
        found = self.hypotheses(search.finish(log_probs, probs, log_scale, n_best))
        return (
            self._beside_rivals(found, search, log_probs, before, n_best)
            if n_best > 1 and self._pruning.recombine
            else found
        )

    def _beside_rivals(
        self,
        found: list[Hypothesis],
        search: Search,
        log_probs: Floats,
        before: str | None,
        n_best: int,
    ) -> list[Hypothesis]:
        """The N best once those are among them that recombined with the best."""
        from recog.decoding.ctc.forward_sum import Sums
        from recog.decoding.ctc.viterbi import viterbi

        known, sums = {hypothesis.tokens for hypothesis in found}, Sums(log_probs)
        for tokens in search.rivals(found[0].tokens, n_best):
            log_prob = -math.inf if tokens in known else sums(tokens)
            if math.isfinite(log_prob):
                text = "".join([self.symbols[token] for token in tokens])
                found.append(
                    Hypothesis(
                        text, log_prob + self.weight(tokens, before=before), log_prob, tokens, ()
                    )
                )
        found = sorted(found, key=lambda hypothesis: hypothesis.score, reverse=True)[:n_best]
        return [
            h if h.timesteps else replace(h, timesteps=viterbi(log_probs, h.tokens).starts)
            for h in found
        ]

    def hypotheses(self, found: Sequence[Any]) -> list[Hypothesis]:
        """What :meth:`recog.decoding.beam.search.Search.finish` found, for people."""
        rows = [self._hypothesis(*row) for row in zip(*found, strict=True)]
        return [row for row in rows if row.score > -math.inf] or rows[
            :1
        ]  # with a closed vocabulary some may be impossible

    def _hypothesis(
        self, labels: Any, starts: Any, length: int, log_prob: float, score: float
    ) -> Hypothesis:
        tokens = tuple(labels[:length].tolist())
        text = "".join([self.symbols[token] for token in tokens])
        return Hypothesis(
            text, float(score), float(log_prob), tokens, tuple(starts[:length].tolist())
        )

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
