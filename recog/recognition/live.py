"""Transcribe sound while it arrives: partial texts at once, a final line after each segment.

Final lines are those that a file with the same sound would give::

    listener = Listener(recog.load("english-speech"))
    for block in blocks:
        for result in listener.feed(block):
            print(result.line.text, result.is_final)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.decoding.streaming import StreamingDecoder
from recog.features.log_mel import MAX_SEGMENT_SECONDS
from recog.recognition.base import apply_temperature
from recog.recognition.speech import SpeechRecogniser
from recog.segment.speech import Segment, Segmenter
from recog.text.alphabet import BLANK
from recog.transcript import Line

PAST = 4.0  # seconds of context before the frames that a window adds
FUTURE = 0.48  # seconds of context after them
STEP = 0.24  # seconds of new sound at which a window is run
MAX_ADDED = 3.0  # seconds that one window adds at most


@dataclass(frozen=True)
class LiveResult:
    """A partial text of the open segment, or the final line of a closed one.

    A partial line may still change and has no words. A final line is empty where a partial text
    turned out to be no speech.
    """

    line: Line
    is_final: bool


class Listener:
    """Transcribes one stream of sound.

    Final lines equal those of :meth:`SpeechRecogniser.transcribe` to the bit, for any block sizes.
    Partial texts come from windows of bounded length, each with 0.48 s of sound after the frames
    that it adds. The beam search goes on from window to window, so a second of sound costs the same
    however long the segment is.

    Args:
        transcriber: a speech model of :func:`recog.load`.
        partials: give partial texts, too.
    """

    def __init__(self, transcriber: SpeechRecogniser, *, partials: bool = True) -> None:
        self._transcriber = transcriber
        self._segmenter = Segmenter(transcriber.features.sample_rate)
        self._chunk_merger = transcriber.chunk_merger()
        self._partial = _Partial(transcriber) if partials else None

    def feed(self, block: NDArray[np.float32]) -> Iterator[LiveResult]:
        """Take the next float32 samples at the model's rate; iterate over the results."""
        if self._partial is not None:
            self._partial.append(block)
        for segment in self._segmenter.feed(block):
            yield from self._final(segment)
        if self._partial is not None and self._segmenter.open_since is not None:
            line = self._partial.advance(self._segmenter.open_since)
            if line is not None:
                yield LiveResult(line, False)

    def finish(self) -> Iterator[LiveResult]:
        """End the sound; gives the remaining results."""
        for segment in self._segmenter.finish():
            yield from self._final(segment)

    @property
    def seconds(self) -> float:
        """Seconds of sound fed so far."""
        return self._segmenter.samples / self._segmenter.sample_rate

    def _final(self, segment: Segment) -> Iterator[LiveResult]:
        chunk = self._chunk_merger(segment, self._transcriber.posteriors(segment.wave))
        line = self._transcriber.line(chunk)
        had_partial = self._partial is not None and self._partial.text != ""
        if self._partial is not None:
            self._partial.begin(chunk.end)
        if line.text or had_partial:
            yield LiveResult(line, True)


class _Partial:
    """The text so far of the segment that is still open.

    Positions are sample numbers, multiples of the network's frame.
    """

    def __init__(self, transcriber: SpeechRecogniser) -> None:
        self._transcriber = transcriber
        self._rate = transcriber.features.sample_rate
        self._frame = transcriber.features.hop * transcriber.config.encoder.subsampling
        # samples to keep; older ones are forgotten
        self._capacity = round((MAX_SEGMENT_SECONDS + PAST + 2.0) * self._rate)
        self._sound = np.zeros(2 * self._capacity, np.float32)
        self._count = 0  # samples in it
        self._received = 0  # samples received
        self.begin(0.0)

    def append(self, block: NDArray[np.float32]) -> None:
        """Keep the next samples."""
        self._received += len(block)
        block = block[-self._capacity :]
        if self._count + len(block) > len(self._sound):
            rest = self._capacity - len(block)
            self._sound[:rest] = self._sound[self._count - rest : self._count]
            self._count = rest
        self._sound[self._count : self._count + len(block)] = block
        self._count += len(block)

    def begin(self, second: float) -> None:
        """Begin a new segment at ``second``."""
        self._begun = self._done = self._to_grid(second * self._rate)
        self.text = ""
        self._tokens: list[int] = []
        self._last = BLANK
        decoder = self._transcriber.decoder
        self._stream = None if decoder is None else StreamingDecoder(decoder)

    def advance(self, since: float) -> Line | None:
        """The text of the open segment, which began at second ``since``; None if unchanged."""
        if self._to_grid(since * self._rate) > self._begun:
            self.begin(since)
        text = self.text
        while self._received - self._done >= (FUTURE + STEP) * self._rate:
            text = self._decode(self._window())
        if text == self.text:
            return None
        self.text = text
        return Line(
            text, start=round(self._begun / self._rate, 3), end=round(self._done / self._rate, 3)
        )

    def _window(self) -> NDArray[np.float32]:
        """Log-probabilities of the next frames, of at most 3 s."""
        first = self._received - self._count  # sample number of the first sample that is kept
        start = max(
            self._done - self._to_grid(PAST * self._rate), -(-first // self._frame) * self._frame
        )
        end = min(self._received, self._done + round((MAX_ADDED + FUTURE) * self._rate))
        log_probs = self._transcriber.log_probs(self._sound[start - first : end - first])
        skipped = (self._done - start) // self._frame
        frames = max(1, (end - round(FUTURE * self._rate) - self._done) // self._frame)
        self._done += frames * self._frame
        return log_probs[skipped : skipped + frames]

    def _decode(self, log_probs: NDArray[np.float32]) -> str:
        if self._stream is not None:
            temperature = self._transcriber.config.decoding.temperature
            text = self._stream.feed(apply_temperature(log_probs, temperature)).best
        else:
            for label in log_probs.argmax(axis=1).tolist():
                if label not in (BLANK, self._last):
                    self._tokens.append(label)
                self._last = label
            text = "".join(self._transcriber.config.symbols[token] for token in self._tokens)
        return " ".join(text.split())

    def _to_grid(self, samples: float) -> int:
        return round(samples / self._frame) * self._frame
