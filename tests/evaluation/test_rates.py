"""``recog.wer`` and ``recog.cer``."""

import math
import random

import jiwer
import pytest

import recog
from recog.evaluation import Pair, evaluate


def test_rates_of_texts_and_of_lists():
    assert recog.wer("the cat sat", "the bat") == 2 / 3
    assert recog.cer("the cat", "the bat") == 1 / 7
    assert recog.wer(["the cat", "sat"], ["the bat", "sat"]) == 1 / 3, (
        "errors over words of all, no mean of rates"
    )
    assert recog.cer(("ab", "c"), iter(["ab", "d"])) == 1 / 3


def test_they_are_those_of_jiwer():
    rng = random.Random(3)
    texts = [
        [" ".join(rng.choices(["a", "be", "see", "dee"], k=rng.randint(1, 9))) for _ in range(40)]
        for _ in "ab"
    ]
    assert recog.wer(*texts) == jiwer.wer(*texts) and recog.cer(*texts) == jiwer.cer(*texts)
    for reference, hypothesis in zip(*texts, strict=True):
        assert recog.wer(reference, hypothesis) == jiwer.wer(reference, hypothesis)


def test_they_are_those_of_the_evaluation():
    pairs = [
        Pair("1", "The Cat!", "the cat"),
        Pair("2", "Mother-in-law", "mother in law"),
        Pair("3", "", "so"),
    ]
    references, hypotheses = [pair.reference for pair in pairs], [pair.hypothesis for pair in pairs]
    for rule in ("none", "basic", "spoken"):
        result = evaluate(pairs, normalise=rule)
        assert recog.wer(references, hypotheses, normalise=rule) == result.wer.rate
        assert recog.cer(references, hypotheses, normalise=rule) == result.cer.rate
    assert (
        recog.wer("The Cat!", "the cat") == 1.0
        and recog.wer("The Cat!", "the cat", normalise="basic") == 0.0
    )


def test_empty_references():
    assert recog.wer("", "") == recog.cer("", "") == recog.wer(["", ""], [" ", ""]) == 0.0
    assert recog.wer("", "a") == recog.cer("", "a") == math.inf
    assert recog.wer("a", "") == 1.0 and recog.wer(["", "a"], ["b", "a"]) == 1.0


@pytest.mark.parametrize(
    ("reference", "hypothesis", "sentence"),
    [
        (
            ["a"],
            ["a", "b"],
            "There are 1 references and 2 hypotheses; give a hypothesis for each reference.",
        ),
        (
            "a",
            ["a"],
            "reference and hypothesis are a text and a list of texts; give two texts, or two lists.",
        ),
        (["a"], [None], "hypothesis holds None; it must be a text or a list of texts."),
        (3, "a", "reference holds 3; it must be a text or a list of texts."),
        ([], [], "There is nothing to evaluate; give at least one reference."),
    ],
)
def test_what_cannot_be_compared(reference: object, hypothesis: object, sentence: str):
    with pytest.raises(recog.UserError, match=sentence):
        recog.wer(reference, hypothesis)
    with pytest.raises(recog.UserError, match="There is no normalisation 'loud'"):
        recog.cer("a", "a", normalise="loud")
