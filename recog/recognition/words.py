"""Words of a line: spans in frames to times, logical order and confidences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recog.text.bidi import to_logical
from recog.transcript import Word

Span = tuple[str, float, float, float]  # word, its start and end in frames, confidence


def reorder_spans(spans: list[Span], text: str) -> list[Span]:
    """Put the spans of a displayed line into the logical order of ``text``.

    Displayed words are matched to the words of the text. A word that occurs several times takes its
    spans from the right, where a right-to-left line begins. A word that looks different when
    displayed (a reversed number, a bracket) takes the rightmost span that is left.
    """
    places: dict[str, list[int]] = {}
    for i, span in enumerate(spans):
        places.setdefault(to_logical(span[0]), []).append(i)
    words = text.split()
    order = [places[word].pop() if places.get(word) else None for word in words]
    free = sorted({*range(len(spans))} - {*order})
    order = [free.pop() if i is None and free else i for i in order]
    return [(word, *spans[i][1:]) for word, i in zip(words, order, strict=True) if i is not None]


def make_words(spans: list[Span], seconds: Callable[[float], float]) -> tuple[Word, ...]:
    """Words with times; ``seconds`` gives the time at which a frame begins."""
    return tuple(
        Word(word, round(seconds(a), 3), round(seconds(b), 3), confidence=round(min(1.0, c), 4))
        for word, a, b, c in spans
    )


def line_confidence(spans: list[Span]) -> float | None:
    """Mean confidence of the words, weighted by their length; None without words."""
    if not spans:
        return None
    weights = [len(word) for word, _, _, _ in spans]
    return round(min(1.0, float(np.average([c for _, _, _, c in spans], weights=weights))), 4)
