"""Score pairs of texts: word and character error rates, intervals and confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from recog.errors import UserError
from recog.evaluation.alternates import choose_readings
from recog.evaluation.bootstrap import RESAMPLES, Resampling, choose_units, pool, rate_interval
from recog.evaluation.counts import Counts, Edit, Pair, align, all_deleted
from recog.evaluation.inputs.normalisation import Normalisation, normalisation
from recog.evaluation.result import Confusion, GroupScore, Result, Score, count_array
from recog.util.display import printable

# reference times hypothesis characters: 2 million characters each take minutes to align
MAX_CELLS = 4_000_000_000_000
TOKENS = (
    "Words are what stands between white space; characters are Unicode code points after NFC, "
    "spaces included: "
    "a letter with a mark that Unicode has no single code point for counts as two."
)

ALTERNATES = (
    "References in sclite's notation: {}. Of alternates in braces that with the fewest word errors "
    "counts; a word in "
    "parentheses that is missing counts as recognised."
)


def evaluate(
    pairs: Sequence[Pair],
    *,
    normalise: str | Normalisation = "none",
    confusions: int = 20,
    resamples: int = RESAMPLES,
    warnings: Iterable[str] = (),
) -> Result:
    """Score hypotheses against references.

    The order of the pairs affects only ``scores``.

    Args:
        pairs: at least one pair, with unique ids.
        normalise: name of a rule, name of a file of rules, or a :class:`Normalisation`.
        confusions: number of the most common word and character confusions to keep.
        resamples: number of bootstrap resamples.
        warnings: sentences about the input, which are copied to the result.

    Raises:
        UserError: there are no pairs, an id occurs twice, a text has millions of characters, or the
            normalisation is unknown.

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


def _check(pairs: Sequence[Pair]) -> None:
    if not pairs:
        raise UserError("There is nothing to evaluate; give at least one reference.")
    twice = next(
        (name for name, count in Counter(pair.id for pair in pairs).items() if count > 1), None
    )
    if twice is not None:
        raise UserError(
            f"The id '{printable(twice)}' occurs more than once; give each utterance or line its "
            "own."
        )


def score_pair(
    pair: Pair, rule: Normalisation, word_edits: Counter[Edit], character_edits: Counter[Edit]
) -> Score:
    """Count the errors of a pair, and add its edits to the given counters.

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
            f"The texts of '{printable(pair.id)}' are too long to be aligned; split them into "
            "utterances."
        )
    wer, edits = align(reference.split(), hypothesis.split())
    word_edits.update(edits)
    cer, edits = align(reference, hypothesis)
    character_edits.update(edits)
    for word in map(rule, pair.skipped_optional):
        wer += _recognised(len(word.split()))
        cer += _recognised(len(word) + 1 if word else 0)  # and the space next to it
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
                f"The references are empty, so the {name} is {value}: errors are counted, not "
                "related."
            )
    if resampling.units < 2:
        notes.append("There is no interval, because there is only one unit to resample.")
    return tuple(notes)
