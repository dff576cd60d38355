"""Files of pronunciations: what goes in comes out, and what is none is said so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.errors import UserError
from recog.text.pronunciations import (
    ARPABET,
    all_pronunciations,
    encode_pronunciations,
    phone_alphabet,
    pronounce,
    read_cmudict,
    read_pronunciations,
)

WORD = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=8)


@given(st.dictionaries(WORD, st.lists(WORD, min_size=1, max_size=3, unique=True), min_size=1))
def test_a_file_gives_back_what_was_written(tmp_path_factory, words) -> None:
    path = tmp_path_factory.mktemp("pronunciations") / "words.tsv"
    path.write_bytes(encode_pronunciations(words))
    assert read_pronunciations(path) == {word: tuple(ways) for word, ways in words.items()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no pronunciation"),
        (b"the D@\n", "line 1: must be a word, a tab"),
        (b"the\tD@\ncat\t\n", "line 2: must be a word, a tab"),
        (b"the\tD @\n", "line 1: must be"),
        (b"a\tb\tc\n", "line 1: must be"),
        (b"a\t" + b"b" * 300 + b"\n", "longer than a word"),
        (b"\xff\tb\n", "not UTF-8"),
    ],
)
def test_what_is_no_file_of_pronunciations_is_told(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "words.tsv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_pronunciations(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_pronunciations(tmp_path / "none.tsv")


def test_the_usual_way_is_said_and_words_that_are_not_known_are_not() -> None:
    known = {"the": ("DA", "Di"), "cat": ("k@t",)}
    assert pronounce("the cat", known) == "DA k@t"
    assert pronounce("the dog", known) is None
    ways = {"a": ("1", "2"), "b": ("3", "4")}
    assert all_pronunciations("a b", ways, 9) == [
        "1 3",
        "1 4",
        "2 3",
        "2 4",
    ] and all_pronunciations("a b", ways, 2) == ["1 3", "1 4"]
    assert phone_alphabet(known).symbols == (" ", "@", "A", "D", "i", "k", "t")


def test_cmudict_is_read_without_stress_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "cmudict.dict"
    path.write_text(
        ";;; comment\nread R EH1 D\nread(2) R IY1 D\nd'artagnan D AH0 R T AE1 NG Y AH0 N # foreign french\n"
    )
    assert read_cmudict(path) == {"read": ("rEd", "rid"), "d'artagnan": ("dArt@GyAn",)}
    assert len(set(ARPABET.values())) == len(ARPABET) == 39
    path.write_text("cat K QQ T\n")
    with pytest.raises(UserError, match="line 1: QQ is no sound"):
        read_cmudict(path)
