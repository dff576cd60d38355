"""Words cut out of lines with the base model, for :mod:`.line_synthesis`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recog.decoding.ctc.viterbi import viterbi
from recog.nn.encoder import Encoder
from recog.training.recogniser.batches import collate
from recog.training.recogniser.data import Dataset, Example, WordCrop
from recog.training.recogniser.line_synthesis import WordCrops
from recog.training.recogniser.recipe import Recipe
from recog.util.atomic_files import write_text

FILE = "words.json"  # in the folder of the run, which resumes with the same words
MIN_LOG_PROB = -2.0  # mean of a word's symbols; below it the word's place is uncertain
MIN_COLUMNS = 8  # of a word
BATCH_ROWS = 16


def load_word_crops(
    network: Encoder,
    data: Dataset,
    recipe: Recipe,
    folder: Path,
    *,
    base: str | None,
    writes: bool = True,
) -> WordCrops | None:
    """Load the word crops of a run, or cut and save them; None if there are none.

    Args:
        network: the initial network, on the CPU; it is not changed.
        folder: of the run.
        base: checksum of the network's weights; saved crops of other weights or data are ignored.
        writes: whether this process saves them.
    """
    if " " not in data.alphabet:
        return None
    of = {"data": data.fingerprint, "base": base}
    file = folder / FILE
    known = json.loads(file.read_text()) if file.exists() else {}
    if known.get("of") == of:
        crops = [
            WordCrop(row, first, last, tuple(labels))
            for row, first, last, labels in known["pieces"]
        ]
    else:
        crops = crop_words(network, data, recipe)
        if writes:
            write_text(file, json.dumps({"of": of, "pieces": crops}))
    return WordCrops.group(crops, data.train, data.alphabet.encode(" ")[0]) if crops else None


def crop_words(network: Encoder, data: Dataset, recipe: Recipe) -> list[WordCrop]:
    """Cut the words out of the train rows, but for sources with ``recombine: false``."""
    space = data.alphabet.encode(" ")[0]
    training = network.training
    excluded = {source.display_name for source in recipe.data if not source.recombine}
    rows = sorted(
        (row for row in data.train if row.source not in excluded),
        key=lambda row: (row.columns, row.index),
    )
    crops: list[WordCrop] = []
    network.eval()
    with torch.no_grad():
        for batch in (rows[at : at + BATCH_ROWS] for at in range(0, len(rows), BATCH_ROWS)):
            features, lengths = collate(
                [np.asarray(data.store[row.index], np.float32) / np.float32(255.0) for row in batch]
            )
            log_probs, frames, _ = network(features, lengths)
            for row, scores, valid in zip(batch, log_probs.numpy(), frames.tolist(), strict=True):
                crops += cut(scores[:valid], row, space, recipe.encoder.subsampling)
    network.train(training)
    return sorted(crops)


def cut(
    log_probs: NDArray[np.float32], example: Example, space: int, subsampling: int
) -> list[WordCrop]:
    """Cut the words out of a line by Viterbi alignment, in the middle of the spaces.

    Args:
        log_probs: (frames, symbols) of the line.
        space: index of the space among the symbols.
        subsampling: columns of a frame.
    """
    alignment = viterbi(log_probs, example.labels)
    gaps = [k for k, label in enumerate(example.labels) if label == space]
    crops = []
    for before, after in zip([-1, *gaps], [*gaps, len(example.labels)], strict=True):
        inside = range(before + 1, after)
        if not inside or float(np.mean([alignment.scores[k] for k in inside])) < MIN_LOG_PROB:
            continue
        first, last = (
            round((alignment.starts[k] + alignment.ends[k]) / 2 * subsampling)
            if k in gaps
            else edge
            for k, edge in ((before, 0), (after, example.columns))
        )
        last = min(last, example.columns)
        if last - first >= MIN_COLUMNS:
            crops.append(
                WordCrop(example.index, first, last, tuple(example.labels[k] for k in inside))
            )
    return crops
