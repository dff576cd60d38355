"""sclite's alternates and optional words: the counts are those of sclite 2.10 with -D, and no
reading is better."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UserError
from recog.evaluation import Pair, compare, evaluate, read_pairs
from recog.evaluation.counts import align
from recog.evaluation.reports.html import Document, report
from recog.formats.timed.trn import Alternates, Markup, MarkupWord

# reference, hypothesis, and what sclite counts: correct, substituted, deleted, inserted
SCLITE = [
    ("i {uh / @} want (uh) two {kilos / kilogrammes}", "i want two kilogrammes", (5, 0, 0, 0)),
    ("i (uh) want it", "i want it", (4, 0, 0, 0)),
    ("i (uh) want it", "i um want it", (3, 1, 0, 0)),
    ("i {um / uh / { a b / c }} want it", "i a b want it", (5, 0, 0, 0)),
    ("i {kilo gramm / kg} x", "i kg x", (3, 0, 0, 0)),
    ("i ( %hesitation ) want", "i want", (2, 0, 3, 0)),
    ("i (%hesitation) want", "i want", (3, 0, 0, 0)),
    ("i {a/b} want", "i b want", (3, 0, 0, 0)),
    ("i {a b / b} want", "i want", (2, 0, 1, 0)),
    ("@ i want @ it", "i want it", (3, 0, 0, 0)),
    ("i (two words) want", "i want", (2, 0, 2, 0)),
    ("i want {(uh) / um} it", "i want it", (4, 0, 0, 0)),
]


@pytest.mark.parametrize(("reference", "hypothesis", "expected"), SCLITE)
def test_as_sclite_counts(
    tmp_path: Path, reference: str, hypothesis: str, expected: tuple[int, ...]
) -> None:
    (tmp_path / "r.trn").write_text(f"{reference} (sp1-001)\n")
    (tmp_path / "h.trn").write_text(f"{hypothesis} (sp1-001)\n")
    pairs, _ = read_pairs(tmp_path / "r.trn", tmp_path / "h.trn")
    result = evaluate(pairs)
    wer = result.wer
    assert (wer.hits, wer.substitutions, wer.deletions, wer.insertions) == expected
    assert wer.reference == sum(expected[:3])
    assert any("sclite" in note for note in result.notes) == pairs[0].reference_has_markup


def test_characters_and_normalisation() -> None:
    pair = Pair("u", "{Kilos / Kilogrammes} (Uh), so", "kilogrammes so", reference_has_markup=True)
    result = evaluate([pair], normalise="basic")
    assert result.wer.errors == 1, "(Uh), is no word in parentheses"
    pair = Pair("u", "{Kilos, / Kilogrammes,} (Uh) so", "kilogrammes so", reference_has_markup=True)
    result = evaluate([pair], normalise="basic")
    assert (result.wer.errors, result.wer.reference, result.cer.errors) == (0, 3, 0)
    assert result.cer.reference == len("kilogrammes uh so")


def test_hypotheses_and_missing_ones() -> None:
    marked = Pair("u", "i want two", "i {wand / want} (uh) @ two", hypothesis_has_markup=True)
    assert evaluate([marked]).wer.errors == 0
    both = Pair(
        "u",
        "{i / we} want",
        "{@ / we} {wand / want} (uh)",
        reference_has_markup=True,
        hypothesis_has_markup=True,
    )
    assert evaluate([both]).wer.errors <= 1
    lost = evaluate([Pair("u", "{one two / one} (uh)", None, reference_has_markup=True)])
    assert lost.missing == 1 and lost.wer.deletions == lost.wer.reference == 1


def test_ctm_with_alternatives(tmp_path: Path) -> None:
    (tmp_path / "r.ctm").write_text(
        "rec A 0 1 i\nrec A * * <ALT_BEGIN>\nrec A 1 .5 two\nrec A * * <ALT>\nrec A 1 .2 to\nrec A 1.2 .3 o\n"
        "rec A * * <ALT_END>\nrec A 2 1 (uh)\nrec A 3 1 want\n"
    )
    (tmp_path / "h.ctm").write_text("rec A 0 1 i\nrec A 1 .2 to\nrec A 1.2 .3 o\nrec A 3 1 want\n")
    pairs, _ = read_pairs(tmp_path / "r.ctm", tmp_path / "h.ctm")
    assert (evaluate(pairs).wer.errors, evaluate(pairs).wer.reference) == (0, 5)


def test_braces_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for text in ("a { b / c", "a } b", "{" * 30 + "a" + "}" * 30):
        (tmp_path / "r.trn").write_text(f"{text} (u1)\n")
        with pytest.raises(UserError, match=r"The text of 'u1' in .*r\.trn (has|nests)"):
            read_pairs(tmp_path / "r.trn", tmp_path / "r.trn")


def test_two_systems_whose_readings_differ() -> None:
    """The systems took alternates of different length; each is related to its own."""
    references = [f"{{one / one two three}} x{i}" for i in range(30)]
    a = evaluate(
        [
            Pair(str(i), text, f"one x{i}", reference_has_markup=True)
            for i, text in enumerate(references)
        ]
    )
    b = evaluate(
        [
            Pair(str(i), text, f"one two three y{i}", reference_has_markup=True)
            for i, text in enumerate(references)
        ]
    )
    comparison = compare(a, b)
    assert (comparison.wer.a, comparison.wer.b) == (0.0, 0.25) and comparison.wer.difference == 0.25
    other = evaluate([Pair(str(i), f"one two x{i}", "one") for i in range(30)])
    with pytest.raises(UserError, match="differ in their references"):
        compare(a, other)


def test_the_report_shows_the_reading_that_counts() -> None:
    pairs = [
        Pair(
            "u",
            "i want two {kilos / kilogrammes} (uh)",
            "we want two kilogrammes",
            reference_has_markup=True,
        )
    ]
    page = report(Document("t", evaluate(pairs), pairs))
    assert "kilogrammes" in page and "kilos" not in page


def readings(words: Markup) -> list[list[tuple[str, bool]]]:
    """Every way to say it: words, and whether they are said."""
    ways: list[list[list[tuple[str, bool]]]] = []
    for word in words:
        if isinstance(word, Alternates):
            ways.append([reading for way in word.readings for reading in readings(way)])
        else:
            ways.append(
                [[(word.text, True)], [(word.text, False)]]
                if word.optional
                else [[(word.text, True)]]
            )
    return [[item for part in parts for item in part] for parts in product(*ways)]


def written(words: Markup) -> str:
    return " ".join(
        (f"({word.text})" if word.optional else word.text)
        if isinstance(word, MarkupWord)
        else "{ " + " / ".join(written(way) or "@" for way in word.readings) + " }"
        for word in words
    )


WORDS = st.builds(MarkupWord, st.sampled_from("abc"), st.booleans())
MARKED = st.recursive(
    st.lists(WORDS, max_size=3).map(tuple),
    lambda inner: st.lists(
        WORDS | st.builds(Alternates, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        max_size=3,
    ).map(tuple),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(words=MARKED, hypothesis=st.lists(st.sampled_from("abc"), max_size=5))
def test_no_reading_has_fewer_errors(words: Markup, hypothesis: list[str]) -> None:
    result = evaluate([Pair("u", written(words), " ".join(hypothesis), reference_has_markup=True)])
    fewest = min(
        align([text for text, is_said in reading if is_said], hypothesis)[0].errors
        for reading in readings(words)
    )
    assert result.wer.errors == fewest
    assert result.wer.reference in {len(reading) for reading in readings(words)}
