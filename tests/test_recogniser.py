"""Words of right-to-left lines, and spans from symbols."""

import pytest

from recog.recogniser import reorder, word_spans
from recog.text.bidi import to_display


def displayed(text: str) -> list[tuple[str, int, int, float]]:
    """Spans of ``text`` as the network gives them: from left to right, a frame a symbol."""
    symbols = list(to_display(text))
    return word_spans(symbols, list(range(len(symbols))), list(range(1, len(symbols) + 1)), [1.0] * len(symbols))


@pytest.mark.parametrize(
    "text",
    ["שלום עולם", "גם שלום גם עולם", "בשנת 1905 היה", "(שלום) עולם", "שלום abc עולם"],
)
def test_every_word_of_a_right_to_left_line_gets_a_place_of_its_own(text: str):
    spans = displayed(text)
    words = reorder(spans, text)
    assert [word for word, *_ in words] == text.split()
    assert sorted(span[1:] for span in words) == sorted(span[1:] for span in spans)
    starts = [start for _, start, *_ in words]
    assert starts == sorted(starts, reverse=True)  # the line begins on the right


def test_repeated_words_keep_their_order():
    text = "גם שלום גם עולם"
    first, _, third, _ = reorder(displayed(text), text)
    assert first[1] > third[1]


def test_a_word_reaches_from_its_first_to_its_last_symbol():
    assert word_spans(list("ab c"), [1, 3, 5, 8], [2, 5, 6, 9], [0.5, 1.0, 1.0, 0.25]) == [
        ("ab", 1, 5, 0.75),
        ("c", 8, 9, 0.25),
    ]
