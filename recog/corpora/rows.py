"""Corpus rows: an utterance or a line of writing with its text.

Also groups and splits from folder names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from recog.corpora.files import split_from_name
from recog.transcript import Point

# In bare folders only these whole names are splits: "test-7" may be a person.
_SPLIT_FOLDERS = frozenset(("train", "training", "dev", "val", "valid", "validation", "test"))


@dataclass(frozen=True)
class LineShape:
    """A line's shape on its page, in pixels; polygon or baseline may be empty."""

    polygon: tuple[Point, ...] = ()
    baseline: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Row:
    """An utterance or line of writing with its text.

    Attributes:
        media: sound or image file.
        text: the transcription, in logical order, not normalised.
        start, end: seconds within the sound; None for its start or end.
        line: the line's shape on a page; None when the image is the line.
        group: speaker or writer, to be kept in a single split; None when unknown.
        split: "train", "dev" or "test"; None when not decided.
    """

    media: Path
    text: str
    start: float | None = None
    end: float | None = None
    line: LineShape | None = None
    group: str | None = None
    split: str | None = None


def group_by_folder(rows: list[Row], root: Path) -> list[Row]:
    """Set splits and groups of rows from the names of their folders.

    Folders named train, dev or test (or a synonym) are the splits. The parent folders are the
    groups when there are several of them. A group's name leaves out the folder of the split.
    """
    found = []
    for row in rows:
        folder = row.media.parent
        parts = folder.relative_to(root).parts if folder.is_relative_to(root) else folder.parts
        at = next((i for i, part in enumerate(parts) if part.lower() in _SPLIT_FOLDERS), None)
        split = None if at is None else split_from_name(parts[at])
        rest = "/".join(part for i, part in enumerate(parts) if i != at)
        found.append((replace(row, split=split), rest))
    if len({group for _, group in found}) < 2:
        return [row for row, _ in found]
    return [replace(row, group=group or ".") for row, group in found]


def usable_splits(rows: list[Row]) -> list[Row]:
    """Drop splits that are incomplete.

    Without a row to train on, all splits are dropped. Without a row for dev, "train" is dropped, so
    that dev can be taken from it.
    """
    present = {row.split for row in rows}
    if "train" not in present and None not in present:
        return [replace(row, split=None) for row in rows]
    if "dev" not in present:
        return [replace(row, split=None) if row.split == "train" else row for row in rows]
    return rows
