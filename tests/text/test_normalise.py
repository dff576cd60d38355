"""What models are trained to write, what language models of words see, and what a rule cannot
say."""

import pytest

from recog.text.normalise import TrackedRule, rule, spoken, words


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bjørn lives in Łódź", "bjorn lives in lodz"),
        ("Straße, ŒUVRE, Þór, đ, ı", "strasse oeuvre thor d i"),
        ("\u201cDon\u2019t,\u201d he said \u2018now\u2019 & then", "don't he said now and then"),
        ("$25 in 2024", "twenty five dollars in twenty twenty four"),
        ("дорога home", "home"),
    ],
)
def test_spoken(text: str, expected: str) -> None:
    assert spoken(text) == expected and spoken(expected) == expected


def test_numbers_are_said_in_english_only_where_that_may_be_the_language() -> None:
    assert rule("spoken")("25") == rule("spoken", ["French", "English"])("25") == "twenty five"
    assert rule("spoken", ["Dutch"])("de 25 é") == "de e"
    assert rule("plain", ["Dutch"])("25") == "25"


def test_what_a_rule_does_to_numbers_and_letters_is_counted() -> None:
    account = TrackedRule("spoken")
    for text in ("it costs 25", "plain words", "Łódź, дорога 7", "don't!"):
        account(text)
    assert account.notes("lines") == [
        "The numbers in 2 of 4 lines are taken as English words ('25' as 'twenty five'); they may have been said otherwise.",
        "The rule 'spoken' has no spelling for some letters or digits in 1 of 4 lines, and leaves them out: о д р г а",
    ]
    account = TrackedRule("spoken", ["Dutch"])
    assert account("kost 25 euro") == "kost euro"
    assert account.notes() == [
        "The rule 'spoken' has no spelling for some letters or digits in 1 of 1 texts, and leaves them out: 2 5"
    ]
    account = TrackedRule("plain")
    assert account("дорога 25") == "дорога 25" and account.notes() == []
