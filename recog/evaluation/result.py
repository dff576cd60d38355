"""Results of an evaluation, and how they are written as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.evaluation.bootstrap import SEED, Interval, Resampling
from recog.evaluation.counts import Counts
from recog.evaluation.inputs.normalisation import Normalisation

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Confusion:
    """``count`` times ``reference`` was recognised as ``hypothesis``; "" stands for an insertion or
    a deletion."""

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True)
class Score:
    """One pair's counts, and its reference as it was given."""

    id: str
    group: str | None
    wer: Counts
    cer: Counts
    reference: str = ""


@dataclass(frozen=True)
class GroupScore:
    """A group's pooled counts over its ``n`` pairs."""

    n: int
    wer: Counts
    cer: Counts


@dataclass(frozen=True)
class Result:
    """An evaluation.

    Attributes:
        wer, cer: counts over the whole corpus; ``wer.rate`` pools errors over words, it is no mean
            of rates.
        wer_interval, cer_interval: 95 %, as fractions; None where fewer than two units or no
            reference at all.
        groups: per group, in order of name; empty where the data names none.
        word_confusions, character_confusions: the most common, ties by their text. Pairs without a
            hypothesis are left out: their deletions say nothing about what is confused.
        normalisation: what was done to both sides beforehand.
        n: pairs; ``missing`` of them have no hypothesis; ``sentence_errors`` have at least one word
            error.
        resampling: what the intervals were drawn over.
        notes: sentences that belong beside the figures.
        warnings: sentences about the input.
        scores: each pair's counts, in the order given.
    """

    wer: Counts
    cer: Counts
    wer_interval: Interval | None
    cer_interval: Interval | None
    groups: dict[str, GroupScore]
    word_confusions: tuple[Confusion, ...]
    character_confusions: tuple[Confusion, ...]
    normalisation: Normalisation
    n: int
    missing: int
    sentence_errors: int
    resampling: Resampling
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    scores: tuple[Score, ...]

    @property
    def sentence_error_rate(self) -> float:
        """Share of pairs with at least one word error, 0 to 1."""
        return self.sentence_errors / self.n

    def to_json(self) -> dict[str, Any]:
        """Everything but the scores of single pairs, ready for :func:`json.dumps`; an infinite rate
        is null."""
        return {
            "format_version": FORMAT_VERSION,
            "n": self.n,
            "missing": self.missing,
            "normalisation": {
                "name": self.normalisation.name,
                "description": self.normalisation.description,
            },
            "wer": {**_counts_json(self.wer), "interval": _interval_json(self.wer_interval)},
            "cer": {**_counts_json(self.cer), "interval": _interval_json(self.cer_interval)},
            "sentence_errors": self.sentence_errors,
            "sentence_error_rate": rounded(self.sentence_error_rate),
            "bootstrap": resampling_json(self.resampling),
            "groups": {
                name: {"n": group.n, "wer": _counts_json(group.wer), "cer": _counts_json(group.cer)}
                for name, group in self.groups.items()
            },
            "confusions": {
                "words": [vars(confusion) for confusion in self.word_confusions],
                "characters": [vars(confusion) for confusion in self.character_confusions],
            },
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def count_array(scores: Sequence[Score], which: str) -> NDArray[np.int64]:
    """Errors and reference lengths, shape (n, 2), of ``which``: "wer" or "cer"."""
    counts = [getattr(score, which) for score in scores]
    return np.array([(count.errors, count.reference) for count in counts], dtype=np.int64).reshape(
        -1, 2
    )


def rounded(value: float) -> float | None:
    """For JSON: six decimals, None where not finite."""
    return round(value, 6) if math.isfinite(value) else None


def resampling_json(resampling: Resampling) -> dict[str, Any]:
    """For JSON, with the seed that makes the resamples repeatable."""
    return {
        "over": resampling.unit,
        "units": resampling.units,
        "resamples": resampling.resamples,
        "seed": SEED,
        "note": resampling.note,
    }


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {"rate": rounded(counts.rate), "errors": counts.errors, **vars(counts)}


def _interval_json(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [rounded(bound) for bound in interval]
