"""Which rows carry a text that does not belong to their media, judged by what a model reads in
it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

OTHERS = 50  # texts that a row's own is compared with
PLAIN = 0.6  # a text that agrees with what is read to this share is right, whatever others do
Probability = Callable[[int, list[str]], Sequence[float]]
CLEAR = 0.15  # by how much another row's text must agree better to be called the one that belongs


@dataclass(frozen=True)
class Misfit:
    """A row whose text says nothing about its media.

    Attributes:
        row: its index.
        agreement: of its text with what the model reads: 1 - edit distance / length of the longer,
            0 to 1.
        belongs: index of the row whose text agrees far better, or None.
    """

    row: int
    agreement: float
    belongs: int | None = None


def misfits(
    texts: Sequence[str], read: Sequence[str | None], log_probs: Probability
) -> list[Misfit]:
    """The rows of which another row's text tells what was read no worse than their own does.

    A text that belongs to other media is, for what is read here, one like any other: of it and
    ``OTHERS`` more of about its length it comes first once in ``OTHERS`` + 1 times. One that
    belongs comes first even where the model is wrong in every second letter. Nothing is assumed of
    how good the model is. Agreement with the text that was read decides quickly and for most; of
    the few letters of a short line it knows too little, and the model is asked how probable it
    thinks each of the texts.

    Args:
        texts: of all rows, normalised as the model writes.
        read: what the model reads in each row's media; None where that cannot be read.
        log_probs: log-probabilities of some texts given the media of the row with this index.

    Returns:
        In the order of the rows.
    """
    different = sorted(dict.fromkeys(texts), key=len)
    lengths = [len(text) for text in different]
    place = {text: k for k, text in enumerate(different)}
    owners: dict[str, int] = {}
    for row, text in enumerate(texts):
        owners.setdefault(text, row)
    found = []
    for row, (text, heard) in enumerate(zip(texts, read, strict=True)):
        if heard is None:
            continue
        own = Levenshtein.normalized_similarity(heard, text)
        if own >= PLAIN:
            continue
        near = [different[k] for k in _nearest(place[text], lengths)]
        best = max(
            (Levenshtein.normalized_similarity(heard, other) for other in near), default=-1.0
        )
        if best < own:
            continue
        probable = log_probs(row, [text, *near])
        if max(probable[1:]) >= probable[0]:
            belongs = _belonging(heard, different, own)
            found.append(Misfit(row, own, None if belongs is None else owners[belongs]))
    return found


def _nearest(at: int, lengths: Sequence[int]) -> list[int]:
    """Indices of the ``OTHERS`` whose lengths, in their order, are nearest to that of the one at
    ``at``."""
    near: list[int] = []
    low, high = at - 1, at + 1
    while len(near) < OTHERS and (low >= 0 or high < len(lengths)):
        below = lengths[at] - lengths[low] if low >= 0 else np.inf
        above = lengths[high] - lengths[at] if high < len(lengths) else np.inf
        if below <= above:
            near.append(low)
            low -= 1
        else:
            near.append(high)
            high += 1
    return near


def _belonging(heard: str, texts: Sequence[str], own: float) -> str | None:
    """The text that agrees best with what was read, where it clearly does."""
    best = process.extractOne(heard, texts, scorer=Levenshtein.normalized_similarity)
    if best is None or best[1] < max(0.5, own + CLEAR):
        return None
    return str(best[0])
