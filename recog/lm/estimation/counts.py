"""Count n-grams of any order in a text that may be larger than memory.

Each order is counted from the order below. An n-gram is the row of its context among the
(n-1)-grams, and a word; both fit into a 64-bit key at any order, and keys sort as the words do.
Chunks of the text give sorted runs of keys, which are then merged. The vocabulary stays in memory,
the text does not.
"""

from __future__ import annotations

import itertools
import logging
import tempfile
from array import array
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.estimation.workspace import Workspace, merge_runs
from recog.lm.tables import BEGIN, END, MAX_ORDER, SPACE, UNKNOWN, Unit
from recog.lm.text import tokens

logger = logging.getLogger("recog")

SPECIAL = (UNKNOWN, BEGIN, END)
UNKNOWN_ID, BEGIN_ID, END_ID = range(3)


@dataclass(frozen=True)
class LevelCounts:
    """Counts of the n-grams of an order.

    Attributes:
        keys: (count,) int64, ascending: the row of the n-gram's context one level below (0 for
            unigrams) times the size of the vocabulary, plus its last word.
        counts: (count,) int64. ``<s>`` stands before each line, so only at the start of n-grams.
    """

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Counts:
    """Counts of all n-grams of a text.

    Attributes:
        unit: words or characters.
        words: the vocabulary, as in :class:`recog.lm.tables.NGrams`.
        levels: by order. Each word has a unigram, whose count may be 0.
    """

    unit: Unit
    words: tuple[str, ...]
    levels: tuple[LevelCounts, ...]


def count_ngrams(
    lines: Iterable[str],
    workspace: Workspace,
    *,
    unit: Unit = "word",
    order: int = 3,
    vocabulary: int | Collection[str] | None = None,
) -> Counts:
    """Count the n-grams of all orders up to ``order``.

    Args:
        lines: sentences; blank lines are skipped.
        workspace: for large arrays.
        unit: words or characters.
        order: 1 to 16.
        vocabulary: the number of most frequent words, or the words themselves, which need not occur
            in the text; all others count as ``<unk>``. None takes every word of the text.

    Raises:
        UserError: an order outside 1 to 16, no text, or no word in the vocabulary.
    """
    if not 1 <= order <= MAX_ORDER:
        raise UserError(f"An n-gram model has an order of 1 to {MAX_ORDER}, not {order}.")
    text = _encode(lines, unit, workspace)
    words, renumbered = _choose(text, unit, vocabulary)
    first = LevelCounts(np.arange(len(words), dtype=np.int64), np.zeros(len(words), np.int64))
    np.add.at(first.counts, renumbered, text.frequencies)
    levels = [first]
    # row of the n-gram that ends at each token; -1 for none
    rows = workspace.empty(len(text.ids), np.int64)
    for part in text.chunks:
        rows[part] = renumbered[text.ids[part]]
    while len(levels) < order:
        levels.append(
            _next_level(
                text, renumbered, len(words), rows, workspace, last=len(levels) == order - 1
            )
        )
        logger.info("%d-grams: %d", len(levels), len(levels[-1]))
    return Counts(unit, words, tuple(levels))


@dataclass(frozen=True)
class _Text:
    ids: NDArray[np.int32]  # (tokens,) words by first occurrence, <s> and </s> around each line
    chunks: list[slice]  # of whole lines
    words: list[str]
    frequencies: NDArray[np.int64]


class _Numbering(dict[str, int]):
    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def _encode(lines: Iterable[str], unit: Unit, workspace: Workspace) -> _Text:
    """Write the text to a temporary file as word numbers."""
    numbering = _Numbering({word: number for number, word in enumerate(SPECIAL)})
    number_of = numbering.__getitem__
    buffer = array("i")
    ends = [0]
    with tempfile.TemporaryFile(dir=workspace.folder) as file:
        for line in lines:
            words = tokens(line, unit)
            if not words:
                continue
            buffer.append(BEGIN_ID)
            buffer.extend(map(number_of, words))
            buffer.append(END_ID)
            if len(buffer) >= workspace.block:
                buffer.tofile(file)
                ends.append(ends[-1] + len(buffer))
                buffer = array("i")
        buffer.tofile(file)
        if buffer:
            ends.append(ends[-1] + len(buffer))
        if ends[-1] == 0:
            raise UserError("There is no word in this text; a language model needs some.")
        file.flush()
        ids = np.memmap(file, np.int32, "r", shape=(ends[-1],))
    chunks = [slice(start, end) for start, end in itertools.pairwise(ends)]
    frequencies = np.zeros(len(numbering), np.int64)
    for part in chunks:
        frequencies += np.bincount(ids[part], minlength=len(numbering))
    if frequencies[UNKNOWN_ID]:
        reserved = (
            "<unk>, <s> or </s>" if unit == "word" else f"{SPACE} (which stands for the space)"
        )
        logger.warning(
            "The text contains %s; %d tokens count as unknown.", reserved, frequencies[UNKNOWN_ID]
        )
    return _Text(ids, chunks, list(numbering), frequencies)


def _choose(
    text: _Text, unit: Unit, vocabulary: int | Collection[str] | None
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Return the sorted vocabulary, and the new number of each word of the text."""
    if isinstance(vocabulary, int):
        if vocabulary < 1:
            raise UserError(f"A vocabulary has at least one word, not {vocabulary}.")
        frequency = Counter(dict(zip(text.words[3:], text.frequencies[3:].tolist(), strict=True)))
        by_frequency = sorted(frequency.items(), key=lambda item: (-item[1], item[0]))
        chosen = {word for word, _ in by_frequency[:vocabulary]}
    elif vocabulary is not None:
        chosen = {token for entry in vocabulary for token in _entry(entry, unit)} - set(SPECIAL)
        if not chosen:
            raise UserError(
                "There is no word in the vocabulary given; a language model needs some."
            )
    else:
        chosen = set(text.words[3:])
    words = (*SPECIAL, *sorted(chosen))
    number_of = {word: number for number, word in enumerate(words)}
    renumbered = np.array([number_of.get(word, UNKNOWN_ID) for word in text.words], np.int32)
    return words, renumbered


def _entry(entry: str, unit: Unit) -> list[str]:
    if unit == "character" and entry in (" ", SPACE):
        return [SPACE]
    words = tokens(entry, unit)
    if len(words) != 1:
        raise UserError(
            f"The vocabulary's entry '{entry}' is not one {unit}; write one {unit} a line."
        )
    return words


def _next_level(
    text: _Text,
    renumbered: NDArray[np.int32],
    size: int,
    rows: NDArray[np.int64],
    workspace: Workspace,
    *,
    last: bool,
) -> LevelCounts:
    """Count the next order.

    Args:
        rows: (tokens,) the row of each n-gram one level below; replaced by the new level's rows.
        last: whether no further level follows, so that ``rows`` is not needed.
    """
    keys = workspace.empty(len(rows), np.int64)
    counts = workspace.empty(len(rows), np.int64)
    ends: list[int] = []
    for part in text.chunks:
        words = renumbered[text.ids[part]].astype(np.int64)
        context = np.concatenate(([-1], rows[part][:-1]))
        valid = np.flatnonzero((context >= 0) & (words != BEGIN_ID))
        run, inverse, run_counts = np.unique(
            context[valid] * size + words[valid], return_inverse=True, return_counts=True
        )
        start = ends[-1] if ends else 0
        ends.append(start + len(run))
        keys[start : ends[-1]] = run
        counts[start : ends[-1]] = run_counts
        chunk_rows = np.full(len(words), -1, np.int64)
        chunk_rows[valid] = inverse.reshape(-1)
        rows[part] = chunk_rows
    level = LevelCounts(*merge_runs(keys, counts, ends, workspace))
    if not last:
        for part, start, end in zip(text.chunks, [0, *ends[:-1]], ends, strict=True):
            # the last element, -1, is for rows of -1
            position = np.append(np.searchsorted(level.keys, keys[start:end]), -1)
            rows[part] = position[rows[part]]
    return level
