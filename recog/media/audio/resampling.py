"""Change the rate of a waveform that arrives in blocks, and cut it into blocks of one size.

soxr resamples (https://sourceforge.net/p/soxr): band-limited, linear phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.media.audio.downmix import MonoBlock


def resample(blocks: Iterator[MonoBlock], rate: int) -> Iterator[NDArray[np.float32]]:
    """Resample blocks to one rate. Where their rate changes, resampling starts anew."""
    import soxr

    stream: Any = None
    stream_rate = 0
    empty = np.zeros(0, dtype=np.float32)
    for block in blocks:
        if block.rate != stream_rate:
            if stream is not None:
                yield _finite(stream.resample_chunk(empty, last=True))
            stream_rate = block.rate
            stream = (
                soxr.ResampleStream(stream_rate, rate, 1, dtype="float32")
                if stream_rate != rate
                else None
            )
        yield block.samples if stream is None else _finite(stream.resample_chunk(block.samples))
    if stream is not None:
        yield _finite(stream.resample_chunk(empty, last=True))


def _finite(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace infinite samples: those near the largest float overflow in the filter."""
    return np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def rebuffered(blocks: Iterator[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    """Cut a waveform into blocks of `size` samples; the last block may be shorter."""
    pending: list[NDArray[np.float32]] = []
    have = 0
    for block in blocks:
        while have + len(block) >= size:
            head, block = block[: size - have], block[size - have :]
            yield np.concatenate([*pending, head])
            pending, have = [], 0
        if len(block):
            pending.append(block)
            have += len(block)
    if pending:
        yield np.concatenate(pending)
