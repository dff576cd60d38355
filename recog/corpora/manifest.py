"""The manifest: one JSON object a line, one utterance or line of writing each; and bare folders
read as if they had one.

    {"media": "wav/a.wav", "text": "hello", "start": 1.5, "end": 2.25, "group": "speaker7", "split":
    "train"} {"media": "p1.jpg", "text": "Dear Sir", "line": {"polygon": [[0, 0], ...], "baseline":
    [[0, 30], ...]}}

``media`` is relative to the manifest's folder; times are seconds, coordinates pixels of the upright
image; text is in logical order; ``group`` is the speaker or writer.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from recog.corpora.files import (
    IMAGE_SUFFIXES,
    SOUND_SUFFIXES,
    UnreadableTextError,
    clear_cache,
    find_media,
    is_image,
    is_sound,
    read_lines,
    read_text,
    walk,
)
from recog.corpora.importers.pages.page_files import page_rows
from recog.corpora.rows import LineShape, Row, group_by_folder, usable_splits
from recog.errors import UserError, cause
from recog.transcript import Point
from recog.util.atomic_files import atomic_file
from recog.util.folders import existing_path, nfc

Modality = Literal["speech", "handwriting"]
SPLITS = ("train", "dev", "test")
MAX_REPORTED = 10
MAX_NAMED = 5
logger = logging.getLogger(__name__)


def read_manifest(path: Path) -> list[Row]:
    """The rows of a JSONL manifest, their media paths joined to the manifest's folder. Blank lines
    are skipped.

    Raises:
        UserError: the file cannot be read, or lines are wrong: up to 10 are named with their
            numbers.
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
    """Write a manifest whole or not at all, with media paths relative to its folder where the drive
    is the same.

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


def read_folder(path: Path, *, quiet: bool = False, leave_out: Iterable[Path] = ()) -> list[Row]:
    """A bare folder, with those beneath it: ``clip.wav`` + ``clip.txt``, ``line.png`` +
    ``line.gt.txt``, ``page.jpg`` + ``page.xml`` (PAGE or ALTO, a row for each line of text that is
    transcribed). Any suffix of sound or image will do.

    The parent folder is the group when there are several; folders called train, dev and test are
    the splits when there is a train among them. Names are compared in NFC. Texts that cannot be
    read are left out, and so are a text without its media and media without a text; unless
    ``quiet`` the log names them. The order is that of the names.

    Args:
        path: the folder.
        quiet: whether nothing is logged.
        leave_out: folders within it that are not looked into.

    Raises:
        UserError: an XML file is damaged, or not one text can be read.
    """
    root = Path(path)
    clear_cache()
    rows: list[Row] = []
    unreadable: list[str] = []
    alone: list[Path] = []  # what nothing stands beside
    media: list[Path] = []
    used: set[Path] = set()  # texts' and media's, without suffixes
    for file in walk(root, leave_out):
        if is_sound(file) or is_image(file):
            media.append(file)
        try:
            found = _rows_of_file(file)
        except UnreadableTextError as error:
            unreadable.append(str(error))
            used.add(_stem(file))
            continue
        if found is None:
            alone.append(file)
        else:
            rows += found
            used.update(_stem(row.media) for row in found)
    if unreadable and not rows:
        raise UserError(unreadable[0])
    if not quiet:
        _log_skipped(unreadable, alone, media, used, root)
    return usable_splits(group_by_folder(rows, root))


def _log_skipped(
    unreadable: list[str], alone: list[Path], media: list[Path], used: set[Path], root: Path
) -> None:
    """Name in the log what a folder holds and no row has."""
    for sentence in unreadable[:MAX_REPORTED]:
        logger.warning("left out: %s", sentence)
    if len(unreadable) > MAX_REPORTED:
        logger.warning(
            "left out: %d more texts that cannot be read", len(unreadable) - MAX_REPORTED
        )
    stems = {_stem(file) for file in media}
    alone = [file for file in alone if _stem(file) not in used]
    miscalled = [file for file in alone if _stem(file) in stems]
    used = used | {_stem(file) for file in miscalled}
    for what, files in (
        (
            "with the suffix of another kind of media (a sound has NAME.txt, an image NAME.gt.txt)",
            miscalled,
        ),
        (
            "without a sound or image of the same name",
            [file for file in alone if _stem(file) not in used],
        ),
        ("without a text of the same name", [file for file in media if _stem(file) not in used]),
    ):
        if files:
            logger.warning("left out: %s", _summary(what, files, root))


def _summary(what: str, files: list[Path], root: Path) -> str:
    """The number of some files and the first names, in a sentence."""
    names = [file.relative_to(root).as_posix() for file in files[:MAX_NAMED]]
    more = f" and {len(files) - MAX_NAMED:,} more" if len(files) > MAX_NAMED else ""
    count = f"{len(files):,} files" if len(files) > 1 else "a file"
    return f"{count} {what}: {', '.join(names)}{more}"


def _stem(file: Path) -> Path:
    """The path without the suffixes by which a text and its media differ, in NFC."""
    name = file.name.removesuffix(".gt.txt") if file.name.endswith(".gt.txt") else file.stem
    return file.with_name(nfc(name))


def _rows_of_file(file: Path) -> list[Row] | None:
    """The rows that a text or XML file beside its media describes; None where there is no such
    media."""
    if file.name.endswith(".gt.txt"):
        media = find_media(file.with_name(file.name.removesuffix(".gt.txt")), IMAGE_SUFFIXES)
        return [Row(media, read_text(file).strip())] if is_image(media) and media.exists() else None
    if file.suffix == ".txt":
        media = find_media(file.with_suffix(""), SOUND_SUFFIXES)
        return [Row(media, read_text(file).strip())] if is_sound(media) and media.exists() else None
    if file.suffix == ".xml":
        media = find_media(file.with_suffix(""), IMAGE_SUFFIXES)
        if is_image(media) and media.exists():
            return [row for row in page_rows(file, media=media, strict=False) if row.text.strip()]
        return None
    return []


def load_data(path: Path, *, quiet: bool = False, leave_out: Iterable[Path] = ()) -> list[Row]:
    """A manifest (``.jsonl``) or a bare folder; ``quiet`` and ``leave_out`` as for
    :func:`read_folder`.

    Raises:
        UserError: there is nothing at ``path``, or nothing in it that can be used: the sentence
            says what was looked for.
    """
    path = Path(path)
    if path.is_dir():
        rows = read_folder(path, quiet=quiet, leave_out=leave_out)
        if not rows:
            raise UserError(
                f"{path} has no data: looked in it and the folders beneath for clip.wav with clip.txt, line.png with "
                "line.gt.txt, and page.jpg with page.xml (PAGE or ALTO)."
            )
        return rows
    if not path.exists():
        raise UserError(f"{path} is not there; give a folder of data or a manifest (.jsonl).")
    if path.suffix.lower() not in (".jsonl", ".json"):
        raise UserError(
            f"{path} is neither a folder nor a manifest (.jsonl); make one with 'recog prepare'."
        )
    rows = read_manifest(path)
    if not rows:
        raise UserError(f"{path} is empty: a manifest has a JSON object on each line.")
    return rows


def modality_of(path: Path) -> Modality:
    """What a file is, by the suffix of its name.

    Raises:
        UserError: the suffix is neither a sound's nor an image's.
    """
    path = Path(path)
    if is_sound(path):
        return "speech"
    if is_image(path):
        return "handwriting"
    raise UserError(
        f"{path} is neither sound nor image by its name; known are {' '.join(SOUND_SUFFIXES + IMAGE_SUFFIXES)}."
    )


def modality(rows: Iterable[Row]) -> Modality:
    """What the rows are.

    Raises:
        UserError: there are none, or both kinds.
    """
    first: dict[Modality, Path] = {}
    for row in rows:
        first.setdefault(modality_of(row.media), row.media)
    if not first:
        raise UserError("The data has no rows.")
    if len(first) > 1:
        raise UserError(
            f"The data mixes sound ({first['speech']}) and images ({first['handwriting']}); separate them."
        )
    return next(iter(first))
