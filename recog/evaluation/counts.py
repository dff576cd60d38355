"""Substitutions, deletions, insertions and hits, by minimum edit distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from recog.transcript import Word
from recog.util.edit_distance import as_numbers


@dataclass(frozen=True)
class Pair:
    """A reference and its hypothesis.

    Attributes:
        id: name of the utterance, line or file, unique in a data set.
        reference: the true text. Where it is empty, every word of the hypothesis is an insertion.
        hypothesis: the recognised text. A missing hypothesis is None and counts as a deletion of
            the whole reference.
        group: the speaker, writer or document, over which intervals are resampled. None where
            unknown.
        words: the words of the hypothesis with their confidences, where they are known.
        reference_has_markup, hypothesis_has_markup: whether the text is in sclite's notation, with
            alternates and optional words; see :mod:`recog.evaluation.alternates`.
        skipped_optional: optional words of the reference that the chosen reading omits. They count
            as recognised.
    """

    id: str
    reference: str
    hypothesis: str | None
    group: str | None = None
    words: tuple[Word, ...] = ()
    reference_has_markup: bool = False
    hypothesis_has_markup: bool = False
    skipped_optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counts:
    """Error counts of a hypothesis against its reference, in words or characters.

    Adding two counts pools them.

    Attributes:
        substitutions, deletions, insertions, hits: operations that turn the reference into the
            hypothesis.
        reference: length of the reference: hits + substitutions + deletions.
    """

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    hits: int = 0
    reference: int = 0

    @property
    def errors(self) -> int:
        """Edit distance: substitutions + deletions + insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Error rate: errors / reference length.

        It is at least 0, and above 1 where there are many insertions. With an empty reference it is
        0 without errors, else infinite.
        """
        return error_rate(self.errors, self.reference)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.hits + other.hits,
            self.reference + other.reference,
        )


# (reference token, hypothesis token); the first is "" in an insertion, the second in a deletion
Edit = tuple[str, str]


def error_rate(errors: int, reference: int) -> float:
    """Errors / reference length; an empty reference gives 0 without errors, else infinity."""
    if reference:
        return errors / reference
    return math.inf if errors else 0.0


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[Counts, list[Edit]]:
    """Align two token sequences with minimum edit distance, every operation costing 1.

    Several alignments may have the minimum distance. rapidfuzz always chooses the same of them. All
    have the same number of errors, but the share of substitutions may differ. jiwer aligns with the
    same library and gives the same counts.

    Args:
        reference, hypothesis: tokens: words, or the characters of a string.

    Returns:
        The counts, and the edits in the order of the text.
    """
    source, target = as_numbers(reference, hypothesis)
    edits: list[Edit] = []
    tally = {"replace": 0, "delete": 0, "insert": 0}
    for edit in Levenshtein.editops(source, target):
        tally[edit.tag] += 1
        removed = "" if edit.tag == "insert" else reference[edit.src_pos]
        edits.append((removed, "" if edit.tag == "delete" else hypothesis[edit.dest_pos]))
    hits = len(source) - tally["replace"] - tally["delete"]
    return Counts(tally["replace"], tally["delete"], tally["insert"], hits, len(source)), edits


def all_deleted(reference: Sequence[str]) -> Counts:
    """Counts of a missing hypothesis: every token of the reference is deleted."""
    return Counts(deletions=len(reference), reference=len(reference))
