"""Alphabet: indices, unknown characters, symbols of several characters, validation."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.errors import UserError
from recog.text.alphabet import Alphabet


def test_symbols_are_sorted_and_blank_is_zero() -> None:
    alphabet = Alphabet.of(["cab", "a b"])
    assert alphabet.symbols == (" ", "a", "b", "c")
    assert len(alphabet) == 5
    assert alphabet.encode("cab") == [4, 2, 3]
    assert alphabet.decode([4, 0, 2, 3, 0]) == "cab"


def test_of_composes_and_counts() -> None:
    alphabet = Alphabet.of(["e\u0301e\u0301x", "y\u00e9"], min_count=2)
    assert alphabet.symbols == ("\u00e9",)
    assert alphabet.encode("e\u0301") == [1]


def test_unknown_characters_are_named() -> None:
    alphabet = Alphabet.of(["abc"])
    with pytest.raises(UserError, match=r"'z' \(U\+007A\), 'é' \(U\+00E9\)"):
        alphabet.encode("azéz")
    assert alphabet.encode("azb", skip_unknown=True) == [1, 2]
    assert alphabet.unknown("zaz") == ["z"]


def test_longest_symbol_wins() -> None:
    alphabet = Alphabet.from_list(["c", "h", "ch", "chr", "."])
    assert alphabet.encode("chrch.hc") == [4, 3, 5, 2, 1]
    assert alphabet.decode([4, 3, 5]) == "chrch."
    assert alphabet.unknown("chx") == ["x"]


@pytest.mark.parametrize("symbols", [[], ["a", "a"], ["a", ""], ["e\u0301"], ["a", 3]])
def test_bad_symbols(symbols: list[str]) -> None:
    with pytest.raises(UserError, match="alphabet"):
        Alphabet.from_list(symbols)


@pytest.mark.parametrize("index", [-1, 3])
def test_decode_refuses_indices_outside(index: int) -> None:
    with pytest.raises(ValueError, match=str(index)):
        Alphabet.of(["ab"]).decode([index])


def test_list_round_trip_and_equality() -> None:
    alphabet = Alphabet.of(["héllo"])
    again = Alphabet.from_list(alphabet.to_list())
    assert again == alphabet
    assert hash(again) == hash(alphabet)
    assert "é" in alphabet and "z" not in alphabet


@given(st.lists(st.text(min_size=1), min_size=1))
def test_round_trip(texts: list[str]) -> None:
    alphabet = Alphabet.of(texts)
    for text in texts:
        indices = alphabet.encode(text)
        assert all(0 < i < len(alphabet) for i in indices)
        assert alphabet.decode(indices) == unicodedata.normalize("NFC", text)
