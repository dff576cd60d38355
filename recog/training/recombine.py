"""Lines put together anew from the words of others.

Of a hundred lines of one hand a network that can already read soon knows the sequences of words by heart, and learns
little more from them. Where the base model finds the gaps between the words, the words can stand in other lines as well:
the hand stays, the sequences are new in every epoch.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

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


class Words(NamedTuple):
    """Words to make lines of, and the label that stands between them."""

    pieces: list[Piece]
    space: int


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
    return Words(pieces, data.alphabet.encode(" ")[0]) if pieces else None


def _found(network: Encoder, data: Dataset, recipe: Recipe) -> list[Piece]:
    space = data.alphabet.encode(" ")[0]
    training = network.training
    pieces: list[Piece] = []
    network.eval()
    with torch.no_grad():
        for example in data.train:
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
    """A line of about the width of another, of words drawn at random; the other itself where its frames would not do."""
    pieces: list[Piece] = []
    columns = 0
    while columns < FILLED * like.columns:
        pieces.append(words.pieces[int(rng.integers(len(words.pieces)))])
        columns += pieces[-1].last - pieces[-1].first
    labels = [label for piece in pieces for label in (words.space, *piece.labels)][1:]
    needed = needed_frames(labels)
    if recipe.encoder.frames(columns) < needed:
        return like
    return replace(like, columns=columns, labels=tuple(labels), needed=needed, text="", pieces=tuple(pieces))
