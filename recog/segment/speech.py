"""Cut a recording at pauses into segments of speech of at most 30 s, without look-ahead.

Live and offline recognition use the same segmenter. Its segments depend on the sound alone, not on
the size of the blocks. A long pause always closes a segment; the longer the segment, the shorter
the pause that closes it. Speech without a pause is cut after 30 s, and the next segment begins 4 s
earlier. In the overlap the recogniser finds a gap between two words, with sound on both sides
(:mod:`recog.recognition.chunk_merging`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.features.log_mel import MAX_SEGMENT_SECONDS
from recog.segment.voice_activity import FRAME_SECONDS, SpeechDetector

# seconds of pause that close a segment of up to YOUNG seconds, and of OLD seconds or more
LONG_PAUSE, SHORT_PAUSE = 0.8, 0.3
# Short segments are better: features lose the segment's mean, which suits one voice alone.
YOUNG, OLD = 5.0, 15.0
MARGIN = 0.4  # seconds kept before and after speech
SHARED = 4.0  # seconds that two segments share where there is no pause
ONSET, RECENT = 3, 5  # speech begins where ONSET of the RECENT frames hold speech

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Segment:
    """A part of a recording that holds speech.

    Attributes:
        start: seconds into the recording at which ``wave`` begins.
        wave: (samples,) float32.
        keep_from, keep_to: seconds into the recording between which this segment counts; the rest
            is context, shared with its neighbour. None where speech goes on without a pause: then
            the words decide.
    """

    start: float
    wave: Wave
    keep_from: float | None
    keep_to: float | None


def needed_pause(seconds: float) -> float:
    """Seconds of pause that close a segment of ``seconds``."""
    age = min(1.0, max(0.0, (seconds - YOUNG) / (OLD - YOUNG)))
    return LONG_PAUSE + age * (SHORT_PAUSE - LONG_PAUSE)


class Segmenter:
    """Cuts sound, fed in blocks of any size, into segments.

    Args:
        sample_rate: samples a second.
        longest: seconds of a segment at most.
        everything: leave nothing out, not even what is no speech; the detector then only says where
            to cut.
    """

    def __init__(
        self, sample_rate: int, *, longest: float = MAX_SEGMENT_SECONDS, everything: bool = False
    ) -> None:
        self.sample_rate = sample_rate
        self._detector = SpeechDetector(sample_rate)
        self._hop = self._detector.hop
        self._longest = max(1, round(longest / FRAME_SECONDS))
        self._shared = min(round(SHARED / FRAME_SECONDS), self._longest // 2)
        self._margin = round(MARGIN / FRAME_SECONDS)
        self._shortest = round(SHORT_PAUSE / FRAME_SECONDS)
        self._pending: list[Wave] = []  # samples of less than a chunk
        self._pending_samples = 0
        self._chunks: list[Wave] = []  # whole chunks from sample `_from` on
        self._from = 0
        self._frame = 0  # frames received
        self._recent = [False] * RECENT
        self._everything = everything
        self._start: int | None = 0 if everything else None  # first frame of the open segment
        self._keep: int | None = self._start  # frame from which it counts
        self._last = 0  # one past its last frame of speech
        self._consumed = 0  # one past the last frame that counts for an earlier segment
        self.samples = 0

    @property
    def open_since(self) -> float | None:
        """Seconds into the recording at which the open segment begins; None while nobody speaks."""
        if self._start is None:
            return None
        return (self._start if self._keep is None else self._keep) * self._hop / self.sample_rate

    def feed(self, block: Wave) -> Iterator[Segment]:
        """Take the next samples, any number of float32; gives the segments that they close."""
        self.samples += len(block)
        size = self._detector.chunk
        while self._pending_samples + len(block) >= size:
            head, block = (
                block[: size - self._pending_samples],
                block[size - self._pending_samples :],
            )
            chunk = np.concatenate([*self._pending, head]) if self._pending else head
            self._pending, self._pending_samples = [], 0
            yield from self._chunk(chunk)
        if len(block):
            self._pending.append(block.copy())
            self._pending_samples += len(block)

    def finish(self) -> Iterator[Segment]:
        """End the sound; gives the open segment."""
        if self._pending_samples:
            missing = np.zeros(self._detector.chunk - self._pending_samples, np.float32)
            chunk = np.concatenate([*self._pending, missing])
            self._pending, self._pending_samples = [], 0
            yield from self._chunk(chunk)
        if self._start is not None and self.samples:
            yield self._closed(self._end)

    def run(self, blocks: Iterable[Wave]) -> Iterator[Segment]:
        """The segments of a whole recording; one segment and one block are in memory at most."""
        for block in blocks:
            yield from self.feed(block)
        yield from self.finish()

    def _chunk(self, chunk: Wave) -> Iterator[Segment]:
        self._chunks.append(chunk)
        for is_speech in self._detector(chunk).tolist():
            self._recent = [*self._recent[1:], is_speech]
            self._frame += 1
            if is_speech:
                self._last = self._frame
            if self._start is None:
                if sum(self._recent) >= ONSET:
                    self._start = max(
                        0, self._frame - len(self._recent) - self._margin, self._first_frame
                    )
                    self._keep = max(self._start, self._consumed)
                continue
            length, pause = self._frame - self._start, self._frame - self._last
            is_pause = pause >= self._shortest and pause * FRAME_SECONDS >= needed_pause(
                length * FRAME_SECONDS
            )
            if is_pause and self._start < self._last:
                yield self._closed(min(self._end, self._frame - pause // 2))
            elif length >= self._longest:
                yield self._segment(self._frame, None)
                self._start, self._keep = self._frame - self._shared, None
        self._forget()

    @property
    def _end(self) -> int:
        """One past the last frame of the open segment, if it were closed now."""
        return self._frame if self._everything else min(self._last + self._margin, self._frame)

    def _closed(self, keep_to: int) -> Segment:
        """Close the open segment, which counts up to frame ``keep_to``; a pause follows."""
        segment = self._segment(self._end, keep_to)
        self._consumed = keep_to
        self._start = self._keep = keep_to if self._everything else None
        return segment

    def _segment(self, end: int, keep_to: int | None) -> Segment:
        assert self._start is not None
        offset = self._from
        sound = np.concatenate(self._chunks)[
            self._start * self._hop - offset : min(end * self._hop, self.samples) - offset
        ]
        seconds = self._hop / self.sample_rate
        return Segment(
            self._start * seconds,
            sound,
            None if self._keep is None else self._keep * seconds,
            None if keep_to is None else min(keep_to * seconds, self.samples / self.sample_rate),
        )

    @property
    def _first_frame(self) -> int:
        """The first frame whose samples are still there."""
        return self._from // self._hop

    def _forget(self) -> None:
        """Drop sound that no segment can need any more."""
        first = (
            self._frame - len(self._recent) - self._margin if self._start is None else self._start
        )
        while self._from + len(self._chunks[0]) <= first * self._hop:
            self._from += len(self._chunks.pop(0))
