"""Display order: known lines by hand, python-bidi as reference, round trips over realistic
lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.text.bidi import base_direction, is_right_to_left, to_display, to_logical

HEBREW = ["שלום", "עולם", "בית", "ספר", "ירושלים", "לא", "שָׁלוֹם", "הַבַּיִת", "צה״ל", "בן-אדם"]
ARABIC = ["السلام", "عليكم", "كتاب", "بيت", "مدينة", "السَّلامُ", "مُحَمَّد", "قَالَ", "لا"]
LATIN = ["abc", "Windows", "é", "Smith"]
NUMBERS = ["1", "2024", "3.14", "12,500", "10:30", "12/3/2024", "50%"]
EASTERN = ["١٢٣", "٢٠٢٤", "٣٫١٤"]


def test_known_lines() -> None:
    assert to_display("שלום") == "םולש"
    assert to_display("שלום 123") == "123 םולש"
    assert to_display("שלום world 12") == "world 12 םולש"
    assert to_display("abc def שלום עולם ghi") == "abc def םלוע םולש ghi", (
        "a left-to-right line keeps its direction"
    )


def test_brackets_are_the_shapes_on_paper() -> None:
    assert to_display("(שלום)") == "(םולש)"
    assert to_display("שלום (עולם) [abc]") == "[abc] (םלוע) םולש"
    assert to_display("אב <גד> «הו»") == "«וה» <דג> בא"
    assert to_display("אב abc (def) גד") == "דג abc (def) בא", (
        "brackets within a left-to-right run stay (rule N0)"
    )


def test_marks_stay_behind_their_base() -> None:
    assert to_display("שָׁלוֹם") == "םוֹלשָׁ"
    assert to_display("abe\u0301\u0331 שָ") == "שָ abe\u0301\u0331"


def test_no_right_to_left_is_identity() -> None:
    text = "Déjà (vu) — 12\t[x]"
    assert not is_right_to_left(text)
    assert to_display(text) is text
    assert to_logical(text) is text


def test_base_direction() -> None:
    assert base_direction("שלום abc") == "R"
    assert base_direction("שלום abcdefgh") == "R", "words count, not letters"
    assert base_direction("הַבַּיִת abc def") == "L", "marks do not split a word"
    assert to_display("abcdef שלום", base="R") == "םולש abcdef"
    assert to_logical("םולש abcdef", base="R") == "abcdef שלום"


def test_invisible_marks_are_dropped() -> None:
    assert to_display("שלום\u200f!") == "!םולש"
    assert to_display("\u202bשלום\u202c") == "םולש"


def test_arabic_number_ranges() -> None:
    """After an Arabic letter, digits are Arabic numbers, which a hyphen does not join (rules W2 and
    W4)."""
    line = "عام 1914-1918 و"
    assert to_display(line) == "و 1918-1914 ماع"
    assert to_logical(to_display(line)) == line


def test_a_number_belongs_to_the_word_before_it_in_print() -> None:
    line = "السلام Windows 50% عليكم 50% السلام"
    assert to_logical(to_display(line)) == line
    assert to_logical(to_display("שלום 15 abc")) == "שלום abc 15", (
        "the same ink: the limit that the docstring names"
    )


def test_lines_are_separate() -> None:
    assert to_display("שלום 1\nabc\nעולם") == "1 םולש\nabc\nםלוע"
    assert to_logical("1 םולש\nabc\nםלוע") == "שלום 1\nabc\nעולם"


@st.composite
def lines(draw: st.DrawFn, words: list[str], numbers: list[str]) -> str:
    """Mostly right-to-left words; now and then a Latin word or a number, each between right-to-left
    words."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        parts += draw(st.lists(st.sampled_from(words), min_size=1, max_size=3))
        other = draw(st.sampled_from(["", "", "latin", "number", "both"]))
        if other in ("latin", "both"):
            parts.append(draw(st.sampled_from(LATIN)))
        if other in ("number", "both"):
            parts.append(draw(st.sampled_from(numbers)))
        if other:
            parts.append(draw(st.sampled_from(words)))
    text = " ".join(parts)
    wrap = draw(st.sampled_from(["{}", "{}.", "({})", "«{}»", "{}?", '"{}"', "{}, ", "{}: - {}"]))
    return wrap.format(text, draw(st.sampled_from(words)))


@given(lines(HEBREW, NUMBERS))
def test_hebrew_round_trip(line: str) -> None:
    assert to_logical(to_display(line, base="R"), base="R") == line


@given(lines(ARABIC, NUMBERS + EASTERN))
def test_arabic_round_trip(line: str) -> None:
    assert to_logical(to_display(line, base="R"), base="R") == line


@given(st.one_of(lines(HEBREW, NUMBERS), lines(ARABIC, NUMBERS)))
def test_default_direction_round_trip(line: str) -> None:
    assert to_logical(to_display(line)) == line


@given(st.text(st.sampled_from("אבגابج abc123.,-/()[]\"'!?:%"), max_size=24))
def test_order_is_that_of_the_reference(text: str) -> None:
    bidi = pytest.importorskip("bidi")
    bare = str.maketrans("", "", "()[]")
    for base in ("L", "R"):
        expected = bidi.get_display(text, base_dir=base)
        shown = to_display(text, base=base)
        assert (
            shown.translate(bare) == expected.translate(bare)
            if is_right_to_left(text)
            else shown == text
        )
        assert len(shown) == len(text)


@given(st.text(max_size=30))
def test_any_text_is_survived(text: str) -> None:
    to_logical(to_display(text))
