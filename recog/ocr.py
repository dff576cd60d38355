"""Images of handwriting -> transcripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog.features.strips import to_columns, to_strip
from recog.media.image import read_image
from recog.model.config import StripConfig
from recog.recogniser import Recogniser, Span, line_confidence
from recog.transcript import Line, Transcript, Word


class LineReader(Recogniser):
    """A handwriting model that reads images of single lines."""

    @property
    def features(self) -> StripConfig:
        assert self.config.strip is not None  # the config was validated
        return self.config.strip

    def transcribe(
        self,
        source: str | Path | BinaryIO,
        *,
        name: str | None = None,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Transcript:
        """Read one image of one line.

        Args:
            source: path of an image file, or a binary stream.
            name: what to call it in the result; its path unless given.
            advance: called with 1 when done.
            keep: called with the line's log-probabilities (frames, symbols).

        Raises:
            UserError: the file cannot be read.
        """
        image = read_image(source)
        height, width = image.shape
        strip = to_strip(image, self.features)
        log_probs = self.runtime.log_probs(to_columns(strip))
        if keep:
            keep(log_probs)
        text, spans, alternatives = self.decode(log_probs)
        scale = self.config.encoder.subsampling * width / strip.shape[1]  # image pixels a frame
        words = tuple(self._word(span, scale, width, height) for span in spans)
        line = Line(text, words, confidence=line_confidence(spans), alternatives=alternatives)
        if advance:
            advance(1.0)
        return Transcript(name or str(source), (line,), self.config.name, size=(width, height))

    def log_probs(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Log-probabilities (frames, symbols) of a grey line image (height, width)."""
        return self.runtime.log_probs(to_columns(to_strip(image, self.features)))

    @staticmethod
    def _word(span: Span, scale: float, width: int, height: int) -> Word:
        word, first, after, confidence = span
        left, right = min(width, first * scale), min(width, after * scale)
        box = (round(left, 1), 0.0, round(right, 1), float(height))
        return Word(word, box=box, confidence=round(min(1.0, confidence), 4))
