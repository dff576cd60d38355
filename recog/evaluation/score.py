"""Pairs of texts -> word and character error rates, with everything that is needed to trust
them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.evaluation.alternates import choose_readings
from recog.evaluation.bootstrap import (
    RESAMPLES,
    SEED,
    Interval,
    Resampling,
    choose_units,
    pool,
    rate_interval,
)
from recog.evaluation.counts import Counts, Edit, Pair, align, all_deleted
from recog.evaluation.inputs.normalisation import Normalisation, normalisation
from recog.util.display import printable

FORMAT_VERSION = 1
# reference times hypothesis characters: a text of 2 million, minutes of aligning
MAX_CELLS = 4_000_000_000_000
TOKENS = (
    "Words are what stands between white space; characters are Unicode code points after NFC, spaces included: "
    "a letter with a mark that Unicode has no single code point for counts as two."
)

ALTERNATES = (
    "References in sclite's notation: {}. Of alternates in braces that with the fewest word errors counts; a word in "
    "parentheses that is missing counts as recognised."
)


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


def evaluate(
    pairs: Sequence[Pair],
    *,
    normalise: str | Normalisation = "none",
    confusions: int = 20,
    resamples: int = RESAMPLES,
    warnings: Iterable[str] = (),
) -> Result:
    """Scores hypotheses against references. The order of the pairs changes nothing but ``scores``.

    Args:
        pairs: at least one, ids unique.
        normalise: name of a rule, name of a file of rules, or one that is made.
        confusions: how many of the most common word and character confusions to keep.
        resamples: of the bootstrap.
        warnings: sentences about the input, which the result carries along.

    Raises:
        UserError: no pairs, an id twice, a text of millions of characters, or an unknown
            normalisation.

    Example:
        >>> evaluate([Pair("1", "the cat sat", "the bat")]).wer.rate
        0.6666666666666666
    """
    _check(pairs)
    rule = normalisation(normalise) if isinstance(normalise, str) else normalise
    word_edits: Counter[Edit] = Counter()
    character_edits: Counter[Edit] = Counter()
    scores = tuple(score_pair(pair, rule, word_edits, character_edits) for pair in pairs)
    units, resampling = choose_units([score.group for score in scores], resamples=resamples)
    wer, cer = (
        sum((getattr(score, which) for score in scores), Counts()) for which in ("wer", "cer")
    )
    return Result(
        wer=wer,
        cer=cer,
        wer_interval=rate_interval(pool(count_array(scores, "wer"), units), resamples=resamples),
        cer_interval=rate_interval(pool(count_array(scores, "cer"), units), resamples=resamples),
        groups=_groups(scores),
        word_confusions=_most_common(word_edits, confusions),
        character_confusions=_most_common(character_edits, confusions),
        normalisation=rule,
        n=len(pairs),
        missing=sum(pair.hypothesis is None for pair in pairs),
        sentence_errors=sum(score.wer.errors > 0 for score in scores),
        resampling=resampling,
        notes=_notes(wer, cer, resampling, sum(pair.reference_has_markup for pair in pairs)),
        warnings=(
            *warnings,
            *rule.notes((pair.reference for pair in pairs), "references"),
            *rule.notes(
                (pair.hypothesis for pair in pairs if pair.hypothesis is not None), "hypotheses"
            ),
        ),
        scores=scores,
    )


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


def _check(pairs: Sequence[Pair]) -> None:
    if not pairs:
        raise UserError("There is nothing to evaluate; give at least one reference.")
    twice = next(
        (name for name, count in Counter(pair.id for pair in pairs).items() if count > 1), None
    )
    if twice is not None:
        raise UserError(
            f"The id '{printable(twice)}' occurs more than once; give each utterance or line its own."
        )


def score_pair(
    pair: Pair, rule: Normalisation, word_edits: Counter[Edit], character_edits: Counter[Edit]
) -> Score:
    """One pair's counts; its edits are added to those given.

    Raises:
        UserError: the texts have millions of characters.
    """
    given = pair.reference
    pair = choose_readings(pair, rule)
    reference = rule(pair.reference)
    if pair.hypothesis is None:
        return Score(
            pair.id, pair.group, all_deleted(reference.split()), all_deleted(reference), given
        )
    hypothesis = rule(pair.hypothesis)
    if len(reference) * len(hypothesis) > MAX_CELLS:
        raise UserError(
            f"The texts of '{printable(pair.id)}' are too long to be aligned; split them into utterances."
        )
    wer, edits = align(reference.split(), hypothesis.split())
    word_edits.update(edits)
    cer, edits = align(reference, hypothesis)
    character_edits.update(edits)
    for word in map(rule, pair.skipped_optional):
        wer += _recognised(len(word.split()))
        cer += _recognised(len(word) + 1 if word else 0)  # with its space
    return Score(pair.id, pair.group, wer, cer, given)


def _recognised(tokens: int) -> Counts:
    return Counts(hits=tokens, reference=tokens)


def _groups(scores: Iterable[Score]) -> dict[str, GroupScore]:
    groups: dict[str, GroupScore] = {}
    for score in scores:
        if score.group is not None:
            so_far = groups.get(score.group, GroupScore(0, Counts(), Counts()))
            groups[score.group] = GroupScore(
                so_far.n + 1, so_far.wer + score.wer, so_far.cer + score.cer
            )
    return dict(sorted(groups.items()))


def _most_common(edits: Counter[Edit], number: int) -> tuple[Confusion, ...]:
    ranked = sorted(edits.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Confusion(reference, hypothesis, count)
        for (reference, hypothesis), count in ranked[: max(number, 0)]
    )


def _notes(wer: Counts, cer: Counts, resampling: Resampling, marked: int) -> tuple[str, ...]:
    notes = [resampling.note, TOKENS]
    if marked:
        notes.append(ALTERNATES.format(marked))
    for name, counts in (("WER", wer), ("CER", cer)):
        if not counts.reference:
            value = "infinite, null in JSON" if counts.errors else "0"
            notes.append(
                f"The references are empty, so the {name} is {value}: errors are counted, not related."
            )
    if resampling.units < 2:
        notes.append("There is no interval, because there is only one unit to resample.")
    return tuple(notes)


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {"rate": rounded(counts.rate), "errors": counts.errors, **vars(counts)}


def _interval_json(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [rounded(bound) for bound in interval]
