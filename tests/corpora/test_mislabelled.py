"""Rows with another row's text are found; rows that a poor model misreads are not."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

import pytest
from rapidfuzz.distance import Levenshtein

from recog.corpora.mislabelled import Mislabelled, find_mislabelled


def sentences(count: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    words = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(400)]
    return [" ".join(rng.choices(words, k=rng.randint(2, 9))) for _ in range(count)]


def misread(text: str, share: float, rng: random.Random) -> str:
    return "".join(rng.choice(string.ascii_lowercase) if rng.random() < share else c for c in text)


def by_edits(read: Sequence[str | None]):
    """A model that holds a text for the less probable the more edits it is from what was read."""
    return lambda row, texts: [
        -float(Levenshtein.distance(read[row] or "", text)) for text in texts
    ]


@pytest.mark.parametrize("wrong", [0.0, 0.3, 0.5])
def test_swapped_texts_are_found_and_named(wrong: float) -> None:
    rng = random.Random(7)
    true = sentences(400)
    read = [misread(text, wrong, rng) for text in true]
    swapped = rng.sample(range(400), 40)
    texts = list(true)
    for a, b in zip(swapped, [*swapped[1:], swapped[0]], strict=True):
        texts[a] = true[b]
    found = find_mislabelled(texts, read, by_edits(read))
    rows = {fault.row for fault in found}
    assert len(rows & set(swapped)) >= 36 and len(rows - set(swapped)) <= 7
    if wrong < 0.4:
        named = [
            fault
            for fault in found
            if fault.better_row is not None and texts[fault.better_row] == true[fault.row]
        ]
        assert len(named) >= 36


def test_what_is_read_right_is_never_asked_about() -> None:
    true = sentences(50)
    assert find_mislabelled(true, true, lambda *_: pytest.fail("the text agrees")) == []


def test_the_model_has_the_last_word_on_short_lines() -> None:
    texts, read = ["if", "on", "at", "of"], ["xx", "on", "at", "of"]
    assert find_mislabelled(texts, read, lambda row, given: [0.0] + [-1.0] * (len(given) - 1)) == []
    assert find_mislabelled(texts, read, lambda row, given: [-1.0] * len(given)) == [
        Mislabelled(0, 0.0)
    ]


def test_rows_that_cannot_be_read_and_a_single_row_say_nothing() -> None:
    assert find_mislabelled(["a b", "c d"], [None, "c d"], by_edits([None, "c d"])) == []
    assert find_mislabelled(["a b"], ["zz"], lambda row, given: [0.0] * len(given)) == []
    assert find_mislabelled([], [], by_edits([])) == []


def test_a_corpus_of_ten_words_is_looked_through_once() -> None:
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    texts = [words[k % 10] for k in range(20_000)]
    asked: list[int] = []

    def probable(row: int, candidates: list[str]) -> list[float]:
        asked.append(len(candidates))
        return [0.0] + [-1.0] * (len(candidates) - 1)

    assert find_mislabelled(texts, ["xqxq"] * len(texts), probable) == []
    assert set(asked) == {10}
    found = find_mislabelled(
        ["alpha beta", "gamma delta", "alpha beta"],
        ["gamma delta", "gamma delta", "alpha beta"],
        lambda *_: [0.0, 1.0],
    )
    assert [(one.row, one.better_row) for one in found] == [(0, 1)]
