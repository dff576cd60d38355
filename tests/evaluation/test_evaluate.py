"""Error rates, intervals and comparisons: exact counts, the field's own libraries, and closed
forms."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UserError
from recog.evaluation import Counts, Pair, compare, evaluate, normalisation
from recog.evaluation.bootstrap import choose_units, pool, rate_interval
from recog.evaluation.counts import align
from recog.evaluation.result import Result
from recog.text.normalise import RULES

TEXT = st.text(alphabet="ab é", max_size=12)


def pairs_of(*texts: tuple[str, str | None]) -> list[Pair]:
    return [Pair(str(number), *text) for number, text in enumerate(texts)]


def bernoulli(n: int, rate: float, seed: int, *, groups: int = 0) -> list[Pair]:
    """Utterances of one word each, wrong with probability ``rate``."""
    wrong = np.random.default_rng(seed).random(n) < rate
    return [
        Pair(str(i), "a", "b" if bad else "a", str(i % groups) if groups else None)
        for i, bad in enumerate(wrong)
    ]


def test_hand_made_counts() -> None:
    result = evaluate(pairs_of(("the cat sat on the mat", "the bat sat the mat now")))
    assert result.wer == Counts(substitutions=1, deletions=1, insertions=1, hits=4, reference=6)
    assert result.wer.errors == 3 and result.wer.rate == 0.5
    assert result.cer == Counts(substitutions=1, deletions=3, insertions=4, hits=18, reference=22)
    assert result.sentence_error_rate == 1.0


def test_rates_are_pooled() -> None:
    result = evaluate(pairs_of(("a", "b"), ("c d e", "c d e")))
    # the mean of the rates would be 0.5
    assert result.wer.rate == 0.25 and result.sentence_errors == 1


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXT.filter(lambda text: text.split()), TEXT), min_size=1, max_size=5))
def test_as_jiwer_and_editdistance(texts: list[tuple[str, str]]) -> None:
    jiwer = pytest.importorskip("jiwer")
    editdistance = pytest.importorskip("editdistance")
    texts = [(one.strip(), other.strip()) for one, other in texts]
    result = evaluate(pairs_of(*texts), normalise="none")
    references, hypotheses = [list(side) for side in zip(*texts, strict=True)]
    words = jiwer.process_words(
        [" ".join(r.split()) for r in references], [" ".join(h.split()) for h in hypotheses]
    )
    assert (words.substitutions, words.deletions, words.insertions, words.hits) == (
        result.wer.substitutions,
        result.wer.deletions,
        result.wer.insertions,
        result.wer.hits,
    )
    assert result.wer.rate == pytest.approx(words.wer)
    assert result.cer.rate == pytest.approx(jiwer.cer(references, hypotheses))
    assert result.cer.errors == sum(editdistance.eval(*text) for text in texts)
    assert result.wer.errors == sum(
        editdistance.eval(one.split(), other.split()) for one, other in texts
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "a b"])), st.lists(st.sampled_from(["a", "b", "c"])))
def test_alignment_is_consistent(reference: list[str], hypothesis: list[str]) -> None:
    counts, edits = align(reference, hypothesis)
    assert (
        counts.hits + counts.substitutions + counts.deletions == len(reference) == counts.reference
    )
    assert counts.hits + counts.substitutions + counts.insertions == len(hypothesis)
    assert len(edits) == counts.errors and all(one != other for one, other in edits)
    assert sorted([*hypothesis, *(e[0] for e in edits if e[0])]) == sorted(
        [*reference, *(e[1] for e in edits if e[1])]
    )


def test_missing_hypothesis_is_all_deletions() -> None:
    result = evaluate(pairs_of(("a bc d", None), ("e", "e"), ("", None)))
    assert result.wer == Counts(deletions=3, hits=1, reference=4)
    assert result.cer == Counts(deletions=6, hits=1, reference=7)
    assert result.missing == 2 and result.sentence_errors == 1
    assert result.word_confusions == ()
    assert evaluate(pairs_of(("a bc d", ""))).wer == Counts(deletions=3, reference=3)


def test_empty_reference() -> None:
    result = evaluate(pairs_of(("", "x y"), ("a b", "a b")))
    assert result.wer == Counts(insertions=2, hits=2, reference=2) and result.wer.rate == 1.0


def test_no_reference_at_all() -> None:
    fine = evaluate(pairs_of(("", ""), (" ", "")))
    assert fine.wer.rate == fine.cer.rate == 0.0 and fine.wer_interval is None
    wrong = evaluate(pairs_of(("", "x"), ("", "")))
    assert wrong.wer.rate == math.inf and wrong.wer_interval is None
    document = json.loads(json.dumps(wrong.to_json(), allow_nan=False))
    assert document["wer"]["rate"] is None and document["wer"]["insertions"] == 1
    assert any("WER is infinite" in note for note in document["notes"])
    comparison = compare(wrong, fine_like(wrong))
    assert comparison.wer.b_better is None and not comparison.wer.significant
    assert (
        json.loads(json.dumps(comparison.to_json(), allow_nan=False))["wer"]["difference"] is None
    )


def fine_like(result: Result) -> Result:
    return evaluate([Pair(score.id, "", "") for score in result.scores])


def test_nothing_and_twice() -> None:
    with pytest.raises(UserError, match="nothing to evaluate"):
        evaluate([])
    with pytest.raises(UserError, match="'x' occurs more than once"):
        evaluate([Pair("x", "a", "a"), Pair("x", "a", "a")])


def test_characters_are_nfc_code_points() -> None:
    assert evaluate(pairs_of(("e\u0301te\u0301", "été"))).cer == Counts(hits=3, reference=3)
    assert evaluate(pairs_of(("\u0915\u093f", "\u0915"))).cer == Counts(
        deletions=1, hits=1, reference=2
    )
    assert any("code points" in note for note in evaluate(pairs_of(("a", "a"))).notes)


def test_confusions() -> None:
    result = evaluate(pairs_of(("a b c", "a x c"), ("b", "x"), ("q", ""), ("", "z")), confusions=2)
    assert [(c.reference, c.hypothesis, c.count) for c in result.word_confusions] == [
        ("b", "x", 2),
        ("", "z", 1),
    ]
    assert [(c.reference, c.hypothesis, c.count) for c in result.character_confusions] == [
        ("b", "x", 2),
        ("", "z", 1),
    ]
    assert result.to_json()["confusions"]["words"][0] == {
        "reference": "b",
        "hypothesis": "x",
        "count": 2,
    }


def test_groups() -> None:
    result = evaluate(
        [
            Pair("1", "a b", "a x", "z"),
            Pair("2", "a", "a", "z"),
            Pair("3", "a", "", "y"),
            Pair("4", "a", "a"),
        ]
    )
    assert list(result.groups) == ["y", "z"]
    assert (result.groups["z"].n, result.groups["z"].wer.rate) == (2, pytest.approx(1 / 3))
    assert result.groups["y"].wer == Counts(deletions=1, reference=1)
    assert (
        result.resampling.unit == "utterances"
        and "not every item has a group" in result.resampling.note
    )


def test_units_of_the_bootstrap() -> None:
    units, resampling = choose_units([str(i % 20) for i in range(60)])
    assert (
        resampling.unit == "groups"
        and resampling.units == 20
        and units[0] == units[20] == units[40]
    )
    _, few = choose_units([str(i % 19) for i in range(60)])
    assert few.unit == "utterances" and few.units == 60
    assert "only 19 groups" in few.note and "understates" in few.note
    _, none = choose_units([None] * 3)
    assert "names no groups" in none.note and "understates" in none.note


def test_pool() -> None:
    counts = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.int64)
    assert pool(counts, np.array([0, 1, 0])).tolist() == [[6, 8], [3, 4]]


@pytest.mark.parametrize(("n", "rate"), [(400, 0.2), (2000, 0.05)])
def test_interval_as_the_normal_approximation(n: int, rate: float) -> None:
    result = evaluate(bernoulli(n, rate, seed=1))
    half = 1.96 * math.sqrt(result.wer.rate * (1 - result.wer.rate) / n)
    assert result.wer_interval == pytest.approx(
        (result.wer.rate - half, result.wer.rate + half), abs=0.15 * half
    )


def test_interval_covers_the_truth() -> None:
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        errors = (generator.random(150) < 0.3).astype(np.int64)
        low, high = rate_interval(
            np.column_stack([errors, np.ones_like(errors)]), resamples=400
        ) or (1.0, 0.0)
        covered += low <= 0.3 <= high
    assert 180 <= covered <= 199  # 95 % of 200 is 190


def test_groups_widen_the_interval() -> None:
    # Twenty speakers, each wholly right or wholly wrong: ten utterances of one tell no more than
    # one.
    pairs = [
        Pair(f"{s}-{u}", "a", "b" if s % 2 else "a", str(s)) for s in range(20) for u in range(10)
    ]
    by_group = evaluate(pairs).wer_interval
    by_utterance = evaluate([Pair(p.id, p.reference, p.hypothesis) for p in pairs]).wer_interval
    assert by_group is not None and by_utterance is not None
    ratio = (by_group[1] - by_group[0]) / (by_utterance[1] - by_utterance[0])
    assert ratio == pytest.approx(math.sqrt(10), rel=0.2)


def test_one_unit_has_no_interval() -> None:
    result = evaluate(pairs_of(("a b", "a c")))
    assert result.wer_interval is None and any("no interval" in note for note in result.notes)


@pytest.mark.parametrize("groups", [0, 25])
def test_order_changes_nothing(groups: int) -> None:
    pairs = [
        Pair(p.id, p.reference * (1 + int(p.id) % 3), p.hypothesis, p.group)
        for p in bernoulli(200, 0.3, seed=2, groups=groups)
    ]
    shuffled = pairs.copy()
    random.Random(0).shuffle(shuffled)
    assert evaluate(pairs).to_json() == evaluate(shuffled).to_json()
    other = [Pair(p.id, p.reference, "a", p.group) for p in pairs]
    backwards = compare(evaluate(shuffled), evaluate(other))
    assert compare(evaluate(pairs), evaluate(other)) == backwards


def test_comparison_finds_a_planted_difference() -> None:
    a = bernoulli(500, 0.30, seed=3)
    # mends a fifth of A's errors
    b = [Pair(p.id, "a", "a" if int(p.id) % 5 == 0 else p.hypothesis) for p in a]
    found = compare(evaluate(a), evaluate(b)).wer
    assert (
        found.difference < 0
        and found.significant
        and found.b_better is not None
        and found.b_better > 0.99
    )
    back = compare(evaluate(b), evaluate(a)).wer
    assert back.difference == -found.difference and back.significant and back.b_better == 0.0
    # The two intervals by themselves overlap: pairing is what finds it.
    one, other = evaluate(a).wer_interval, evaluate(b).wer_interval
    assert one is not None and other is not None and one[0] < other[1]


def test_comparison_finds_no_difference_where_there_is_none() -> None:
    same = compare(evaluate(bernoulli(300, 0.3, seed=4)), evaluate(bernoulli(300, 0.3, seed=4))).wer
    assert (
        same.difference == 0.0
        and same.interval == (0.0, 0.0)
        and same.b_better == 0.0
        and not same.significant
    )
    significant = sum(
        compare(
            evaluate(bernoulli(150, 0.3, seed=2 * s)), evaluate(bernoulli(150, 0.3, seed=2 * s + 1))
        ).wer.significant
        for s in range(40)
    )
    assert significant <= 6  # 5 % of 40 is 2


def test_comparison_of_different_data() -> None:
    a = evaluate(pairs_of(("a b", "a"), ("c", "c")))
    with pytest.raises(UserError, match="same utterances"):
        compare(a, evaluate(pairs_of(("a b", "a"))))
    with pytest.raises(UserError, match="references"):
        compare(a, evaluate(pairs_of(("a b c", "a"), ("c", "c"))))
    with pytest.raises(UserError, match="normalisation"):
        compare(a, evaluate(pairs_of(("a b", "a"), ("c", "c")), normalise="basic"))


def test_normalisation_is_stated() -> None:
    result = evaluate(pairs_of(("Hello, World!", "hello world")), normalise="basic")
    assert result.wer.rate == 0.0 and result.normalisation.name == "basic"
    assert "lower case" in result.to_json()["normalisation"]["description"]
    assert evaluate(pairs_of((" Hello, World!\n", "hello world"))).wer.rate == 1.0
    assert evaluate(pairs_of((" a\n", "a"))).cer.errors == 0
    assert all(normalisation(name).description for name in RULES)
    with pytest.raises(UserError, match="no normalisation 'bsaic'"):
        evaluate(pairs_of(("a", "a")), normalise="bsaic")


def test_a_long_text() -> None:
    line = "word " * 200_000  # 1 MB
    result = evaluate(pairs_of((line, line + "x"), (line, "short")))
    assert result.wer.errors == 1 + 200_000 and result.wer.reference == 400_000
    with pytest.raises(UserError, match="'0' are too long"):
        evaluate(pairs_of(("a" * 3_000_000, "b" * 3_000_000)))
