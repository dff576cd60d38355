"""Results of an evaluation, and their JSON form."""

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
    """A confusion: ``reference`` was recognised ``count`` times as ``hypothesis``.

    An empty ``reference`` is an insertion, and an empty ``hypothesis`` is a deletion.
    """

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True)
class Score:
    """Error counts of a pair, with its reference before normalisation."""

    id: str
    group: str | None
    wer: Counts
    cer: Counts
    reference: str = ""


@dataclass(frozen=True)
class GroupScore:
    """Pooled error counts of a group over its ``n`` pairs."""

    n: int
    wer: Counts
    cer: Counts


@dataclass(frozen=True)
class Result:
    """Result of an evaluation.

    Attributes:
        wer, cer: counts over the whole corpus. ``wer.rate`` is pooled errors / pooled words, not a
            mean of rates.
        wer_interval, cer_interval: 95 % intervals, as fractions. None with fewer than two units or
            without any reference.
        groups: scores per group, in order of name. Empty where the data has no groups.
        word_confusions, character_confusions: the most common confusions, with ties in order of
            their text. Pairs without a hypothesis are left out, because their deletions are no
            confusions.
        normalisation: rewriting of references and hypotheses before scoring.
        n: number of pairs.
        missing: number of pairs without a hypothesis.
        sentence_errors: number of pairs with at least one word error.
        resampling: the units that were resampled for the intervals.
        notes: sentences to print next to the figures.
        warnings: sentences about the input.
        scores: counts of each pair, in the order of the pairs.
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
        """Convert to a dict for :func:`json.dumps`, without the scores of single pairs.

        An infinite rate becomes null.
        """
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
    """Errors and reference lengths for ``which`` ("wer" or "cer"), of shape (n, 2)."""
    counts = [getattr(score, which) for score in scores]
    return np.array([(count.errors, count.reference) for count in counts], dtype=np.int64).reshape(
        -1, 2
    )


def rounded(value: float) -> float | None:
    """Round to six decimals for JSON; None for values that are not finite."""
    return round(value, 6) if math.isfinite(value) else None


def resampling_json(resampling: Resampling) -> dict[str, Any]:
    """Describe the resampling for JSON, with the seed that reproduces it."""
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
