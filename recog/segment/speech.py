"""Recording -> segments of at most 30 s, cut where it is quietest, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.features.spectrogram import MAX_SEGMENT_SECONDS

SEARCH_SECONDS = 12.0  # the cut is sought in the last so many seconds of a full segment
FRAME_SECONDS = 0.02
PAUSE_SECONDS = 0.3  # energy is averaged over this long: a pause between words, not a stop within one


@dataclass(frozen=True)
class Segment:
    """``wave`` (samples,) float32, which starts ``start`` seconds into the recording."""

    start: float
    wave: NDArray[np.float32]


def quietest(wave: NDArray[np.float32], sample_rate: int) -> int:
    """Sample in the middle of the quietest 0.3 s of ``wave``."""
    hop = int(FRAME_SECONDS * sample_rate)
    count = len(wave) // hop
    if count < 2:
        return len(wave) // 2
    energy = np.log(np.square(wave[: count * hop].reshape(count, hop)).mean(axis=1) + 1e-8)
    width = min(count, int(PAUSE_SECONDS / FRAME_SECONDS))
    smooth = np.convolve(energy, np.ones(width) / width, mode="valid")
    return int((int(smooth.argmin()) + width / 2) * hop)


def segments(
    blocks: Iterable[NDArray[np.float32]], sample_rate: int, *, longest: float = MAX_SEGMENT_SECONDS
) -> Iterator[Segment]:
    """Cut a stream of samples into segments of at most ``longest`` seconds.

    A recording shorter than that is one segment. The result does not depend on the size of the blocks, and at most one
    segment and one block are in memory.
    """
    limit = int(longest * sample_rate)
    search = int(min(SEARCH_SECONDS, longest / 2) * sample_rate)
    held = np.zeros(0, np.float32)
    position = 0
    for block in blocks:
        held = np.concatenate((held, block))
        while len(held) > limit:
            cut = limit - search + quietest(held[limit - search : limit], sample_rate)
            yield Segment(position / sample_rate, held[:cut])
            position, held = position + cut, held[cut:]
    if len(held):
        yield Segment(position / sample_rate, held)
