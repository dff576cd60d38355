"""What language models of words see of a text."""

import pytest

from recog.text.normalise import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L\u2019Été, c'est  fini\u00a0!", "l' été c' est fini"),
        ("né le 27.10.1876 (p. 3)", "né le 00 00 0000 p 0"),
        ("Nouvelle-Aquitaine", "nouvelle aquitaine"),
        ("it's 5 o\u2019clock", "it' s 0 o' clock"),
        ("e\u0301te\u0301", "été"),
        (" ?! ", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert words(text) == expected and words(expected) == expected
