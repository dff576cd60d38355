"""Strips or spectrograms, computed once and memory-mapped by all processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.corpora.line_images import line_image
from recog.corpora.rows import Row
from recog.errors import UserError
from recog.features.line_strip import to_strip
from recog.features.log_mel import log_mel
from recog.model.config import SpectrogramConfig, StripConfig
from recog.util.atomic_files import atomic_file, write_text

Features = SpectrogramConfig | StripConfig
READING = 2  # version of reading media; older features are computed again


def extract(row: Row, config: Features) -> NDArray[Any]:
    """Compute the features (columns, height) of a row.

    They are uint8 ink of a strip, or float16 log-mel before normalisation.

    Raises:
        UserError: the media cannot be read.
    """
    if isinstance(config, StripConfig):
        return np.ascontiguousarray(to_strip(line_image(row), config).T)
    from recog.media.audio.reader import read_sound

    wave = read_sound(
        row.media, sample_rate=config.sample_rate, start=row.start, end=row.end, amplify=True
    )
    return log_mel(wave, config).astype(np.float16)


def _key(rows: Sequence[Row], config: Features) -> str:
    bare = config.model_dump(exclude={"mean", "deviation"})
    digest = hashlib.sha256(json.dumps({**bare, "reading": READING}, sort_keys=True).encode())
    for row in rows:
        try:
            stat = row.media.stat()
            file = f"{row.media}|{stat.st_size}|{stat.st_mtime_ns}"
            digest.update(f"{file}|{row.start}|{row.end}|{row.line}".encode())
        except OSError:
            digest.update(f"{row.media}|missing".encode())
    return digest.hexdigest()


class FeatureStore:
    """Features of rows, in their order.

    Attributes:
        columns: of each row; 0 for rows that could not be read.
        failures: why they could not, by index.
    """

    def __init__(self, path: Path, index: dict[str, Any]) -> None:
        self.path = path
        self.columns: list[int] = index["columns"]
        self.failures: dict[int, str] = {int(k): v for k, v in index["failures"].items()}
        self._height = index["height"]
        self._dtype = np.dtype(index["dtype"])
        sizes = np.asarray(self.columns, np.int64) * self._height
        self._offsets = np.concatenate(([0], np.cumsum(sizes)))
        self._data: NDArray[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": None}  # a worker maps the file itself

    def __getitem__(self, i: int) -> NDArray[Any]:
        if self._data is None:
            self._data = np.memmap(self.path, self._dtype, "r")
        return self._data[self._offsets[i] : self._offsets[i + 1]].reshape(
            self.columns[i], self._height
        )


def build_store(
    folder: Path,
    rows: Sequence[Row],
    config: Features,
    *,
    threads: int = 2,
    advance: Callable[[], None] = lambda: None,
) -> FeatureStore:
    """Open the store of these rows in ``folder``; compute it if it is missing or files changed."""
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(rows, config)
    data, meta = folder / f"{key[:16]}.bin", folder / f"{key[:16]}.json"
    if meta.exists() and data.exists():
        return FeatureStore(data, json.loads(meta.read_text()))
    speech = isinstance(config, SpectrogramConfig)
    height = config.bands if isinstance(config, SpectrogramConfig) else config.height
    index: dict[str, Any] = {
        "columns": [],
        "failures": {},
        "height": height,
        "dtype": "<f2" if speech else "u1",
    }

    def features_or_problem(row: Row) -> NDArray[Any] | str:
        try:
            return extract(row, config)
        except UserError as error:
            return str(error)

    try:
        with atomic_file(data) as file, ThreadPoolExecutor(threads) as pool:
            for i, result in enumerate(_bounded_map(pool, features_or_problem, rows, 8 * threads)):
                if isinstance(result, str):
                    index["failures"][i] = result
                    index["columns"].append(0)
                else:
                    index["columns"].append(len(result))
                    file.write(result.tobytes())
                advance()
        write_text(meta, json.dumps(index))
    except OSError as error:
        raise UserError(f"{data}: the features cannot be written ({error.strerror}).") from None
    return FeatureStore(data, index)


def _bounded_map(
    pool: ThreadPoolExecutor, function: Callable[[Row], Any], rows: Sequence[Row], ahead: int
) -> Iterator[Any]:
    """``pool.map`` with at most ``ahead`` results waiting in memory."""
    pending = [pool.submit(function, row) for row in islice(rows, ahead)]
    for row in islice(rows, ahead, None):
        yield pending.pop(0).result()
        pending.append(pool.submit(function, row))
    for future in pending:
        yield future.result()


def corpus_statistics(
    store: FeatureStore, indices: Sequence[int]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each band over some rows, rounded for the config."""
    total = np.zeros(store._height)
    square = np.zeros(store._height)
    count = 0
    for i in indices:
        x = store[i].astype(np.float64)
        total += x.sum(0)
        square += (x * x).sum(0)
        count += len(x)
    mean = total / max(count, 1)
    deviation = np.sqrt(np.maximum(square / max(count, 1) - mean * mean, 1e-6))
    return tuple(round(float(v), 5) for v in mean), tuple(round(float(v), 5) for v in deviation)
