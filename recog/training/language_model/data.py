"""The texts of a language model's training as two streams of symbols, train and dev."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.tables import SPACE
from recog.lm.text import read_text, tokens
from recog.model.language_model import END, END_ID, UNKNOWN, UNKNOWN_ID
from recog.text.normalise import TrackedRule
from recog.training.language_model.recipe import LanguageRecipe, TextSource
from recog.training.recogniser.recipe import read_recipe
from recog.training.recogniser.rows import load_rows

STRETCHES = 10  # of each text in dev
MAX_DEV = 500_000  # symbols


@dataclass(frozen=True)
class TextData:
    """The texts of a training.

    Attributes:
        symbols: the vocabulary, ``<unk>`` and ``</s>`` first, then the most frequent first.
        train: (tokens,) int32.
        dev: (tokens,) int32.
        unknown: share of the training text that the vocabulary lacks.
        lines: lines to train on.
        fingerprint: SHA-256 of each text, by the name of its file.
        problems: which rows of a recogniser's data are left out, and why.
        notes: what the normalisation did to texts.
    """

    symbols: tuple[str, ...]
    train: NDArray[np.int32]
    dev: NDArray[np.int32]
    unknown: float
    lines: int
    fingerprint: dict[str, str]
    problems: list[str]
    notes: list[str]


class _Numbers(dict[str, int]):
    """Token -> a number, a new one for a new token."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number

    def between(self, recipe: LanguageRecipe) -> list[int]:
        """The tokens between two lines."""
        return [END_ID] if recipe.sentence else [self[SPACE]] if recipe.unit == "character" else []


def prepare_texts(recipe: LanguageRecipe) -> TextData:
    """Read the texts of a recipe; one pass, 4 bytes a token.

    Raises:
        UserError: a text cannot be read, or there is too little of it.
    """
    numbers = _Numbers({UNKNOWN: UNKNOWN_ID, END: END_ID})
    train: list[NDArray[np.int32]] = []
    dev: list[NDArray[np.int32]] = []
    fingerprint, lines, problems, notes = {}, 0, list[str](), list[str]()
    for i, source in enumerate(recipe.data):
        text = _read(source, recipe, numbers, problems, notes)
        ids, held_out = text.ids, text.held_out
        if held_out is None:
            held_out = _held_out(len(text.starts), source.split, recipe.dev_share)
        of_dev = np.repeat(held_out, np.diff(text.starts, append=len(ids)))
        between = numbers.between(recipe)
        train += source.times * [_ended(ids[~of_dev], between)]
        dev.append(_ended(ids[of_dev], between))
        lines += int((~held_out).sum())
        name = Path(source.path).name
        fingerprint[name if name not in fingerprint else f"{name} ({i + 1})"] = text.digest
    symbols, final = _vocabulary(np.concatenate(train), numbers, recipe)
    streams = [np.concatenate([final[part] for part in parts]) for parts in (train, dev)]
    for stream, what in zip(streams, ("to train on", "for dev"), strict=True):
        if len(stream) < 2:
            raise UserError(
                f"{recipe.name}: there is too little text {what}; give more text, or a source of "
                "'split: dev'."
            )
    unknown = float((streams[0] == UNKNOWN_ID).mean())
    return TextData(
        symbols, streams[0], streams[1][:MAX_DEV], unknown, lines, fingerprint, problems, notes
    )


@dataclass(frozen=True)
class _Text:
    """The tokens of a text.

    Attributes:
        starts: of the lines.
        digest: SHA-256.
        held_out: (lines,) which lines are dev; None if the text does not say.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    digest: str
    held_out: NDArray[np.bool_] | None


def _read(
    source: TextSource,
    recipe: LanguageRecipe,
    numbers: _Numbers,
    problems: list[str],
    notes: list[str],
) -> _Text:
    """Read a text as symbols; adds to ``problems`` and ``notes``."""
    normalise, digest = TrackedRule(recipe.normalise, recipe.languages), hashlib.sha256()
    ids, starts, of_dev = array("i"), array("q"), array("b")
    between = numbers.between(recipe)
    for line, is_dev in islice(_lines(source, problems), 0, None, source.every):
        line = normalise(line)
        digest.update(line.encode() + (b"\t\n" if is_dev else b"\n"))
        line_tokens = tokens(line, recipe.unit)
        if line_tokens:
            starts.append(len(ids))
            of_dev.append(is_dev)
            ids.extend(map(numbers.__getitem__, line_tokens))
            ids.extend(between)
        else:
            _close(ids, between)
    _close(ids, between)
    notes += [f"{source.path}: {note}" for note in normalise.notes("lines")]
    held_out = np.array(of_dev, np.bool_) if source.is_recipe and source.split == "auto" else None
    return _Text(np.array(ids, np.int32), np.array(starts, np.int64), digest.hexdigest(), held_out)


def _lines(source: TextSource, problems: list[str]) -> Iterator[tuple[str, bool]]:
    """The lines of a source, and whether they are of a recogniser's dev set.

    Raises:
        UserError: the source cannot be read, or lacks a name of ``without``.
    """
    if not source.is_recipe:
        yield from ((line, False) for line in read_text([source.path]))
        return
    recipe = read_recipe(Path(source.path))
    unknown = set(source.without) - {each.display_name for each in recipe.data}
    if unknown:
        raise UserError(f"{source.path}: there is no source {sorted(unknown)[0]} to leave out.")
    data = tuple(each for each in recipe.data if each.display_name not in source.without)
    loaded = load_rows(recipe.model_copy(update={"data": data}))
    problems += loaded.problems
    for row, _ in loaded.rows:
        yield row.text, row.split == "dev"


def _close(ids: array[int], between: list[int]) -> None:
    """End running text with ``</s>``, in place of the space after its last line."""
    if not ids or ids[-1] == END_ID:
        return
    if between:
        ids[-1] = END_ID
    else:
        ids.append(END_ID)


def _ended(ids: NDArray[np.int32], between: list[int]) -> NDArray[np.int32]:
    """Tokens of some lines, ended as :func:`_close` does."""
    line_tokens = array("i", ids.tobytes())
    _close(line_tokens, between)
    return np.array(line_tokens, np.int32)


def _held_out(lines: int, split: str, share: float) -> NDArray[np.bool_]:
    """(lines,) which lines are dev: up to ten even stretches, as neighbouring lines are alike."""
    if split != "auto":
        return np.full(lines, split == "dev")
    stretches = min(STRETCHES, max(1, int(lines * share)))
    place = (np.arange(lines) * stretches) % max(1, lines)
    return place >= lines * (1.0 - share)


def _vocabulary(
    train: NDArray[np.int32], numbers: _Numbers, recipe: LanguageRecipe
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The symbols, and for each number the index of its symbol."""
    names = list(numbers)
    counts = np.bincount(train, minlength=len(names))
    frequent = [i for i in range(2, len(names)) if counts[i] >= recipe.least_count]
    frequent.sort(key=lambda i: (-counts[i], names[i]))
    frequent = frequent[: recipe.vocabulary or None]
    if not frequent:
        raise UserError(
            f"{recipe.name}: no {recipe.unit} occurs {recipe.least_count} times or more; give "
            "more text, or a lower min_count."
        )
    final = np.full(len(names), UNKNOWN_ID, np.int32)
    final[END_ID] = END_ID
    final[frequent] = np.arange(2, 2 + len(frequent), dtype=np.int32)
    return (UNKNOWN, END, *(names[i] for i in frequent)), final
