"""Arrays that may be larger than memory, and sorted runs of counts merged block by block."""

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
    """Hands out arrays: in memory while they fit, then on temporary files that vanish with them.

    Args:
        memory: how many bytes the arrays in memory may take together; a working block takes about
            as much again.
        folder: where temporary files go; the system's folder for them by default.
    """

    def __init__(self, memory: int, folder: Path | None = None) -> None:
        self.folder = Path(folder or tempfile.gettempdir())
        self.block = max(1 << 10, min(1 << 22, memory // 256))  # elements to work on at a time
        self._memory = memory
        self._used = 0

    def empty(self, count: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array of ``count`` elements whose content is undefined.

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
        """An array of ``count`` zeros."""
        array = self.empty(count, dtype)
        array[:] = 0
        return array

    def blocks(self, count: int) -> Iterator[slice]:
        """Slices of at most ``block`` that cover ``count`` elements."""
        return (
            slice(start, min(start + self.block, count)) for start in range(0, count, self.block)
        )

    def _release(self, size: int) -> None:
        self._used -= size

    def _mapped(self, count: int, dtype: DTypeLike, size: int) -> NDArray[Any]:
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                # a full disk is an error here; in a mapped page it is a crash
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                return np.memmap(
                    file, dtype, "r+" if hasattr(os, "posix_fallocate") else "w+", shape=(count,)
                )
        except OSError as error:
            raise UserError(
                f"{self.folder}: {size >> 20} MiB for counts cannot be written there ({error.strerror}); "
                "give a working folder with more room."
            ) from error


def merge_runs(
    keys: NDArray[np.int64], counts: NDArray[np.int64], ends: Sequence[int], workspace: Workspace
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Merge sorted runs, adding the counts of equal keys.

    Args:
        keys: (total,) the runs one after the other, each strictly ascending.
        counts: (total,) the counts that belong to them.
        ends: where each run ends.

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
        # Up to the smallest last key of the blocks that go on, nothing is missing
        limits = [keys[stop - 1] for stop, end in zip(stops, ends, strict=True) if stop < end]
        if limits:
            limit = min(limits)
            stops = [
                start + int(np.searchsorted(keys[start:stop], limit, "right"))
                for start, stop in zip(position, stops, strict=True)
            ]
        taken = [
            slice(start, stop) for start, stop in zip(position, stops, strict=True) if stop > start
        ]
        block, block_counts = _add_equal(
            np.concatenate([keys[part] for part in taken]),
            np.concatenate([counts[part] for part in taken]),
        )
        merged[size : size + len(block)] = block
        sums[size : size + len(block)] = block_counts
        size += len(block)
        position = stops
    return merged[:size], sums[:size]


def _add_equal(
    keys: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(keys, kind="stable")  # fast on what is sorted in stretches
    keys = keys[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[first], np.add.reduceat(counts[order], first)
