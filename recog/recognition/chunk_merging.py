"""Which frames of each segment count: segments that share sound are joined so that no word is lost
and none doubled.

Where a pause lies between two segments its middle is the border. Where there is none, the first
segment is cut at the widest gap between two words in the middle of what both share, each word read
with sound on both sides of it; the second goes on from the same gap, which it finds by its time and
by the words on its sides.
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

CONTEXT = 1.0  # seconds of shared sound on either side of where a cut is sought
NEAR = 0.4  # seconds by which two readings of one gap may differ


@dataclass(frozen=True)
class Stretch:
    """What the network makes of the frames of a segment that count, between two seconds of the
    recording."""

    start: float
    end: float
    seen: Posteriors


@dataclass(frozen=True)
class _Gap:
    """Between two words: its last frame, and the words, as the best path reads them."""

    frame: int
    width: int
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class _Cut:
    second: float
    gap: _Gap | None


class Stitcher:
    """What counts of each segment of one recording; they are given in order, each as soon as it is
    there.

    Args:
        step: seconds of a frame.
        symbols: of the model, the blank first.
    """

    def __init__(self, *, step: float, symbols: Sequence[str]) -> None:
        self._step = step
        self._space = symbols.index(" ") if " " in symbols else None
        self._cut: _Cut | None = None

    def __call__(self, segment: Segment, seen: Posteriors) -> Stretch:
        """The stretch of the next segment. Its first view says where to cut; of the others the same
        share is taken."""
        log_probs = seen.log_probs
        step, space, count = self._step, self._space, len(log_probs)
        if segment.keep_from is None:
            first = _resume(log_probs, self._cut, segment.start, step, space) if self._cut else 0
        else:
            first = min(count, max(0, round((segment.keep_from - segment.start) / step)))
        if segment.keep_to is None:
            self._cut = _cut(log_probs, segment.start, step, space, first)
            last, end = round((self._cut.second - segment.start) / step), self._cut.second
        else:
            last, end = (
                max(first, min(count, round((segment.keep_to - segment.start) / step))),
                segment.keep_to,
            )
        kept = (first / count, last / count) if count else (0.0, 1.0)
        return Stretch(segment.start + first * step, end, _part(seen, *kept))


def _part(seen: Posteriors, low: float, high: float) -> Posteriors:
    """The frames of all views between two shares of their numbers."""
    first, last = round(low * len(seen.log_probs)), round(high * len(seen.log_probs))
    sounds = None if seen.phones is None else seen.phones[first:last]
    return Posteriors(
        seen.log_probs[first:last], sounds, tuple(_part(view, low, high) for view in seen.variants)
    )


def _cut(
    log_probs: NDArray[np.float32], start: float, step: float, space: int | None, first: int
) -> _Cut:
    """Where to cut a segment in what it shares with the next one."""
    count = len(log_probs)
    low = max(first, count - round((SHARED - CONTEXT) / step))
    high = max(low + 1, count - round(CONTEXT / step))
    found = [gap for gap in _gaps(log_probs, space) if low <= gap.frame < high]
    if found:
        gap = max(found, key=lambda gap: (gap.width, -abs(2 * gap.frame - low - high)))
        return _Cut(start + (gap.frame + 1) * step, gap)
    return _Cut(start + (_emptiest(log_probs, low, high, space) + 1) * step, None)


def _resume(
    log_probs: NDArray[np.float32], cut: _Cut, start: float, step: float, space: int | None
) -> int:
    """The first frame after the cut, in a segment that shares it."""
    expected = round((cut.second - start) / step)
    expected = min(len(log_probs), max(0, expected))
    if cut.gap is None:
        return expected
    near = round(NEAR / step)
    found = [gap for gap in _gaps(log_probs, space) if abs(gap.frame + 1 - expected) <= near]
    if not found:
        return expected
    before, after = cut.gap.before, cut.gap.after
    best = max(
        found,
        key=lambda g: ((g.before == before) + (g.after == after), -abs(g.frame + 1 - expected)),
    )
    return best.frame + 1


def _gaps(log_probs: NDArray[np.float32], space: int | None) -> list[_Gap]:
    """The gaps between the words of the best path."""
    labels, frames = best_path_frames(log_probs)
    at = [k for k, label in enumerate(labels) if label == space]
    found = []
    for n, k in enumerate(at):
        if 0 < k < len(labels) - 1:
            before = tuple(labels[at[n - 1] + 1 if n else 0 : k])
            after = tuple(labels[k + 1 : at[n + 1] if n + 1 < len(at) else len(labels)])
            found.append(_Gap(frames[k], frames[k + 1] - frames[k - 1], before, after))
    return found


def _emptiest(log_probs: NDArray[np.float32], low: int, high: int, space: int | None) -> int:
    """The frame of the least letters, the nearest to the middle of those that are alike."""
    part = log_probs[low:high]
    if not len(part):
        return min(low, len(log_probs)) - 1
    empty = part[:, BLANK] if space is None else np.logaddexp(part[:, BLANK], part[:, space])
    distance = np.abs(np.arange(len(part)) - len(part) / 2) / len(part)
    return low + int(np.argmax(empty - 1e-3 * distance))
