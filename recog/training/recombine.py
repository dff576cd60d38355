"""Lines put together anew from the words of others.

Of a hundred lines of one hand a network that can already read soon knows the sequences of words by heart, and learns
little more from them. Where the base model finds the gaps between the words, the words can stand in other lines as well:
the hand stays, the sequences are new in every epoch. Where rows have groups (writers, pages), a line is made of words of
its own group.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recog.corpora.check import needed_frames
from recog.decoding.align import viterbi
from recog.nn.encoder import Encoder
from recog.training.data import Dataset, Example, Piece
from recog.training.recipe import Recipe

FILE = "words.json"  # in the folder of the run, which goes on with the same words
UNSURE = -2.0  # mean log-probability of a word's symbols, below which nobody knows where it stands
NARROWEST = 8  # columns of a word
FILLED = 0.85  # of the width of the line whose place a new one takes
ENOUGH = 40  # words of a group, with fewer of which all of its corpus serve


@dataclass(frozen=True)
class Words:
    """Words to make lines of, by corpus and by the group in it that they come from, and the label that stands between them."""

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
        own = self.groups.get((example.source, example.group), []) if example.group is not None else []
        return own if len(own) >= ENOUGH else self.corpora.get(example.source, [])


def words_of(
    network: Encoder, data: Dataset, recipe: Recipe, folder: Path, *, base: str | None, writes: bool = True
) -> Words | None:
    """The words of the train rows as the network finds them, or as the run remembers them; None where there are none.

    Args:
        network: that training begins with, still on the CPU; it is left as it was.
        folder: of the run, which keeps them for when it goes on after an interruption.
        base: checksum of the network's weights; words that others found, or in other data, are not taken.
        writes: whether this process does.
    """
    if " " not in data.alphabet:
        return None
    of = {"data": data.fingerprint, "base": base}
    kept = folder / FILE
    known = json.loads(kept.read_text()) if kept.exists() else {}
    if known.get("of") == of:
        pieces = [Piece(row, first, last, tuple(labels)) for row, first, last, labels in known["pieces"]]
    else:
        pieces = _found(network, data, recipe)
        if writes:
            part = folder / f"{FILE}.part"
            part.write_text(json.dumps({"of": of, "pieces": pieces}))
            part.replace(kept)
    return Words.by_hand(pieces, data.train, data.alphabet.encode(" ")[0]) if pieces else None


def _found(network: Encoder, data: Dataset, recipe: Recipe) -> list[Piece]:
    space = data.alphabet.encode(" ")[0]
    training = network.training
    pieces: list[Piece] = []
    left_alone = {source.name for source in recipe.data if not source.recombine}
    network.eval()
    with torch.no_grad():
        for example in data.train:
            if example.source in left_alone:
                continue
            strip = np.asarray(data.store[example.index], np.float32) / np.float32(255.0)
            log_probs = network(torch.from_numpy(strip)[None], torch.tensor([len(strip)]))[0][0].numpy()
            pieces += cut(log_probs, example, space, recipe.encoder.subsampling)
    network.train(training)
    return pieces


def cut(log_probs: NDArray[np.float32], example: Example, space: int, subsampling: int) -> list[Piece]:
    """The words of a line by the Viterbi alignment of its labels, cut in the middle of the spaces.

    Args:
        log_probs: (frames, symbols) of the line.
        space: index of the space among the symbols.
        subsampling: columns of a frame.
    """
    found = viterbi(log_probs, example.labels)
    gaps = [k for k, label in enumerate(example.labels) if label == space]
    words = []
    for before, after in zip([-1, *gaps], [*gaps, len(example.labels)], strict=True):
        inside = range(before + 1, after)
        if not inside or float(np.mean([found.scores[k] for k in inside])) < UNSURE:
            continue
        first, last = (
            round((found.starts[k] + found.ends[k]) / 2 * subsampling) if k in gaps else edge
            for k, edge in ((before, 0), (after, example.columns))
        )
        last = min(last, example.columns)
        if last - first >= NARROWEST:
            words.append(Piece(example.index, first, last, tuple(example.labels[k] for k in inside)))
    return words


def recombined(like: Example, words: Words, recipe: Recipe, rng: np.random.Generator) -> Example:
    """A line of about the width of another, of words of its hand drawn at random; the other itself where there are none, or
    where its frames would not do."""
    near = words.near(like)
    if not near:
        return like
    pieces: list[Piece] = []
    columns = 0
    while columns < FILLED * like.columns:
        pieces.append(near[int(rng.integers(len(near)))])
        columns += pieces[-1].last - pieces[-1].first
    labels = [label for piece in pieces for label in (words.space, *piece.labels)][1:]
    needed = needed_frames(labels)
    if recipe.encoder.frames(columns) < needed:
        return like
    return replace(like, columns=columns, labels=tuple(labels), needed=needed, text="", pieces=tuple(pieces))
