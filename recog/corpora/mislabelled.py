"""Find mislabelled rows by comparing a model's readings with the texts of all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

N_DISTRACTORS = 50  # texts with which a row's text is compared
CLEAR_MATCH = 0.6  # from this agreement on, a text is right, however well other texts agree
Probability = Callable[[int, list[str]], Sequence[float]]
MIN_GAIN = 0.15  # by how much another row's text must agree better to be named as the right text


@dataclass(frozen=True)
class Mislabelled:
    """A row whose text does not match its media.

    Attributes:
        row: its index.
        agreement: of its text with the model's reading: 1 - edit distance / length of the longer,
            0 to 1.
        better_row: index of the row whose text agrees far better, or None.
    """

    row: int
    agreement: float
    better_row: int | None = None


def find_mislabelled(
    texts: Sequence[str], read: Sequence[str | None], log_probs: Probability
) -> list[Mislabelled]:
    """Find rows for which another row's text matches the reading at least as well.

    A text that belongs to other media matches the reading only by chance. Among it and
    ``N_DISTRACTORS`` more texts of about its length, it ranks first once in ``N_DISTRACTORS`` + 1
    times. A text that belongs to the media ranks first even if the model gets every second letter
    wrong. The method assumes nothing about the model's accuracy.

    Agreement with the reading is fast and decides most rows. It is unreliable for the few letters
    of a short line, so there the model gives the probability of each of the texts.

    Args:
        texts: of all rows, normalised as the model writes.
        read: the model's reading of each row's media; None where the media cannot be read.
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
        if own >= CLEAR_MATCH:
            continue
        near = [different[k] for k in _nearest_in_length(place[text], lengths)]
        best = max(
            (Levenshtein.normalized_similarity(heard, other) for other in near), default=-1.0
        )
        if best < own:
            continue
        probable = log_probs(row, [text, *near])
        if max(probable[1:]) >= probable[0]:
            better_row = _best_text(heard, different, own)
            found.append(Mislabelled(row, own, None if better_row is None else owners[better_row]))
    return found


def _nearest_in_length(at: int, lengths: Sequence[int]) -> list[int]:
    """Indices of the ``N_DISTRACTORS`` sorted lengths nearest to the length at ``at``."""
    near: list[int] = []
    low, high = at - 1, at + 1
    while len(near) < N_DISTRACTORS and (low >= 0 or high < len(lengths)):
        below = lengths[at] - lengths[low] if low >= 0 else np.inf
        above = lengths[high] - lengths[at] if high < len(lengths) else np.inf
        if below <= above:
            near.append(low)
            low -= 1
        else:
            near.append(high)
            high += 1
    return near


def _best_text(heard: str, texts: Sequence[str], own: float) -> str | None:
    """The text that agrees best with the reading, if it is clearly better."""
    best = process.extractOne(heard, texts, scorer=Levenshtein.normalized_similarity)
    if best is None or best[1] < max(0.5, own + MIN_GAIN):
        return None
    return str(best[0])
