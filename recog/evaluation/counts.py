"""Substitutions, deletions, insertions and hits of one text against another, by minimum edit
distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from recog.transcript import Word
from recog.util.edit_distance import as_numbers


@dataclass(frozen=True)
class Pair:
    """A reference and what was recognised.

    Attributes:
        id: names the utterance, line or file; unique in a data set.
        reference: the true text; may be empty, and then every word of the hypothesis is an
            insertion.
        hypothesis: the recognised text; None where there is none, which counts as a deletion of the
            whole reference.
        group: the speaker, the writer or the document, over which intervals are resampled; None
            where unknown.
        words: the hypothesis's words with their confidences, where they are known.
        reference_has_markup, hypothesis_has_markup: whether the text is in sclite's notation, with
            alternates and optional words; see :mod:`recog.evaluation.alternates`.
        skipped_optional: optional words of the reference that its reading leaves out; they count as
            recognised.
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
    """How a hypothesis differs from its reference, in words or in characters; adding two pools
    them.

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
        """The edit distance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors over reference length: 0 upwards, above 1 where insertions abound.

        With an empty reference it is 0 where there are no errors, else infinite.
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


# (reference token, hypothesis token); "" stands for nothing: an insertion, or a deletion
Edit = tuple[str, str]


def error_rate(errors: int, reference: int) -> float:
    """Errors over length; an empty reference gives 0 without errors, else infinity."""
    if reference:
        return errors / reference
    return math.inf if errors else 0.0


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[Counts, list[Edit]]:
    """One alignment of the smallest edit distance, every operation costing 1.

    Where several alignments are equally short, it is the one rapidfuzz finds, always the same:
    their number of errors agrees, the share of substitutions may not. (jiwer aligns with the same
    library and gives the same counts.)

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
    """The counts of a hypothesis that is missing."""
    return Counts(deletions=len(reference), reference=len(reference))
