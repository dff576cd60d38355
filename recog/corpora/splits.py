"""Split rows into train and dev by speaker or writer, else by file, else by row.

The split is the same for the same data and seed.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from recog.corpora.rows import Row
from recog.errors import UserError
from recog.util.folders import nfc

Unit = Literal["given", "group", "file", "row", "none"]


@dataclass(frozen=True)
class Split:
    """Rows with their splits, and the unit of the split.

    Attributes:
        rows: as given, in the same order, each with a split.
        by: the unit that was kept together: "group", "file" or "row". It is "given" if the data
            decided every row, or dev; "none" if nothing was to be taken for dev.
        reason: the same as a sentence for the log.
    """

    rows: list[Row]
    by: Unit
    reason: str


def split_rows(rows: list[Row], *, dev_share: float = 0.1, seed: int = 0) -> Split:
    """Assign a split to every row.

    Rows that have a split keep it. If some rows are for dev already, the rest is for training.
    Otherwise whole units go to dev until it has about ``dev_share`` of the undecided rows. The
    units are groups where there are at least two (rows without a group count by file), else files
    where a file has several rows, else single rows. A group with rows already in train or dev
    follows them.

    Units are chosen in the order of SHA-256 over the seed and the unit's name. The choice has no
    random state, and depends neither on the order of rows nor on the location of the corpus.

    Args:
        rows: any.
        dev_share: 0 to below 1; above 0, at least one unit goes to dev and one stays for training.
        seed: a different seed chooses different units.

    Raises:
        UserError: ``dev_share`` is out of range.
    """
    if not 0.0 <= dev_share < 1.0:
        raise UserError(f"The share for dev is {dev_share:g}; it must lie from 0 to below 1.")
    decided: dict[str | None, str | None] = {
        _group(row): row.split
        for row in rows
        if row.group is not None and row.split in ("train", "dev")
    }
    open_rows = [
        i for i, row in enumerate(rows) if row.split is None and _group(row) not in decided
    ]
    followers = [i for i, row in enumerate(rows) if row.split is None and _group(row) in decided]
    splits = {i: decided[_group(rows[i])] for i in followers}

    if not open_rows:
        return _result(
            rows, splits, "given", "the data says itself which rows are for train and dev"
        )
    if any(row.split == "dev" for row in rows):
        splits |= dict.fromkeys(open_rows, "train")
        return _result(
            rows,
            splits,
            "given",
            "the data says itself which rows are for dev; the others are for training",
        )
    if dev_share == 0.0:
        splits |= dict.fromkeys(open_rows, "train")
        return _result(rows, splits, "none", "every undecided row is for training, as asked")

    by, units = _units(rows, open_rows)
    sizes = Counter(units.values())
    dev = _choose(sizes, dev_share, seed)
    splits |= {i: "dev" if unit in dev else "train" for i, unit in units.items()}
    count = sum(sizes[unit] for unit in dev)
    share = 100.0 * count / max(len(open_rows), 1)
    what = {"group": "groups", "file": "files", "row": "rows"}[by]
    why = {
        "group": "no group is in both train and dev",
        "file": "there are not two groups, so whole files were kept together",
        "row": "there are no two groups and no files of several rows: "
        "dev may have the speakers or hands of train",
    }[by]
    tested = {_group(row) for row in rows if row.split == "test"} & {
        _group(rows[i]) for i in open_rows
    } - {None}
    also = f"; of the groups in train and dev, {len(tested)} in test too" if tested else ""
    reason = f"{len(dev)} of {len(sizes)} {what} are dev ({count} rows, {share:.0f} %); {why}{also}"
    return _result(rows, splits, by, reason)


def _result(rows: list[Row], splits: dict[int, str | None], by: Unit, reason: str) -> Split:
    return Split(
        [replace(row, split=splits[i]) if i in splits else row for i, row in enumerate(rows)],
        by,
        reason,
    )


def _group(row: Row) -> str | None:
    """The row's group in NFC, so that a folder's Unicode composition does not matter."""
    return None if row.group is None else nfc(row.group)


def _units(
    rows: list[Row], indices: list[int]
) -> tuple[Literal["group", "file", "row"], dict[int, Hashable]]:
    """The kind of unit to split by, and the unit of each row."""
    names = _names([rows[i] for i in indices])
    groups = {_group(rows[i]) for i in indices} - {None}
    if len(groups) >= 2:
        return "group", {i: _group(rows[i]) or ("file", names[rows[i].media]) for i in indices}
    if 2 <= len(names) < len(indices):
        return "file", {i: names[rows[i].media] for i in indices}
    return "row", {
        i: (names[row.media], row.start, row.end, row.text, row.line)
        for i in indices
        if (row := rows[i])
    }


def _names(rows: list[Row]) -> dict[Path, str]:
    """Media paths without their common folder, so that the split ignores the corpus's location."""
    paths = {row.media: os.path.normpath(row.media) for row in rows}
    try:
        folders = [os.path.dirname(path) for path in paths.values()]  # noqa: PTH120
        common = os.path.commonpath(folders)
    except ValueError:  # relative and absolute, or two drives
        return {media: Path(path).as_posix() for media, path in paths.items()}
    return {
        media: Path(os.path.relpath(path, common or ".")).as_posix()
        for media, path in paths.items()
    }


def _choose(sizes: Counter[Hashable], share: float, seed: int) -> set[Hashable]:
    """Choose units whose rows are about ``share`` of all.

    In the order of their hashes, each unit is chosen that brings the sum nearer to the target.
    """
    if len(sizes) < 2:
        return set()
    target = share * sum(sizes.values())
    order = sorted(
        sizes,
        key=lambda unit: hashlib.sha256(
            f"{seed}\0{unit!r}".encode("utf-8", "surrogatepass")
        ).digest(),
    )
    chosen: set[Hashable] = set()
    total = 0
    for unit in order:
        if len(chosen) < len(sizes) - 1 and abs(total + sizes[unit] - target) < abs(total - target):
            chosen.add(unit)
            total += sizes[unit]
    return chosen or {min(order, key=lambda unit: sizes[unit])}
