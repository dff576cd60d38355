"""Arrays that may be larger than memory, and merging of sorted runs of counts."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recog.errors import UserError


class Workspace:
    """Makes arrays in memory while they fit, then in temporary files that vanish with them.

    Args:
        memory: bytes for all arrays in memory together; a working block takes about as much again.
        folder: for temporary files; the system's temporary folder by default.
    """

    def __init__(self, memory: int, folder: Path | None = None) -> None:
        self.folder = Path(folder or tempfile.gettempdir())
        self.block = max(1 << 10, min(1 << 22, memory // 256))  # elements of a working block
        self._memory = memory
        self._used = 0

    def empty(self, count: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of ``count`` elements with undefined content.

        Raises:
            UserError: there is no room for the file.
        """
        size = count * np.dtype(dtype).itemsize
        if size and self._used + size > self._memory:
            return self._mapped(count, dtype, size)
        array = np.empty(count, dtype)
        self._used += size
        weakref.finalize(array, self._release, size).atexit = False
        return array

    def zeros(self, count: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of ``count`` zeros."""
        array = self.empty(count, dtype)
        array[:] = 0
        return array

    def blocks(self, count: int) -> Iterator[slice]:
        """Yield slices of at most ``block`` elements that cover ``count``."""
        return (
            slice(start, min(start + self.block, count)) for start in range(0, count, self.block)
        )

    def _release(self, size: int) -> None:
        self._used -= size

    def _mapped(self, count: int, dtype: DTypeLike, size: int) -> NDArray[Any]:
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                # a full disk is an error here; in a mapped page it would be a crash
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                return np.memmap(
                    file, dtype, "r+" if hasattr(os, "posix_fallocate") else "w+", shape=(count,)
                )
        except OSError as error:
            raise UserError(
                f"{self.folder}: {size >> 20} MiB for counts cannot be written there "
                f"({error.strerror}); give a working folder with more room."
            ) from error


def merge_runs(
    keys: NDArray[np.int64], counts: NDArray[np.int64], ends: Sequence[int], workspace: Workspace
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Merge sorted runs, adding the counts of equal keys.

    Args:
        keys: (total,) all runs in a row, each strictly ascending.
        counts: (total,) the counts of the keys.
        ends: the end of each run.

    Returns:
        The distinct keys, ascending, and their counts.
    """
    position = [0, *ends][: len(ends)]
    step = max(1, workspace.block // max(1, len(ends)))
    merged = workspace.empty(ends[-1] if ends else 0, np.int64)
    sums = workspace.empty(len(merged), np.int64)
    size = 0
    while any(start < end for start, end in zip(position, ends, strict=True)):
        stops = [min(start + step, end) for start, end in zip(position, ends, strict=True)]
        # up to the smallest last key of unfinished runs, no key is missing
        limits = [keys[stop - 1] for stop, end in zip(stops, ends, strict=True) if stop < end]
        if limits:
            limit = min(limits)
            stops = [
                start + int(np.searchsorted(keys[start:stop], limit, "right"))
                for start, stop in zip(position, stops, strict=True)
            ]
        parts = [
            slice(start, stop) for start, stop in zip(position, stops, strict=True) if stop > start
        ]
        block, block_counts = _add_equal(
            np.concatenate([keys[part] for part in parts]),
            np.concatenate([counts[part] for part in parts]),
        )
        merged[size : size + len(block)] = block
        sums[size : size + len(block)] = block_counts
        size += len(block)
        position = stops
    return merged[:size], sums[:size]


def _add_equal(
    keys: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(keys, kind="stable")  # fast on sorted runs
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[first], np.add.reduceat(counts[order], first)
