"""The diagnosis of a run: whether it has left the blank plateau, and if not, why.

A CTC network first learns to output blanks, then the frequencies of the symbols, and only then,
often suddenly, to read its input. The plateau in between has the loss of guessing. The diagnosis
follows from the data and the figures of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from recog.text.bidi import to_logical
from recog.training.recogniser.data import Dataset, Example
from recog.training.recogniser.recipe import Recipe

SAMPLE = 60  # rows for the loss by chance
MAX_INSPECTED = 300  # rows whose media are inspected
PLATEAU = 0.93  # of the loss by chance; above it only frequencies have been learned
PATIENCE = 3  # epochs on the plateau before causes are named
OUTLIER = 6.0  # deviations from the median loss
MAX_NAMED = 10
FEW_UPDATES = 1500
CLEARLY_ABOVE = 1.3  # ratio of losses
CLEARLY_BELOW = 0.9  # ratio of losses
MIN_SPREAD = 0.2  # of lengths, deviation by mean; below it their correlation means nothing
FINAL_LETTERS = frozenset("ךםןףץةى")  # Hebrew, Arabic: end of a word


def chance_loss(examples: Sequence[Example], recipe: Recipe, symbols: int) -> float:
    """CTC loss per symbol, natural log, of the best guess without looking at the input.

    The guess has one distribution in all frames: the blank, and each symbol by its frequency. A
    network that is not better has learned nothing of its input.

    Args:
        symbols: number of outputs, the blank included.
    """
    step = max(1, len(examples) // SAMPLE)
    rows = sorted(examples, key=lambda e: e.columns)[::step][:SAMPLE]
    counts = np.bincount([label for row in rows for label in row.labels], minlength=symbols).astype(
        np.float64
    )
    counts[0] = 0.0
    shares = torch.from_numpy((counts + 1e-3) / (counts + 1e-3).sum())
    frames = torch.tensor([recipe.encoder.frames(row.columns) for row in rows])
    targets = torch.tensor([label for row in rows for label in row.labels])
    lengths = torch.tensor([len(row.labels) for row in rows])
    best = np.inf
    for blank in (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99):
        guess = shares * (1.0 - blank)
        guess[0] = blank
        log_probs = guess.log().expand(int(frames.max()), len(rows), symbols)
        loss = F.ctc_loss(log_probs, targets, frames, lengths, reduction="sum", zero_infinity=True)
        best = min(best, float(loss) / max(1, int(lengths.sum())))
    return best


@dataclass
class Diagnosis:
    """The diagnosis of one run.

    Args:
        recipe: with the number of epochs decided.
    """

    data: Dataset
    recipe: Recipe
    stuck: int = 0  # epochs in a row on the plateau
    explained: bool = False
    # of this epoch, per symbol
    row_losses: dict[int, tuple[Example, float]] = field(default_factory=dict)
    _chance: float | None = None

    @property
    def chance(self) -> float:
        """See :func:`chance_loss`."""
        if self._chance is None:
            self._chance = chance_loss(self.data.train, self.recipe, len(self.data.alphabet))
        return self._chance

    def add_losses(self, examples: Sequence[Example], losses: Sequence[float]) -> None:
        """Add the CTC losses of some rows, each the sum over its symbols."""
        for example, loss in zip(examples, losses, strict=True):
            if not example.crops:  # a synthetic line tells nothing of a row
                self.row_losses[example.index] = (example, loss / max(1, len(example.labels)))

    def after_epoch(self, history: Sequence[dict[str, Any]]) -> list[str]:
        """The diagnosis after an epoch, in sentences; empty if all goes well.

        Args:
            history: an entry for each epoch so far, with its loss per symbol, dev error rate and
                blank share.
        """
        last, epochs = history[-1], self.recipe.training.epochs
        row_losses, self.row_losses = self.row_losses, {}
        if last["loss"] < PLATEAU * self.chance or last["cer"] < 0.8:
            self.stuck = 0
            return outliers(row_losses) if last["epoch"] == epochs else []
        self.stuck += 1
        before = f" ({100 * history[-2]['blank']:.0f} % before)" if len(history) > 1 else ""
        where = (
            "On the blank plateau"
            if last["loss"] < CLEARLY_ABOVE * self.chance
            else "Not yet as good as guessing"
        )
        if self.stuck > PATIENCE and self.stuck % 10 and last["epoch"] < epochs and self.explained:
            return []
        sentences = [
            f"{where}: loss {last['loss']:.2f} a symbol, where guessing by frequency gives "
            f"{self.chance:.2f};"
            f" {100 * last['blank']:.0f} % of the frames are blank{before}."
        ]
        if (
            not self.explained
            and (self.stuck >= PATIENCE or last["epoch"] == epochs)
            and 4 * last["epoch"] >= epochs
        ):
            self.explained = True
            sentences += ["It has not learned to read its input yet. What speaks for which cause:"]
            sentences += [f"  - {cause}" for cause in self.causes(history)]
        return sentences

    def causes(self, history: Sequence[dict[str, Any]]) -> list[str]:
        """Possible causes with their evidence, the likeliest first."""
        causes = [
            self._one_text(),
            self._other_files(),
            self._too_long(),
            self._learning_rate(history),
            self._media(),
            self._direction(),
            self._few_updates(history),
        ]
        named = [cause for cause in causes if cause]
        return named or [
            "nothing in the data or the figures: give it more epochs, or smaller batches."
        ]

    def _one_text(self) -> str:
        """All rows have one text, so that nothing distinguishes its letters."""
        texts = {row.text for row in self.data.train}
        if len(self.data.train) < 2 or len(texts) > 1:
            return ""
        return (
            f"all {len(self.data.train)} rows have the same text, '{texts.pop()[:60]}'. Give "
            "rows of many texts."
        )

    def _other_files(self) -> str:
        """Texts belong to other files: their lengths do not correlate with those of the media."""
        rows = self.data.train
        if len(rows) < 20:
            return ""
        lengths = np.array([[row.columns, len(row.labels)] for row in rows], np.float64)
        if (lengths.std(0) < MIN_SPREAD * lengths.mean(0)).any():
            return ""
        together = float(np.corrcoef(_ranks(lengths[:, 0]), _ranks(lengths[:, 1]))[0, 1])
        if together > 0.4:
            return ""
        return (
            "the texts may belong to other files: their lengths hardly go with those of their "
            "media (rank correlation "
            f"{together:.2f}; 0.7 and more is usual). `recog prepare --check` compares them with "
            "what a model reads."
        )

    def _too_long(self) -> str:
        refused = sum(" symbols need " in problem for problem in self.data.problems)
        tight = [
            row.needed / max(1, self.recipe.encoder.frames(row.columns)) for row in self.data.train
        ]
        share = float(np.mean([ratio > 0.8 for ratio in tight]))
        rows = refused + len(self.data.train)
        if refused / rows < 0.05 and share < 0.2:
            return ""
        return (
            f"the texts are long for their frames: {refused} of {rows} rows do not fit and "
            f"{100 * share:.0f} % of the others "
            "leave less than a fifth of the frames for blanks. Use a network that subsamples "
            "less, or check that a text "
            "is of this line or clip alone."
        )

    def _learning_rate(self, history: Sequence[dict[str, Any]]) -> str:
        """The loss rises, or stays far above that of guessing."""
        losses = [entry["loss"] for entry in history]
        last = losses[-1]
        if (
            len(losses) < 2
            or last < CLEARLY_ABOVE * self.chance
            or last < CLEARLY_BELOW * losses[-2]
        ):
            return ""
        lowest, recent = min(losses[:-1]), losses[-PATIENCE:]
        if last > CLEARLY_ABOVE * lowest:
            evidence = f"the loss rose from {lowest:.2f} to {last:.2f}"
        elif (
            len(recent) == PATIENCE
            and min(recent) > CLEARLY_BELOW * max(recent)
            and not self._few_updates(history)
        ):
            evidence = f"the loss stays at {last:.2f}, far above that of guessing"
        else:
            return ""
        rate = self.recipe.training.learning_rate
        return (
            f"the learning rate ({rate:g}) is too high: {evidence}. Give a lower "
            "--learning-rate and --restart."
        )

    def _media(self) -> str:
        rows = self.data.train[:: max(1, len(self.data.train) // MAX_INSPECTED)][:MAX_INSPECTED]
        if self.recipe.modality == "handwriting":
            return _of_strips([float(self.data.store[row.index].mean()) / 255.0 for row in rows])
        hop = self.recipe.spectrogram.hop / self.recipe.spectrogram.sample_rate
        speed = float(np.median([len(row.labels) / (row.columns * hop) for row in rows]))
        if 3.0 <= speed <= 30.0:
            return ""
        return (
            f"the sample rate of the files, or their texts, are wrong: they have {speed:.0f} "
            "symbols a second, and people "
            "speak 10 to 20."
        )

    def _direction(self) -> str:
        """Right-to-left texts in visual order: their words begin with final letters."""
        logical = to_logical if self.recipe.modality == "handwriting" else str
        words = [
            word
            for row in self.data.train[:MAX_INSPECTED]
            for word in logical(row.text).split()
            if len(word) > 1
        ]
        first, last = (sum(word[place] in FINAL_LETTERS for word in words) for place in (0, -1))
        if first <= last:
            return ""
        return (
            f"the reading direction: {first} words begin with a letter that ends words (such as "
            f"ם or ة), {last} end with one. "
            "Texts must be stored in logical order, the first letter first, not as they look."
        )

    def _few_updates(self, history: Sequence[dict[str, Any]]) -> str:
        done, epoch, epochs = history[-1]["step"], history[-1]["epoch"], self.recipe.training.epochs
        total = done + round(done / epoch * max(0, epochs - epoch))
        if total >= FEW_UPDATES:
            return ""
        so_far = f"{done} of about {total}" if epoch < epochs else f"{done}"
        return (
            f"too few updates: {so_far} done, and the plateau often takes 1,000. Give more "
            "--epochs, smaller batches, or a "
            "model to train --from."
        )


def outliers(row_losses: dict[int, tuple[Example, float]]) -> list[str]:
    """Rows whose loss is far above the others; their texts are likely wrong."""
    if len(row_losses) < 20:
        return []
    losses = np.array([loss for _, loss in row_losses.values()])
    middle = float(np.median(losses))
    deviation = 1.4826 * float(np.median(np.abs(losses - middle)))
    bar = middle + OUTLIER * max(deviation, 0.1 * middle)
    worst = sorted(
        ((loss, example) for example, loss in row_losses.values() if loss > bar),
        key=lambda pair: -pair[0],
    )
    if not worst:
        return []
    named = [
        f"  {example.name}: loss {loss:.1f} a symbol for '{example.text[:60]}'"
        for loss, example in worst
    ]
    more = [f"  ... and {len(named) - MAX_NAMED} more"] if len(named) > MAX_NAMED else []
    return [
        f"{len(named)} of {len(row_losses)} rows have a loss far above the others (the median is "
        f"{middle:.2f}): their texts "
        "may be wrong, or belong to other files; `recog prepare --check` with this model tells "
        "more.",
        *named[:MAX_NAMED],
        *more,
    ]


def _of_strips(ink: list[float]) -> str:
    """``ink``: each line's mean darkness, 0 to 1."""
    dark, empty = (
        float(np.mean([share > 0.5 for share in ink])),
        float(np.mean([share < 0.005 for share in ink])),
    )
    if dark > 0.2:
        return (
            f"the polarity: {100 * dark:.0f} % of the lines are more ink than paper; are they "
            "light on dark, or photographs?"
        )
    if empty > 0.2:
        return f"the images: {100 * empty:.0f} % of the lines hold next to no ink."
    return ""


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks
