"""Transcripts of pages, with and without line breaks, on lines that a model reads with errors."""

from __future__ import annotations

import random

import pytest

from recog.corpora.page_alignment import align_page, is_clean

PAGE = [
    "Washington, March 4th 1865",
    "My dear Sir, I have the honour to",
    "acknowledge the receipt of your letter",
    "of the 28th ultimo, and to inform you",
    "that the papers which it mentions were",
    "forwarded to this office on the second",
    "Your obedient servant",
]


def misread(text: str, rate: float, seed: int) -> str:
    rng = random.Random(seed)
    letters = (rng.choice("etaoin ") if rng.random() < rate else c for c in text)
    return "".join(c for c in letters if rng.random() >= rate / 4)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("joint", ["\n", " "])
def test_every_line_gets_its_text(rate: float, joint: str) -> None:
    read = [misread(line, rate, k) for k, line in enumerate(PAGE)]
    matches = align_page(read, joint.join(PAGE))
    assert [match.text if match else None for match in matches] == PAGE
    if rate == 0.0:
        assert all(match is not None and match.agreement == 1.0 for match in matches)


@pytest.mark.parametrize("joint", ["\n", " "])
def test_a_line_that_the_transcript_lacks_gets_no_other_text(joint: str) -> None:
    read = [misread(line, 0.1, k) for k, line in enumerate(PAGE)]
    read.insert(3, "Library of Congress 1147")
    matches = align_page(read, joint.join(PAGE))
    extra = matches.pop(3)
    assert extra is None or extra.agreement < 0.5
    assert [match.text if match else None for match in matches] == PAGE


def test_a_line_that_the_page_finder_missed_leaves_the_others_theirs() -> None:
    read = [misread(line, 0.1, k) for k, line in enumerate(PAGE)]
    del read[4]
    matches = align_page(read, "\n".join(PAGE))
    assert [match.text if match else None for match in matches] == PAGE[:4] + PAGE[5:]
    running = align_page(read, " ".join(PAGE))
    good = [match.text for match in running if match and match.agreement > 0.75]
    assert len(good) >= 4 and set(good) <= set(PAGE)


def test_a_note_that_the_transcript_has_elsewhere_is_matched() -> None:
    read = [PAGE[-1], *PAGE[:-1]]
    matches = align_page(read, "\n".join(PAGE))
    assert [match.text if match else None for match in matches] == read


def test_words_divided_at_the_end_of_a_line_are_cut() -> None:
    read = ["the papers which were forwar-", "ded to this office on the se-", "cond of the month"]
    matches = align_page(
        read, "the papers which were forwarded to this office on the second of the month"
    )
    assert [match.text if match else None for match in matches] == read


def test_nothing_to_align() -> None:
    assert align_page([], "some text") == []
    assert align_page(["a line"], "") == [None]


def test_a_transcript_with_line_breaks_that_leaves_divided_words_whole() -> None:
    page = [
        "it is to the advantage of the govern-",
        "ment to lay an embargo on the har-",
        "bours of the coast",
    ]
    text = (
        "it is to the advantage of the government\nto lay an embargo on the harbours\nof the coast"
    )
    assert [match.text if match else None for match in align_page(page, text)] == page


@pytest.mark.parametrize(
    ("read", "text", "clean"),
    [
        ("ment to lay an embargo", "to lay an embargo", False),
        ("to lay an embargo on the har", "to lay an embargo on the", False),
        ("to lay an embargo", "government to lay an embargo", False),
        ("te lay on embaryo", "to lay an embargo", True),
        ("Ills is bang boomed", "Ills is [?] boomed", False),
        ("", "", False),
    ],
)
def test_lines_whose_ends_do_not_fit_are_not_learned_from(
    read: str, text: str, clean: bool
) -> None:
    assert is_clean(read, text) is clean
