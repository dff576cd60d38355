"""Import a table of clips or line images.

``.tsv`` and ``.txt`` are tab-separated without quoting, ``.csv`` is CSV with quoting. Columns are
named by the header or by ``--columns``: path and text; optional are start and end (seconds), group
and split. The header may use other common names (``sentence``, ``speaker``, ``client_id`` ...).
Without column names, two columns are path and text, four add start and end, five add group. Paths
are relative to the table, or to a folder ``clips``, ``wavs``, ``audio`` or ``images`` beside it,
and need no suffix. Other columns are ignored.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from recog.corpora.files import (
    IMAGE_SUFFIXES,
    SOUND_SUFFIXES,
    find_media,
    read_lines,
    read_text,
    split_from_name,
)
from recog.corpora.rows import Row
from recog.errors import UserError
from recog.util.folders import is_hidden

_NAMES = {
    "path": (
        "path",
        "media",
        "file",
        "filename",
        "file_name",
        "audio",
        "wav",
        "clip",
        "image",
        "utterance",
        "audio_path",
    ),
    "text": ("text", "sentence", "transcript", "transcription", "transcript_text", "label"),
    "start": ("start", "begin", "start_time", "offset"),
    "end": ("end", "stop", "end_time"),
    "group": (
        "group",
        "speaker",
        "speaker_id",
        "client_id",
        "writer",
        "writer_id",
        "voice",
        "hand",
    ),
    "split": ("split", "subset", "set"),
}
_STANDARD = {name: standard for standard, names in _NAMES.items() for name in names}
_BARE = {
    2: ("path", "text"),
    4: ("path", "text", "start", "end"),
    5: ("path", "text", "start", "end", "group"),
}
_BESIDE = ("clips", "wavs", "wav", "audio", "images", "lines")


def records(path: Path, *, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, column -> value) for the lines of a tab-separated table with a header.

    Quotes are not special.

    Raises:
        UserError: a required column is not in the header, or a line has too few fields to reach it.
    """
    lines = read_lines(path)
    header = [name.strip() for name in next(lines, (0, ""))[1].split("\t")]
    missing = [name for name in required if name not in header]
    if missing:
        raise UserError(f"{path} has no column {', '.join(map(repr, missing))} in its first line.")
    for number, line in lines:
        fields = line.split("\t")
        record = dict(zip(header, fields, strict=False))
        if any(name not in record for name in required):
            raise UserError(
                f"{path}, line {number}, has {len(fields)} fields where the header has "
                f"{len(header)}."
            )
        yield number, record


def rows(src: Path, *, columns: str | None = None) -> Iterator[Row]:
    """Import the rows of a table, or of the only table in the folder ``src``.

    Args:
        src: the table or its folder.
        columns: names of the columns in order, with commas between (``path,group,text``), for a
            table without a header.

    Raises:
        UserError: the columns cannot be determined, or a line is damaged.
    """
    table = _table(src)
    lines = _fields(table)
    first = next(lines, None)
    if first is None:
        raise UserError(
            f"{table} is empty; it needs a line for each clip, with its path and its text."
        )
    names = _columns(first[1], columns, table)
    if columns is not None or not _is_header(first[1]):
        yield _row(table, *first, names)
    for number, fields in lines:
        yield _row(table, number, fields, names)


def _table(src: Path) -> Path:
    if not src.is_dir():
        return src
    tables = sorted(
        path
        for path in src.iterdir()
        if path.suffix.lower() in (".tsv", ".csv") and path.is_file() and not is_hidden(path.name)
    )
    if len(tables) != 1:
        raise UserError(f"{src} has {len(tables)} tables (.tsv, .csv); name the one to read.")
    return tables[0]


def _fields(table: Path) -> Iterator[tuple[int, list[str]]]:
    if table.suffix.lower() == ".csv":
        reader = csv.reader(io.StringIO(read_text(table), newline=""), strict=True)
        try:
            for fields in reader:
                if any(field.strip() for field in fields):
                    yield reader.line_num, fields
        except csv.Error as error:
            raise UserError(f"{table}, line {reader.line_num}, is not CSV: {error}.") from None
    else:
        for number, line in read_lines(table):
            yield number, line.split("\t")


def _is_header(fields: list[str]) -> bool:
    found = {_STANDARD.get(field.strip().lower()) for field in fields}
    return {"path", "text"} <= found


def _columns(fields: list[str], columns: str | None, table: Path) -> list[str | None]:
    if columns is not None:
        names = [_STANDARD.get(name.strip().lower()) for name in columns.split(",")]
        if not {"path", "text"} <= set(names):
            raise UserError(
                f"The columns '{columns}' must name path and text (and start, end, group, split "
                "where they are)."
            )
        return names
    if _is_header(fields):
        return [_STANDARD.get(field.strip().lower()) for field in fields]
    if len(fields) in _BARE:
        return list(_BARE[len(fields)])
    raise UserError(
        f"{table} has {len(fields)} columns and no header with path and text; "
        "say which they are, as in --columns path,group,text."
    )


def _row(table: Path, number: int, fields: list[str], names: list[str | None]) -> Row:
    record = {name: field.strip() for name, field in zip(names, fields, strict=False) if name}
    if not record.get("path") or "text" not in record or "\0" in record["path"]:
        raise UserError(
            f"{table}, line {number}, has no path or no text: {len(fields)} fields where "
            f"{len(names)} are due."
        )
    start, end = (_seconds(record.get(key), table, number) for key in ("start", "end"))
    split = record.get("split")
    return Row(
        _media(table.parent, record["path"]), record["text"], start, end,
        group=record.get("group") or None, split=split_from_name(split) if split else None,
    )  # fmt: skip


def _seconds(value: str | None, table: Path, number: int) -> float | None:
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds < 1e9:
        raise UserError(
            f"{table}, line {number}, has the time '{value}', which is not seconds from 0 on."
        )
    return seconds


def _media(folder: Path, name: str) -> Path:
    for parent in (folder, *(folder / beside for beside in _BESIDE)):
        for suffixes in (SOUND_SUFFIXES, IMAGE_SUFFIXES):
            found = find_media(parent / name, suffixes)
            if found.exists():
                return found
    return folder / name
