"""One line or stretch of speech taken in several ways: readings found in each view, weighed by all
of them.

Views are those of one network on an input that is a little changed (a line slanted or stretched,
speech slowed down): readers who err in different places. Frame by frame their outputs cannot be
averaged, as the peaks of a CTC network stand elsewhere in each; how probable a whole reading is in
each of them can (Hinton 2002, "Training products of experts", here over whole labellings: the
geometric mean, so that no view decides alone). As they err in different words, the best reading
then takes over, word by word, what others have in its place, for as long as that makes it better
(as Fiscus 1997, "A post-processing system to yield reduced word error rates: ROVER", aligns the
outputs of several recognisers; but it is the network and the language model that judge, not a
vote).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from recog.decoding.ctc.forward_sum import Sums
from recog.decoding.ctc.viterbi import viterbi
from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.validation import Floats

READINGS = 5  # of each view that are weighed; 10 and 40 gave the same texts
SPLICES = 40  # readings put together from those of several views that are weighed at most
Tokens = tuple[int, ...]


class Seen(NamedTuple):
    """What a network makes of a line or of a stretch of speech: (frames, symbols) natural
    log-probabilities, (frames, sounds) where it hears any, and the same of other views, whose
    frames are others."""

    log_probs: Floats
    sounds: Floats | None = None
    again: tuple[Seen, ...] = ()


def doubt_of(log_probs: Floats) -> float:
    """How unsure the network is: mean of -ln P of the best symbol, over the frames in which it is
    not the blank.

    Args:
        log_probs: (frames, symbols), blank at index 0. 0 where all of it is blank.
    """
    best = log_probs.argmax(axis=1)
    written = np.flatnonzero(best)
    return -float(log_probs[written, best[written]].mean()) if len(written) else 0.0


def decode_views(
    decoder: Decoder,
    lines: Sequence[Sequence[Floats]],
    *,
    before: Sequence[str | None] | None = None,
    n_best: int | None = None,
    each: int | None = None,
) -> list[list[Hypothesis]]:
    """Decode lines, each from one or several views of it.

    Args:
        lines: for each its views, (frames, symbols) natural log-probabilities; frames may differ
            between views.
        before: for each line the text that it follows; see :meth:`recog.decoding.Decoder.decode`.
        n_best: hypotheses returned for a line at most; None for as many as the decoder gives.
        each: readings of each of several views that are weighed at least, :data:`READINGS` unless
            given.

    Returns:
        For each line its hypotheses, best first, at most ``n_best``. Where there are several views,
        candidates are the ``each`` best of each and what is spliced from them; ``log_prob`` is the
        mean of a reading's log-probabilities in the views, and ``timesteps`` are of the first. A
        reading for which one has too few frames is left out.
    """
    texts = [None] * len(lines) if before is None else list(before)
    found: list[list[Hypothesis]] = [[] for _ in lines]
    readings = min(max(each or READINGS, decoder.n_best), decoder.beam_width)
    wanted = min(n_best or decoder.n_best, decoder.beam_width)
    for several, count in ((False, wanted), (True, readings)):
        own = [i for i, views in enumerate(lines) if (len(views) > 1) == several]
        decoded = iter(
            decoder.decode(
                [view for i in own for view in lines[i]],
                before=[texts[i] for i in own for _ in lines[i]],
                n_best=count,
            )
        )
        for i in own:
            of_views = list(islice(decoded, len(lines[i])))
            found[i] = (
                _Reader(decoder, lines[i], texts[i]).best(of_views, wanted)
                if several
                else of_views[0]
            )
    return found


@dataclass
class Weigher:
    """How much a reading of one line is worth, by all of its views.

    Args:
        decoder: of which the language model and the hotwords count.
        views: (frames, symbols) natural log-probabilities, each.
        before: the text that the line follows.
    """

    decoder: Decoder
    views: Sequence[Floats]
    before: str | None = None

    def __post_init__(self) -> None:
        self.sums = [Sums(view) for view in self.views]

    def __call__(
        self,
        tokens: Tokens,
        added: float | None = None,
        log_probs: Mapping[int, float] = MappingProxyType({}),
    ) -> Hypothesis | None:
        """The reading of these tokens, without timesteps; None where a view has too few frames for
        it, or the language model does not allow it.

        Args:
            added: what the language model and the hotwords add, where that is known.
            log_probs: the reading's log-probabilities in some of the views, where they are known.
        """
        if added is None:
            added = self.decoder.weight(tokens, before=self.before)
        if not np.isfinite(added):
            return None
        each = [
            log_probs[k] if k in log_probs else sums(tokens) for k, sums in enumerate(self.sums)
        ]
        mean = float(np.mean(each))
        if not np.isfinite(mean):
            return None
        text = "".join(self.decoder.symbols[token] for token in tokens)
        return Hypothesis(text, mean + added, mean, tokens, ())


class _Reader:
    """The views of one line as one reader."""

    def __init__(self, decoder: Decoder, views: Sequence[Floats], before: str | None) -> None:
        self.symbols, self.views = decoder.symbols, views
        self.weigh = Weigher(decoder, views, before)
        self.known: dict[Tokens, Hypothesis | None] = {}

    def best(self, found: Sequence[Sequence[Hypothesis]], n_best: int) -> list[Hypothesis]:
        """The best readings, of those that were found in each view."""
        by_view: dict[Tokens, dict[int, Hypothesis]] = {}
        for view, hypotheses in enumerate(found):
            for hypothesis in hypotheses:
                by_view.setdefault(hypothesis.tokens, {})[view] = hypothesis
        for tokens, same in by_view.items():
            one = next(iter(same.values()))
            log_probs = {view: h.log_prob for view, h in same.items()}
            self.known[tokens] = self.weigh(tokens, one.score - one.log_prob, log_probs)
        self._splice()
        ranked = self._ranked()[:n_best]
        return [
            replace(h, timesteps=viterbi(self.views[0], h.tokens).starts) for h in ranked
        ] or list(found[0])

    def _ranked(self) -> list[Hypothesis]:
        return sorted(
            (h for h in self.known.values() if h),
            key=lambda hypothesis: hypothesis.score,
            reverse=True,
        )

    def _splice(self) -> None:
        """Put words of other readings in the place of the best one's, as long as that makes it
        better."""
        ranked = self._ranked()
        if len(ranked) < 2 or " " not in self.symbols:
            return
        best, *others = ranked
        tried = 0
        for other in others:
            improved = True
            while improved:
                improved = False
                for tokens in mixed(best.tokens, other.tokens, self.symbols.index(" ")):
                    if tokens in self.known or tried >= SPLICES:
                        continue
                    tried += 1
                    found = self.known[tokens] = self.weigh(tokens)
                    if found is not None and found.score > best.score:
                        best, improved = found, True
                        break


def mixed(tokens: Tokens, others: Tokens, space: int) -> Iterator[Tokens]:
    """A reading with one run of its words at a time as another has it; and with one word, where a
    run has as many in both."""
    own, strange = _words(tokens, space), _words(others, space)
    for kind, a, b, c, d in SequenceMatcher(None, own, strange, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        singles = (
            [(a + k, a + k + 1, c + k, c + k + 1) for k in range(b - a)]
            if 1 < b - a == d - c
            else []
        )
        for first, after, start, end in [(a, b, c, d), *singles]:
            words = [*own[:first], *strange[start:end], *own[after:]]
            yield tuple(
                token for k, word in enumerate(words) for token in ((space, *word) if k else word)
            )


def _words(tokens: Tokens, space: int) -> list[Tokens]:
    ends = [k for k, token in enumerate(tokens) if token == space]
    return [tokens[a + 1 : b] for a, b in zip([-1, *ends], [*ends, len(tokens)], strict=True)]
