"""Sound files -> transcripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog.features.spectrogram import log_mel, normalise
from recog.media.sound import open_sound
from recog.model.config import SpectrogramConfig
from recog.model.runtime import parallel
from recog.recogniser import Recogniser, line_confidence, make_words
from recog.segment.speech import Segment, segments
from recog.transcript import Line, Transcript

BLOCK_SECONDS = 10.0
Recognised = tuple[Line, float, NDArray[np.float32]]


class Transcriber(Recogniser):
    """A speech model."""

    @property
    def features(self) -> SpectrogramConfig:
        assert self.config.spectrogram is not None  # the config was validated
        return self.config.spectrogram

    def transcribe(
        self,
        source: str | Path | BinaryIO,
        *,
        name: str | None = None,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Transcript:
        """Transcribe one recording of any length, in bounded memory.

        Args:
            source: path of a sound or video file, or a binary stream.
            name: what to call it in the result; its path unless given.
            advance: called with the seconds done after each segment.
            keep: called with each segment's log-probabilities (frames, symbols), in order.

        Raises:
            UserError: the file cannot be read. One that is cut short gives what there is, and a warning in the result.
        """
        with open_sound(source, sample_rate=self.features.sample_rate) as sound:
            stream = segments(sound.blocks(BLOCK_SECONDS), self.features.sample_rate)
            lines = []
            end = 0.0
            for line, end, log_probs in self.lines(stream):
                if line.text:
                    lines.append(line)
                if keep:
                    keep(log_probs)
                if advance:
                    advance(end)
            warnings = (sound.warning,) if sound.warning else ()
        return Transcript(
            name or str(source), tuple(lines), self.config.name, duration=round(end, 3), warnings=warnings
        )

    def lines(self, stream: Iterator[Segment]) -> Iterator[Recognised]:
        """Recognise segments in parallel; gives each line with the second at which its segment ends, and its
        log-probabilities."""
        return parallel(self._line, stream, self.options.workers)

    def log_probs(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-probabilities (frames, symbols) of a segment of at most 30 s."""
        return self.runtime.log_probs(normalise(log_mel(wave, self.features), self.features))

    def _line(self, segment: Segment) -> Recognised:
        seconds = len(segment.wave) / self.features.sample_rate
        end = segment.start + seconds
        log_probs = self.log_probs(segment.wave)
        text, spans, alternatives = self.decode(log_probs)
        step = self.features.hop * self.config.encoder.subsampling / self.features.sample_rate
        words = make_words(spans, lambda frame: segment.start + min(seconds, frame * step))
        line = Line(
            text,
            words,
            start=words[0].start if words else round(segment.start, 3),
            end=words[-1].end if words else round(end, 3),
            confidence=line_confidence(spans),
            alternatives=alternatives,
        )
        return line, end, log_probs
