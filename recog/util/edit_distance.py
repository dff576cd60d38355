"""Edit distances between sequences of words, by rapidfuzz."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rapidfuzz.distance import Levenshtein


def as_numbers(
    reference: Sequence[Hashable], hypothesis: Sequence[Hashable]
) -> tuple[list[int], list[int]]:
    """Convert two sequences to integers, with equal items as equal integers.

    rapidfuzz compares the items of a list by their hash, and hashes of strings can collide.
    """
    numbers: dict[Hashable, int] = {}
    source = [numbers.setdefault(item, len(numbers)) for item in reference]
    target = [numbers.setdefault(item, len(numbers)) for item in hypothesis]
    return source, target


def edit_distance(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> int:
    """The Levenshtein distance: insertions, deletions and substitutions, each of cost 1."""
    return int(Levenshtein.distance(*as_numbers(reference, hypothesis)))


def correct_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[bool]:
    """Mark the correct words of a hypothesis, by an alignment of minimum edit distance.

    A word is correct if the alignment pairs it with an equal word of the reference.
    """
    right = [True] * len(hypothesis)
    for edit in Levenshtein.editops(*as_numbers(reference, hypothesis)):
        if edit.tag != "delete":
            right[edit.dest_pos] = False
    return right
