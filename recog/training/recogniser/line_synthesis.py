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

from recog.corpora.validate import needed_frames
from recog.training.recogniser.data import Example, WordCrop
from recog.training.recogniser.recipe import Recipe

MIN_FILL = 0.85  # of the width of the line whose place a new one takes
MIN_CROPS = 40  # words of a group, with fewer of which all of its corpus serve


@dataclass(frozen=True)
class WordCrops:
    """Words to make lines of, by corpus and by the group in it that they come from, and the label
    that stands between them."""

    space: int
    corpora: dict[str, list[WordCrop]] = field(default_factory=dict)
    groups: dict[tuple[str, str], list[WordCrop]] = field(default_factory=dict)

    @classmethod
    def group(cls, crops: Iterable[WordCrop], examples: Iterable[Example], space: int) -> WordCrops:
        """Sort words by the examples that they were cut out of."""
        words = cls(space)
        rows = {example.index: example for example in examples}
        for crop in crops:
            row = rows[crop.row]
            words.corpora.setdefault(row.source, []).append(crop)
            if row.group is not None:
                words.groups.setdefault((row.source, row.group), []).append(crop)
        return words

    def same_hand(self, example: Example) -> list[WordCrop]:
        """Those by the hand of an example, as far as the data tell."""
        crops = (
            self.groups.get((example.source, example.group), [])
            if example.group is not None
            else []
        )
        return crops if len(crops) >= MIN_CROPS else self.corpora.get(example.source, [])


def synthesise_line(
    like: Example, words: WordCrops, recipe: Recipe, rng: np.random.Generator
) -> Example:
    """A line of about the width of another, of words of its hand drawn at random; the other itself
    where there are none, or where its frames would not do."""
    crops_of_hand = words.same_hand(like)
    if not crops_of_hand:
        return like
    crops: list[WordCrop] = []
    columns = 0
    while columns < MIN_FILL * like.columns:
        crops.append(crops_of_hand[int(rng.integers(len(crops_of_hand)))])
        columns += crops[-1].last - crops[-1].first
    labels = [label for crop in crops for label in (words.space, *crop.labels)][1:]
    needed = needed_frames(labels)
    if recipe.encoder.frames(columns) < needed:
        return like
    return replace(
        like, columns=columns, labels=tuple(labels), needed=needed, text="", crops=tuple(crops)
    )
