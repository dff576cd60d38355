"""Change the rate of a waveform that arrives in blocks, and cut it into blocks of one size.

soxr resamples (https://sourceforge.net/p/soxr): band-limited, linear phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.media.audio.downmix import MonoBlock


def resample(chunks: Iterator[MonoBlock], rate: int) -> Iterator[NDArray[np.float32]]:
    """Chunks at their own rate -> pieces at `rate`. A stream that changes its rate is resampled
    part by part."""
    import soxr

    stream: Any = None
    stream_rate = 0
    nothing = np.zeros(0, dtype=np.float32)
    for chunk in chunks:
        if chunk.rate != stream_rate:
            if stream is not None:
                yield _finite(stream.resample_chunk(nothing, last=True))
            stream_rate = chunk.rate
            stream = (
                soxr.ResampleStream(stream_rate, rate, 1, dtype="float32")
                if stream_rate != rate
                else None
            )
        yield chunk.samples if stream is None else _finite(stream.resample_chunk(chunk.samples))
    if stream is not None:
        yield _finite(stream.resample_chunk(nothing, last=True))


def _finite(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples near the largest float overflow in the resampling filter."""
    return np.nan_to_num(samples, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def rebuffered(pieces: Iterator[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    """Pieces of any length -> blocks of `size` samples, the last one shorter."""
    pending: list[NDArray[np.float32]] = []
    have = 0
    for piece in pieces:
        while have + len(piece) >= size:
            head, piece = piece[: size - have], piece[size - have :]
            yield np.concatenate([*pending, head])
            pending, have = [], 0
        if len(piece):
            pending.append(piece)
            have += len(piece)
    if pending:
        yield np.concatenate(pending)
