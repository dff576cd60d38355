"""What is tuned on: rows of dev, and what the network makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from recog.corpora.manifest import Row, modality
from recog.errors import UsageError, UserError
from recog.recogniser import Recogniser
from recog.runner import pieces_of
from recog.text.bidi import to_logical
from recog.tuning.search import Utterance


def collect(recogniser: Recogniser, rows: Sequence[Row], normalise: Callable[[str], str]) -> Iterator[Utterance]:
    """Run the network over each row, once.

    Raises:
        UsageError: the model is for another kind of media.
        UserError: nothing is to be had from any row.
    """
    if modality(rows) != recogniser.config.modality:
        raise UsageError(f"The model is for {recogniser.config.modality}, and the data is {modality(rows)}.")
    count = 0
    for i, row in enumerate(rows):
        try:
            pieces = tuple(pieces_of(recogniser, row))
        except UserError:
            continue
        count += 1
        yield Utterance(f"{row.media.name}#{i}", pieces, normalise(row.text), row.group)
    if count == 0:
        raise UserError("None of the rows could be read.")


def dev_rows(data: Path) -> list[Row]:
    """The rows to tune on: of a manifest or a folder those of no split and of dev, of a recipe its dev rows."""
    if data.suffix.lower() in (".yaml", ".yml"):
        from recog.training.data import load_rows
        from recog.training.recipe import read_recipe

        recipe = read_recipe(data)
        rows = [row for row, _ in load_rows(recipe).rows if row.split == "dev"]
        if recipe.modality == "handwriting":  # they come as the network reads them
            rows = [replace(row, text=to_logical(row.text)) for row in rows]
    else:
        from recog.corpora.manifest import load_data

        rows = [row for row in load_data(data) if row.split in (None, "dev")]
    if not rows:
        raise UserError(f"{data} has no rows of dev; mark some, or give data without splits.")
    return rows
