"""Decoding while the log-probabilities still come in: partial texts at any time, and at the end
what one call gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.validation import Floats, InvalidInputError, as_log_probs

if TYPE_CHECKING:
    from recog.decoding.beam.search import Search

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Partial:
    """How far an unfinished utterance is understood.

    Attributes:
        frames: how many were fed so far.
        stable: the text that all prefixes in the beam begin with. It only grows; the final
            hypotheses begin with it too, except where best path's labelling, which left the beam,
            turns out more probable by its exact sum, or where a closed vocabulary cuts an
            unfinished word off.
        best: the text of the most probable prefix now; begins with ``stable``.
        stable_tokens: the symbol indices of ``stable``.
        best_tokens: those of ``best``.
    """

    frames: int
    stable: str
    best: str
    stable_tokens: Tokens
    best_tokens: Tokens


class StreamingDecoder:
    """One utterance, fed in chunks.

    The beam lives on between chunks, so a frame costs what it costs offline, and :meth:`finish`
    returns bit for bit what :meth:`Decoder.decode` returns of all frames at once. For its exact
    sums all log-probabilities are kept, 4 bytes a symbol and frame, and so are all prefixes that
    ever stood in the beam: cut streams without an end at silences.

    Args:
        decoder: the options; any number of streams may share it, in as many threads, but a stream
            belongs to one.
        before: the text that this utterance follows; see :meth:`Decoder.decode`.

    Example:
        >>> stream = StreamingDecoder(Decoder(["", "a", "b"]))
        >>> stream.feed(np.log([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])).best
        'a'
        >>> _ = stream.feed(np.log([[0.1, 0.1, 0.8]]))
        >>> stream.finish()[0].text
        'ab'
    """

    def __init__(self, decoder: Decoder, *, before: str | None = None) -> None:
        self.decoder = decoder
        self._before = before
        self._chunks: list[Floats] = []
        self._frames = 0
        # until there are frames: empty utterances compile nothing
        self._search: Search | None = None
        self._finished = False

    @property
    def frames(self) -> int:
        """How many were fed so far."""
        return self._frames

    @property
    def finished(self) -> bool:
        """Whether :meth:`finish` was called."""
        return self._finished

    def feed(self, log_probs: Any) -> Partial:
        """Decode the next frames.

        Args:
            log_probs: (time, symbols), any number of frames from 0; an array or a tensor, copied.

        Raises:
            InvalidInputError: see :func:`recog.decoding.validation.as_log_probs`; or the stream has
                finished. A chunk that is refused leaves the stream as it was.
        """
        self._check_open()
        chunk = as_log_probs(log_probs, symbols=len(self.decoder.symbols), name="the chunk")
        chunk = chunk.copy()  # callers like to reuse their buffers
        if len(chunk) > 0:
            if self._search is None:
                self._search = self.decoder.begin(self._before)
            from recog.decoding.beam.search import probabilities

            self._search.feed(probabilities(chunk)[0])
            self._chunks.append(chunk)
            self._frames += len(chunk)
        return self.partial()

    def partial(self) -> Partial:
        """What is understood so far.

        Raises:
            InvalidInputError: the stream has finished.
        """
        self._check_open()
        if self._search is None:
            return Partial(0, "", "", (), ())
        stable, best = (tuple(labels.tolist()) for labels in self._search.prefixes())
        return Partial(self._frames, self._text(stable), self._text(best), stable, best)

    def finish(self) -> list[Hypothesis]:
        """The hypotheses of the whole utterance, as :meth:`Decoder.decode` returns them; the stream
        ends.

        Raises:
            InvalidInputError: it has ended before.
        """
        self._check_open()
        search = self._search
        log_probs = np.concatenate(
            [np.zeros((0, len(self.decoder.symbols)), np.float32), *self._chunks]
        )
        self._finished, self._search, self._chunks = True, None, []
        if search is None:
            return self.decoder.decode([log_probs], before=[self._before])[0]
        from recog.decoding.beam.search import probabilities

        # again, at once: the scales' sum depends on the order of its terms
        probs, log_scale = probabilities(log_probs)
        return self.decoder.hypotheses(
            search.finish(log_probs, probs, log_scale, self.decoder.n_best)
        )

    def _check_open(self) -> None:
        if self._finished:
            raise InvalidInputError(
                "this stream has finished; make a new one for the next utterance."
            )

    def _text(self, tokens: Tokens) -> str:
        return "".join([self.decoder.symbols[token] for token in tokens])
