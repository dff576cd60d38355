"""Recognise a data set, to score a model on it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from recog.errors import UserError
from recog.evaluation.counts import Pair

if TYPE_CHECKING:
    from recog.corpora.rows import Row

# The default leaves out training data. Rows without a split are usually a user's test data.
DEFAULT_SPLITS: tuple[str | None, ...] = (None, "dev", "test")


def recognise_pairs(
    model: str,
    data: Path,
    *,
    splits: Collection[str | None] = DEFAULT_SPLITS,
    beam: int | None = None,
    threads: int | None = None,
) -> tuple[list[Pair], list[str], dict[str, Row]]:
    """Recognise the rows of a data set with a model.

    Args:
        model: name or folder of a model.
        data: a manifest or a bare folder.

    Returns:
        The pairs in the order of the rows, warnings for the user, and the row of each pair by its
        id. A row that could not be recognised has no hypothesis, and counts as deleted.

    Raises:
        UserError: the model or the data cannot be read, or no row is in ``splits``.
    """
    from recog.corpora.data import load_data
    from recog.recognition.dataset import read_rows

    rows = [row for row in load_data(data) if row.split in splits]
    if not rows:
        named = ", ".join(sorted(split or "no split" for split in splits))
        raise UserError(f"{data} has no rows of {named}; choose another with --split.")
    # By identity: several rows may be stretches of one recording, or lines of one page.
    read = {id(row): line for row, line in read_rows(model, rows, beam=beam, threads=threads)}
    count: dict[str, int] = {}
    pairs, by_id = [], {}
    for row in rows:
        name = str(row.media)
        count[name] = count.get(name, 0) + 1
        identity = name if count[name] == 1 else f"{name}#{count[name]}"
        line = read.get(id(row))
        text, words = (None, ()) if line is None else (line.text, line.words)
        pairs.append(Pair(identity, row.text, text, row.group, words))
        by_id[identity] = row
    missing = sum(pair.hypothesis is None for pair in pairs)
    return (
        pairs,
        [f"{missing} of the rows could not be recognised, counted as deleted."] if missing else [],
        by_id,
    )
