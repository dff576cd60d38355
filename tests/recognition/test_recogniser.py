"""What a recogniser makes of its network's outputs: words of right-to-left lines, tempered
log-probabilities."""

import numpy as np
import pytest

from recog.recognition.base import apply_temperature
from recog.recognition.words import reorder_spans
from recog.text.bidi import to_display


def displayed(text: str) -> list[tuple[str, float, float, float]]:
    """Spans of ``text`` as the network gives them: from left to right, a frame a symbol."""
    spans, start = [], 0
    for word in to_display(text).split(" "):
        spans.append((word, float(start), float(start + len(word)), 1.0))
        start += len(word) + 1
    return spans


@pytest.mark.parametrize(
    "text", ["שלום עולם", "גם שלום גם עולם", "בשנת 1905 היה", "(שלום) עולם", "שלום abc עולם"]
)
def test_every_word_of_a_right_to_left_line_gets_a_place_of_its_own(text: str):
    spans = displayed(text)
    words = reorder_spans(spans, text)
    assert [word for word, *_ in words] == text.split()
    assert sorted(span[1:] for span in words) == sorted(span[1:] for span in spans)
    starts = [start for _, start, *_ in words]
    assert starts == sorted(starts, reverse=True)  # the line begins on the right


def test_repeated_words_keep_their_order():
    text = "גם שלום גם עולם"
    first, _, third, _ = reorder_spans(displayed(text), text)
    assert first[1] > third[1]


def test_tempered_log_probabilities_are_those_of_the_powers():
    logits = np.random.default_rng(0).normal(0.0, 4.0, (9, 6))
    log_probs = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
    assert apply_temperature(log_probs, 1.0) is log_probs
    powers = np.exp(log_probs.astype(np.float64)) ** (1 / 1.7)
    assert np.exp(apply_temperature(log_probs, 1.7)) == pytest.approx(
        powers / powers.sum(axis=1, keepdims=True), rel=1e-5
    )
