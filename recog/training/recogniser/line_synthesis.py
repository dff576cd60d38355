"""Lines put together anew from the words of others.

Of a hundred lines of one hand a network that can already read soon knows the sequences of words by
heart, and learns little more from them. Where the base model finds the gaps between the words, the
words can stand in other lines as well: the hand stays, the sequences are new in every epoch. Where
rows have groups (writers, pages), a line is made of words of its own group.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from recog.corpora.validate import min_ctc_frames
from recog.training.recogniser.data import Example, Piece
from recog.training.recogniser.recipe import Recipe

FILLED = 0.85  # of the width of the line whose place a new one takes
ENOUGH = 40  # words of a group, with fewer of which all of its corpus serve


@dataclass(frozen=True)
class Words:
    """Words to make lines of, by corpus and by the group in it that they come from, and the label
    that stands between them."""

    space: int
    corpora: dict[str, list[Piece]] = field(default_factory=dict)
    groups: dict[tuple[str, str], list[Piece]] = field(default_factory=dict)

    @classmethod
    def by_hand(cls, pieces: Iterable[Piece], examples: Iterable[Example], space: int) -> Words:
        """Sort words by the examples that they were cut out of."""
        words = cls(space)
        rows = {example.index: example for example in examples}
        for piece in pieces:
            row = rows[piece.row]
            words.corpora.setdefault(row.source, []).append(piece)
            if row.group is not None:
                words.groups.setdefault((row.source, row.group), []).append(piece)
        return words

    def near(self, example: Example) -> list[Piece]:
        """Those by the hand of an example, as far as the data tell."""
        own = (
            self.groups.get((example.source, example.group), [])
            if example.group is not None
            else []
        )
        return own if len(own) >= ENOUGH else self.corpora.get(example.source, [])


def recombined(like: Example, words: Words, recipe: Recipe, rng: np.random.Generator) -> Example:
    """A line of about the width of another, of words of its hand drawn at random; the other itself
    where there are none, or where its frames would not do."""
    near = words.near(like)
    if not near:
        return like
    pieces: list[Piece] = []
    columns = 0
    while columns < FILLED * like.columns:
        pieces.append(near[int(rng.integers(len(near)))])
        columns += pieces[-1].last - pieces[-1].first
    labels = [label for piece in pieces for label in (words.space, *piece.labels)][1:]
    needed = min_ctc_frames(labels)
    if recipe.encoder.frames(columns) < needed:
        return like
    return replace(
        like, columns=columns, labels=tuple(labels), needed=needed, text="", pieces=tuple(pieces)
    )
