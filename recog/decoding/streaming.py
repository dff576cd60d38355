"""Streaming decoder: partial texts while log-probabilities arrive, the same final result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recog.decoding.decoder import Decoder
from recog.decoding.hypothesis import Hypothesis
from recog.decoding.validation import Floats, InvalidInputError, as_log_probs

if TYPE_CHECKING:
    from recog.decoding.beam.search import Search

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Partial:
    """The result for an unfinished utterance.

    Attributes:
        frames: the number of frames so far.
        stable: the text that all prefixes in the beam begin with. It only grows, and the final
            hypotheses begin with it. There are two exceptions: best path's labelling may have left
            the beam and turn out more probable by its exact sum, and a closed vocabulary may cut
            off an unfinished word.
        best: the text of the most probable prefix; begins with ``stable``.
        stable_tokens: the symbol indices of ``stable``.
        best_tokens: those of ``best``.
    """

    frames: int
    stable: str
    best: str
    stable_tokens: Tokens
    best_tokens: Tokens


class StreamingDecoder:
    """Decoder of an utterance that arrives in chunks.

    The beam persists between chunks, so a frame costs the same as offline. :meth:`finish` returns
    bit for bit the result of :meth:`Decoder.decode` for all frames at once. For the exact sums,
    all log-probabilities stay in memory, 4 bytes for each symbol and frame, and so do all prefixes
    that were ever in the beam: cut endless streams at silences.

    Args:
        decoder: the options. Streams in several threads may share it; a stream belongs to a single
            thread.
        before: the text that precedes this utterance; see :meth:`Decoder.decode`.

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
        # None until there are frames, so that empty utterances compile nothing
        self._search: Search | None = None
        self._finished = False

    @property
    def frames(self) -> int:
        """The number of frames so far."""
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
                finished. A rejected chunk leaves the stream unchanged.
        """
        self._check_open()
        chunk = as_log_probs(log_probs, symbols=len(self.decoder.symbols), name="the chunk")
        chunk = chunk.copy()  # callers may reuse their buffers
        if len(chunk) > 0:
            if self._search is None:
                self._search = self.decoder.begin(self._before)
            from recog.decoding.beam.search import probabilities

            self._search.feed(probabilities(chunk)[0])
            self._chunks.append(chunk)
            self._frames += len(chunk)
        return self.partial()

    def partial(self) -> Partial:
        """Return the result so far.

        Raises:
            InvalidInputError: the stream has finished.
        """
        self._check_open()
        if self._search is None:
            return Partial(0, "", "", (), ())
        stable, best = (tuple(labels.tolist()) for labels in self._search.prefixes())
        return Partial(self._frames, self._text(stable), self._text(best), stable, best)

    def finish(self) -> list[Hypothesis]:
        """End the stream and return the utterance's hypotheses, as :meth:`Decoder.decode` does.

        Raises:
            InvalidInputError: the stream has ended before.
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

        # of all frames at once, since the scales' sum depends on the order of its terms
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
