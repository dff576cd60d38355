"""The JSONL manifest: a JSON object on each line for an utterance or a line of writing.

    {"media": "wav/a.wav", "text": "hello", "start": 1.5, "end": 2.25, "group": "speaker7",
     "split": "train"}
    {"media": "p1.jpg", "text": "Dear Sir", "line": {"polygon": [[0, 0], ...],
     "baseline": [[0, 30], ...]}}

``media`` is relative to the manifest's folder. Times are in seconds, coordinates in pixels of the
upright image. ``text`` is in logical order. ``group`` is the speaker or writer.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recog.corpora.files import read_lines
from recog.corpora.rows import LineShape, Row
from recog.errors import UserError, cause
from recog.transcript import Point
from recog.util.atomic_files import atomic_file
from recog.util.folders import existing_path

SPLITS = ("train", "dev", "test")
MAX_REPORTED = 10


def read_manifest(path: Path) -> list[Row]:
    """Read the rows of a JSONL manifest.

    Media paths are joined to the manifest's folder. Blank lines are skipped.

    Raises:
        UserError: the file cannot be read, or lines are invalid. The message names up to 10 of them
            with their numbers.
    """
    path = Path(path)
    rows: list[Row] = []
    bad: list[str] = []
    count = 0
    for number, line in read_lines(path):
        try:
            rows.append(_parse(line, path.parent))
        except ValueError as error:
            count += 1
            if count <= MAX_REPORTED:
                bad.append(f"line {number}: {error}")
    if bad:
        more = f"; and {count - len(bad)} more" if count > len(bad) else ""
        raise UserError(f"{path} has {count} bad line{'s' * (count > 1)}: {'; '.join(bad)}{more}.")
    return rows


def _parse(line: str, folder: Path) -> Row:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(data, dict):
        raise ValueError("is not a JSON object")
    unknown = sorted(data.keys() - Row.__dataclass_fields__.keys())
    if unknown:
        raise ValueError(f"has the unknown key {', '.join(map(repr, unknown[:3]))}")
    media = _string(data, "media")
    if not media or "\0" in media:
        raise ValueError("has no 'media'")
    text = _string(data, "text")
    if text is None:
        raise ValueError("has no 'text'")
    split = _string(data, "split")
    if split not in (None, *SPLITS):
        raise ValueError(f"has the split {split!r}; it must be one of {', '.join(SPLITS)}")
    start, end = _time(data, "start"), _time(data, "end")
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"ends ({end:g} s) before it starts ({start or 0.0:g} s)")
    return Row(
        existing_path(folder / media),
        text,
        start,
        end,
        _shape(data.get("line")),
        _string(data, "group"),
        split,
    )


def _string(data: dict[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"has a '{key}' that is not text")
    return value


def _time(data: dict[str, Any], key: str) -> float | None:
    value = data.get(key)
    if value is None:
        return None
    if not _is_number(value) or value < 0:
        raise ValueError(f"has a '{key}' that is not a time in seconds from 0 on")
    return float(value)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 1 << 53


def _shape(value: object) -> LineShape | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not value or value.keys() - {"polygon", "baseline"}:
        raise ValueError('has a \'line\' that is not {"polygon": ..., "baseline": ...}')
    shape = LineShape(_points(value.get("polygon"), 3), _points(value.get("baseline"), 2))
    if not shape.polygon and not shape.baseline:
        raise ValueError("has a 'line' with neither polygon nor baseline")
    return shape


def _points(value: object, least: int) -> tuple[Point, ...]:
    if value is None or value == []:
        return ()
    if not isinstance(value, list) or len(value) < least:
        raise ValueError(f"has a 'line' with fewer than {least} points")
    for point in value:
        if not isinstance(point, list) or len(point) != 2 or not all(map(_is_number, point)):
            raise ValueError("has a 'line' with a point that is not [x, y]")
    return tuple((float(x), float(y)) for x, y in value)


def write_manifest(rows: Iterable[Row], path: Path) -> None:
    """Write a manifest atomically.

    Media paths are relative to its folder, where both are on the same drive.

    Raises:
        UserError: the file cannot be written.
    """
    path = Path(path)
    try:
        base = os.path.realpath(path.parent)
        with atomic_file(path) as file:
            file.writelines(_format(row, base).encode() + b"\n" for row in rows)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {cause(error)}.") from None


def _format(row: Row, base: str) -> str:
    media = os.path.join(os.path.realpath(row.media.parent), row.media.name)  # noqa: PTH118
    try:
        media = Path(os.path.relpath(media, base)).as_posix()
    except ValueError:  # another drive
        media = Path(media).as_posix()
    line = None
    if row.line is not None:
        line = {
            k: [list(p) for p in v]
            for k, v in (("polygon", row.line.polygon), ("baseline", row.line.baseline))
            if v
        }
    data = {
        "media": media,
        "text": row.text,
        "start": row.start,
        "end": row.end,
        "line": line,
        "group": row.group,
        "split": row.split,
    }
    data = {key: value for key, value in data.items() if value is not None}
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return text if text.isprintable() else json.dumps(data, allow_nan=False)
