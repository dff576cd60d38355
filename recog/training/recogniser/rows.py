"""The rows of a recipe's sources: split decided, texts normalised."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recog.corpora import importer
from recog.corpora.data import load_data
from recog.corpora.rows import Row
from recog.corpora.splits import split_rows
from recog.errors import UserError
from recog.text.bidi import to_display, to_logical
from recog.text.normalise import TrackedRule, has_digits
from recog.training.recipe_base import RECIPE_SUFFIXES, Source
from recog.training.recogniser.recipe import Recipe, read_recipe


@dataclass
class LoadedRows:
    """Rows of all sources.

    Attributes:
        rows: with normalised texts, those of handwriting in display order.
        split_reason: how the rows were split.
        problems: which rows are left out, and why.
        notes: what the normalisation did to texts.
        digit_rows: rows left out for their digits.
    """

    rows: list[tuple[Row, Source]] = field(default_factory=list)
    split_reason: str = ""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    digit_rows: int = 0


def load_rows(recipe: Recipe, *, leave_out: Sequence[Path] = ()) -> LoadedRows:
    """Load the rows of a recipe's sources, without their test sets.

    Args:
        leave_out: folders within the sources to skip.
    """
    loaded = LoadedRows()
    normalise = TrackedRule(recipe.normalise, recipe.languages)
    for source in recipe.data:
        if source.optional and not Path(source.path).exists():
            loaded.problems.append(f"{source.path}: is not there, and optional.")
            continue
        rows = [with_group(row, source.group) for row in _read_source(source, leave_out)]
        if source.split == "auto":
            result = split_rows(rows, dev_share=recipe.dev_share, seed=recipe.training.seed)
            rows, loaded.split_reason = result.rows, result.reason
        repeats: Counter[str] = Counter()
        for row in rows:
            split = row.split or "train" if source.split == "auto" else source.split
            if split == "train" and not _usable(row, recipe, normalise, loaded):
                continue
            text = normalise(row.text)
            if recipe.modality == "handwriting":
                text = to_display(text)
            repeats[text] += 1
            if split == "train" and source.max_repeats and repeats[text] > source.max_repeats:
                continue
            loaded.rows.append((replace(row, text=text, split=split), source))
    loaded.notes = normalise.notes("texts of dev")
    return loaded


def _read_source(source: Source, leave_out: Sequence[Path]) -> list[Row]:
    path = Path(source.path)
    if source.layout:
        rows = list(importer(source.layout, **source.options)(path))
    else:
        rows = load_data(path, leave_out=leave_out)
    return [row for row in rows if row.split != "test"]


def _usable(row: Row, recipe: Recipe, normalise: TrackedRule, loaded: LoadedRows) -> bool:
    """Whether a train row's text can be normalised without loss; else its problem is noted."""
    if not spoken_as_written(row.text, recipe):
        loaded.digit_rows += 1
        loaded.problems.append(
            f"{row.media.name}: has digits, and the rule 'spoken' cannot say how they were read."
        )
        return False
    unspellable = normalise.dropped_characters(row.text)
    if unspellable:
        loaded.problems.append(
            f"{row.media.name}: the rule '{recipe.normalise}' has no spelling for "
            f"{' '.join(sorted(set(unspellable)))}."
        )
    return not unspellable


def with_group(row: Row, pattern: str) -> Row:
    """The row with a group from the name of its media, if it has none and ``pattern`` matches."""
    match = re.match(pattern, row.media.stem) if pattern and row.group is None else None
    if match is None:
        return row
    return replace(row, group=match[1] if match.re.groups else match[0])


def spoken_as_written(text: str, recipe: Recipe) -> bool:
    """Whether the normalised text has all that was said.

    The rule "spoken" drops the number of "in 1905", and the clip would teach a gap.
    """
    return recipe.normalise != "spoken" or not has_digits(text)


def fingerprints(rows: Sequence[tuple[Row, Source]], columns: Sequence[int]) -> dict[str, str]:
    """SHA-256 of each source, over all of its rows that training depends on but the paths.

    Args:
        columns: width of each row's features; 0 for those that could not be read.
    """
    digests: dict[str, hashlib._Hash] = {}
    for (row, source), width in zip(rows, columns, strict=True):
        digest = digests.setdefault(source.display_name, hashlib.sha256())
        where = f"{row.start}\0{row.end}\0{row.split}\0{row.line}\0{width}"
        digest.update(f"{row.media.name}\0{row.text}\0{where}\n".encode())
    return {name: digest.hexdigest() for name, digest in digests.items()}


def dev_rows(data: Path) -> list[Row]:
    """The rows to tune on: a recipe's dev rows, or those of data that are of dev or of no split.

    Raises:
        UserError: there are none, or the data cannot be read.
    """
    if data.suffix.lower() in RECIPE_SUFFIXES:
        rows = logical_dev_rows(read_recipe(data))
    else:
        rows = [row for row in load_data(data) if row.split in (None, "dev")]
    if not rows:
        raise UserError(f"{data} has no rows of dev; mark some, or give data without splits.")
    return rows


def logical_dev_rows(recipe: Recipe) -> list[Row]:
    """The dev rows of a recipe with texts in logical order, as a recogniser gives them."""
    rows = [row for row, _ in load_rows(recipe).rows if row.split == "dev"]
    if recipe.modality == "handwriting":
        rows = [replace(row, text=to_logical(row.text)) for row in rows]
    return rows
