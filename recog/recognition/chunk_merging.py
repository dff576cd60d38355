"""Merge segments that share sound, so that no word is lost and none is doubled.

Two segments with a pause between them meet in the middle of the pause. Two segments without a pause
overlap. The first is cut at the widest gap between two words in the middle of the overlap, where
every word has sound on both sides. The second goes on from the same gap, which is recognised by its
time and by the words beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.decoding.greedy import best_path_frames
from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.segment.speech import SHARED, Segment
from recog.text.alphabet import BLANK

CONTEXT = 1.0  # seconds of the overlap in which no boundary is sought, at either end
NEAR = 0.4  # seconds by which the same gap may differ between two segments


@dataclass(frozen=True)
class Chunk:
    """Posteriors of the part of a segment that counts.

    Attributes:
        start, end: seconds into the recording, or pixels of a line image.
    """

    start: float
    end: float
    posteriors: Posteriors


@dataclass(frozen=True)
class _WordGap:
    """A gap between two words of the best path: its last frame, its width and the words."""

    frame: int
    width: int
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class _Boundary:
    second: float
    gap: _WordGap | None


class ChunkMerger:
    """Cuts the segments of one recording, in order, to the frames that count.

    Args:
        step: seconds of a frame.
        symbols: of the model, the blank first.
    """

    def __init__(self, *, step: float, symbols: Sequence[str]) -> None:
        self._step = step
        self._space = symbols.index(" ") if " " in symbols else None
        self._boundary: _Boundary | None = None

    def __call__(self, segment: Segment, posteriors: Posteriors) -> Chunk:
        """Cut the next segment.

        The first variant decides where. The others are cut at the same shares of their frames.
        """
        log_probs = posteriors.log_probs
        step, space, count = self._step, self._space, len(log_probs)
        if segment.keep_from is None:
            first = (
                _resume_frame(log_probs, self._boundary, segment.start, step, space)
                if self._boundary
                else 0
            )
        else:
            first = min(count, max(0, round((segment.keep_from - segment.start) / step)))
        if segment.keep_to is None:
            self._boundary = _boundary(log_probs, segment.start, step, space, first)
            last, end = round((self._boundary.second - segment.start) / step), self._boundary.second
        else:
            last, end = (
                max(first, min(count, round((segment.keep_to - segment.start) / step))),
                segment.keep_to,
            )
        shares = (first / count, last / count) if count else (0.0, 1.0)
        return Chunk(segment.start + first * step, end, _slice(posteriors, *shares))


def _slice(posteriors: Posteriors, low: float, high: float) -> Posteriors:
    """Frames of all variants between two shares of their number, 0 to 1."""
    first, last = round(low * len(posteriors.log_probs)), round(high * len(posteriors.log_probs))
    sounds = None if posteriors.phones is None else posteriors.phones[first:last]
    return Posteriors(
        posteriors.log_probs[first:last],
        sounds,
        tuple(_slice(variant, low, high) for variant in posteriors.variants),
    )


def _boundary(
    log_probs: NDArray[np.float32], start: float, step: float, space: int | None, first: int
) -> _Boundary:
    """Choose where to cut a segment within its overlap with the next."""
    count = len(log_probs)
    low = max(first, count - round((SHARED - CONTEXT) / step))
    high = max(low + 1, count - round(CONTEXT / step))
    gaps = [gap for gap in _word_gaps(log_probs, space) if low <= gap.frame < high]
    if gaps:
        gap = max(gaps, key=lambda gap: (gap.width, -abs(2 * gap.frame - low - high)))
        return _Boundary(start + (gap.frame + 1) * step, gap)
    return _Boundary(start + (_quietest_frame(log_probs, low, high, space) + 1) * step, None)


def _resume_frame(
    log_probs: NDArray[np.float32],
    boundary: _Boundary,
    start: float,
    step: float,
    space: int | None,
) -> int:
    """The first frame after a boundary, in the segment that follows it."""
    expected = round((boundary.second - start) / step)
    expected = min(len(log_probs), max(0, expected))
    if boundary.gap is None:
        return expected
    reach = round(NEAR / step)
    gaps = [gap for gap in _word_gaps(log_probs, space) if abs(gap.frame + 1 - expected) <= reach]
    if not gaps:
        return expected
    before, after = boundary.gap.before, boundary.gap.after
    best = max(
        gaps,
        key=lambda g: ((g.before == before) + (g.after == after), -abs(g.frame + 1 - expected)),
    )
    return best.frame + 1


def _word_gaps(log_probs: NDArray[np.float32], space: int | None) -> list[_WordGap]:
    """All gaps between two words of the best path."""
    labels, frames = best_path_frames(log_probs)
    at = [k for k, label in enumerate(labels) if label == space]
    gaps = []
    for n, k in enumerate(at):
        if 0 < k < len(labels) - 1:
            before = tuple(labels[at[n - 1] + 1 if n else 0 : k])
            after = tuple(labels[k + 1 : at[n + 1] if n + 1 < len(at) else len(labels)])
            gaps.append(_WordGap(frames[k], frames[k + 1] - frames[k - 1], before, after))
    return gaps


def _quietest_frame(log_probs: NDArray[np.float32], low: int, high: int, space: int | None) -> int:
    """The frame most likely without a letter; of equal frames the one nearest to the middle."""
    part = log_probs[low:high]
    if not len(part):
        return min(low, len(log_probs)) - 1
    empty = part[:, BLANK] if space is None else np.logaddexp(part[:, BLANK], part[:, space])
    distance = np.abs(np.arange(len(part)) - len(part) / 2) / len(part)
    return low + int(np.argmax(empty - 1e-3 * distance))
