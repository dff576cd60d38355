"""Scores of lines and perplexities: KenLM's on its models, the definition's on a small one."""

import math

import numpy as np
import pytest
from reference_models import entries, reference, score

from recog.errors import UserError
from recog.lm import perplexity as module
from recog.lm.arpa import read_arpa
from recog.lm.perplexity import LineScore, perplexity, score_lines
from recog.lm.tables import Level, NGrams
from recog.lm.trie import NGramTrie


def score_line(model, line: str, **options) -> LineScore:
    return next(score_lines(model, [line], **options))


@pytest.mark.parametrize(
    ("name", "including", "excluding"),
    [("word3", 400.53, 266.42), ("word3-cutoff", 433.91, 294.04), ("char5", 4.2065, 4.2065)],
)
def test_recorded_scores(name, including, excluding):
    """KenLM's query on each line of a text, and its summary."""
    trie = NGramTrie.from_ngrams(read_arpa(reference(f"{name}.arpa.xz")))
    lines = reference("heldout.txt").read_text("utf-8").splitlines()
    recorded = [
        line.split("\t") for line in reference(f"{name}.scores.tsv").read_text("utf-8").splitlines()
    ]
    found = list(score_lines(trie, lines))
    assert len(found) == len(recorded) == 500
    for ours, (log10, unknown) in zip(found, recorded, strict=True):
        assert ours.log10 == pytest.approx(float(log10), abs=1e-4) and ours.unknown == int(unknown)
    summary = perplexity(trie, lines)
    assert summary.including_unknown == pytest.approx(including, rel=2e-5)
    assert summary.excluding_unknown == pytest.approx(excluding, rel=2e-5)
    assert (summary.tokens, summary.unknown) == ((7307, 525) if name != "char5" else (36455, 0))


@pytest.fixture
def model() -> NGrams:
    words = ("<unk>", "<s>", "</s>", "a", "b")
    column = np.arange(5, dtype=np.int32)[:, None]
    first = Level(
        column,
        np.float32([-2, -99, -0.75, -0.5, -0.625]),
        np.float32([0, -0.25, 0, -0.125, -0.375]),
    )
    second = Level(
        np.int32([[1, 3], [3, 4], [4, 2]]),
        np.float32([-0.25, -0.1875, -0.3125]),
        np.float32([-0.5, -1, 0]),
    )
    third = Level(np.int32([[1, 3, 4]]), np.float32([-0.0625]), np.zeros(1, np.float32))
    return NGrams("word", words, (first, second, third))


def test_by_hand(model):
    line = score_line(model, "a b")
    assert line.log10 == pytest.approx(-0.25 - 0.0625 - 1 - 0.3125) and (
        line.tokens,
        line.unknown,
    ) == (3, 0)
    # after <s>, then after b, then </s> after an unknown word
    line = score_line(model, " b  what ")
    assert line.log10 == pytest.approx((-0.25 - 0.625) + (-0.375 - 2) + -0.75)
    assert (line.tokens, line.unknown, line.unknown_log10) == (3, 1, pytest.approx(-2.375))
    assert score_line(model, "a b", sentence=False).log10 == pytest.approx(-0.5 - 0.1875)
    assert score_line(model, "").log10 == pytest.approx(-0.25 - 0.75)


def test_agrees_with_the_definition(model):
    rng, table = np.random.default_rng(0), entries(model)
    lines = [" ".join(rng.choice(["a", "b", "c"], rng.integers(0, 9))) for _ in range(60)]
    for line, found in zip(lines, score_lines(model, lines), strict=True):
        words = ["<s>", *("<unk>" if word == "c" else word for word in line.split()), "</s>"]
        expected = sum(
            score(table, tuple(words[max(0, i - 2) : i]), words[i]) for i in range(1, len(words))
        )
        assert found.log10 == pytest.approx(expected, abs=1e-5)


def test_batches_change_nothing(model, monkeypatch):
    lines = ["a b", "", "b a b a", "c"] * 9
    whole = list(score_lines(model, lines))
    monkeypatch.setattr(module, "BATCH", 7)
    assert list(score_lines(model, lines)) == whole


def test_summary(model):
    lines = ["a b what", "\n", "b"]
    found, scores = (
        perplexity(model, lines),
        [score_line(model, "a b what"), score_line(model, "b")],
    )
    total = sum(line.log10 for line in scores)
    assert (found.tokens, found.unknown, found.log10) == (6, 1, pytest.approx(total))
    assert found.including_unknown == pytest.approx(10 ** (-total / 6))
    assert found.excluding_unknown == pytest.approx(10 ** (-(total - scores[0].unknown_log10) / 5))
    assert math.isnan(perplexity(model, ["what"], sentence=False).excluding_unknown)
    with pytest.raises(UserError, match="no text"):
        perplexity(model, ["", " "])


def test_characters():
    words = ("<unk>", "<s>", "</s>", "a", "|")
    column = np.arange(5, dtype=np.int32)[:, None]
    level = Level(column, np.float32([-3, -99, -1, -0.5, -0.25]), np.zeros(5, np.float32))
    found = score_line(NGrams("character", words, (level,)), " a  ab ")
    assert (found.log10, found.tokens, found.unknown) == (
        pytest.approx(-0.5 - 0.25 - 0.5 - 3 - 1),
        5,
        1,
    )
