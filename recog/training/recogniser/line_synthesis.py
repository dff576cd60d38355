"""Synthetic lines from word crops of the same hand.

A network that can already read soon knows the word sequences of a hundred lines by heart, and
learns little more from them. Synthetic lines have the same hand and new sequences in every epoch.
Where rows have groups (writers, pages), the words of a line are of one group.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from recog.corpora.validate import min_ctc_frames
from recog.training.recogniser.data import Example, WordCrop
from recog.training.recogniser.recipe import Recipe

MIN_FILL = 0.85  # width of a synthetic line, by that of the line that it replaces
MIN_CROPS = 40  # of a group; with fewer the whole corpus is used


@dataclass(frozen=True)
class WordCrops:
    """Word crops by corpus and by (corpus, group), and the label of the space between words."""

    space: int
    corpora: dict[str, list[WordCrop]] = field(default_factory=dict)
    groups: dict[tuple[str, str], list[WordCrop]] = field(default_factory=dict)

    @classmethod
    def group(cls, crops: Iterable[WordCrop], examples: Iterable[Example], space: int) -> WordCrops:
        """Group word crops by the examples that they were cut out of."""
        words = cls(space)
        rows = {example.index: example for example in examples}
        for crop in crops:
            row = rows[crop.row]
            words.corpora.setdefault(row.source, []).append(crop)
            if row.group is not None:
                words.groups.setdefault((row.source, row.group), []).append(crop)
        return words

    def same_hand(self, example: Example) -> list[WordCrop]:
        """The word crops by the hand of an example; of its corpus if they are few."""
        key = (example.source, example.group or "")
        crops = self.groups.get(key, []) if example.group is not None else []
        return crops if len(crops) >= MIN_CROPS else self.corpora.get(example.source, [])


def synthesise_line(
    like: Example, words: WordCrops, recipe: Recipe, rng: np.random.Generator
) -> Example:
    """A line of random words by the hand of ``like``, about as wide.

    It is ``like`` itself if there are no words, or if the line has too few frames for its labels.
    """
    crops_of_hand = words.same_hand(like)
    if not crops_of_hand:
        return like
    crops: list[WordCrop] = []
    columns = 0
    while columns < MIN_FILL * like.columns:
        crops.append(crops_of_hand[int(rng.integers(len(crops_of_hand)))])
        columns += crops[-1].last - crops[-1].first
    labels = [label for crop in crops for label in (words.space, *crop.labels)][1:]
    needed = min_ctc_frames(labels)
    if recipe.encoder.frames(columns) < needed:
        return like
    return replace(
        like, columns=columns, labels=tuple(labels), needed=needed, text="", crops=tuple(crops)
    )
