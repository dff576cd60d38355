"""Rescoring: the formula, the order, and what is asked of the model."""

import numpy as np
import pytest

from recog.decoding.hypothesis import Hypothesis
from recog.decoding.rescoring.nbest import rescore
from recog.decoding.validation import InvalidInputError


class Table:
    """A model that knows these texts."""

    def __init__(self, **log_probs: float) -> None:
        self.log_probs = log_probs
        self.asked: list[tuple] = []

    def score(self, texts, before=None, *, sentence=None):
        self.asked.append((list(texts), before, sentence))
        return np.array([self.log_probs[text] for text in texts])


def reading(text: str, score: float, log_prob: float) -> Hypothesis:
    return Hypothesis(text, score, log_prob, (len(text),), (0,))


NBEST = [reading("a", -3.0, -2.0), reading("b", -4.0, -1.0), reading("c", -5.0, -4.5)]


def test_the_score_is_the_formula_and_orders():
    lm = Table(a=-8.0, b=-2.0, c=-1.0)
    found = rescore(NBEST, lm, 0.5)
    assert [(h.text, h.score, h.log_prob) for h in found] == [
        ("b", -5.0, -1.0),
        ("c", -5.5, -4.5),
        ("a", -7.0, -2.0),
    ]
    assert lm.asked == [(["a", "b", "c"], None, None)]
    assert [h.tokens for h in found] == [(1,)] * 3
    assert [h.score for h in NBEST] == [-3.0, -4.0, -5.0]


def test_interpolation_takes_back_what_the_decoder_added():
    lm = Table(a=-1.0, b=-1.0, c=-1.0)
    assert [h.score for h in rescore(NBEST, lm, 1.0, interpolate=1.0)] == [-2.0, -3.0, -5.5]
    assert [h.text for h in rescore(NBEST, lm, 1.0, interpolate=1.0)] == ["b", "a", "c"]
    assert {h.text: h.score for h in rescore(NBEST, lm, 1.0, interpolate=0.5)} == {
        "a": -3.5,
        "b": -3.5,
        "c": -5.75,
    }


def test_boosts_of_hotwords_are_not_taken_back():
    lm = Table(a=-1.0, b=-1.0, c=-1.0)
    boosts = [0.5, 0.0, 2.0]
    found = {h.text: h.score for h in rescore(NBEST, lm, 1.0, interpolate=1.0, boosts=boosts)}
    assert found == {"a": -2.5, "b": -2.0, "c": -3.5}
    halves = {h.text: h.score for h in rescore(NBEST, lm, 1.0, interpolate=0.5, boosts=boosts)}
    assert halves == {"a": -1.5 - 0.75 - 1.0, "b": -1.0 - 1.5 - 1.0, "c": -2.5 - 1.25 - 1.0}
    assert rescore(NBEST, lm, 1.0, boosts=boosts) == rescore(NBEST, lm, 1.0)


def test_equal_scores_stay_in_order_and_weight_0_asks_nothing():
    lm = Table(x=-1.0, y=-1.0)
    equal = [reading("y", -1.0, -1.0), reading("x", -1.0, -1.0)]
    assert [h.text for h in rescore(equal, lm, 1.0)] == ["y", "x"]
    lm.asked.clear()
    assert rescore(NBEST, lm, 0.0) == NBEST and lm.asked == []
    assert rescore([], lm, 1.0) == []


def test_the_text_before_is_handed_on():
    lm = Table(a=-1.0, b=-1.0, c=-1.0)
    rescore(NBEST, lm, 1.0, before="the line above", sentence=True)
    assert lm.asked == [(["a", "b", "c"], "the line above", True)]


@pytest.mark.parametrize(
    "options", [{"weight": -0.1}, {"weight": float("nan")}, {"weight": 1.0, "interpolate": 1.5}]
)
def test_options_out_of_range_are_named(options):
    with pytest.raises(InvalidInputError, match="must lie between 0 and 1"):
        rescore(NBEST, Table(), options.pop("weight"), **options)
