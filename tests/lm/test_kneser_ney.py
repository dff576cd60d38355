"""Estimation against lmplz's recorded models, and against the properties of any model."""

import logging

import numpy as np
import pytest
from reference_models import (
    check_contract,
    distribution_sums,
    entries,
    perplexity,
    recorded,
    reference,
)

from recog.errors import UserError
from recog.lm.estimation import kneser_ney
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.text import read_text

SMALL = ["a b a c", "b a b", "c a b a a", "a a b c", "d"]


def same_as(ngrams, wanted: dict, tolerance: float) -> None:
    found = entries(ngrams)
    wanted[("<s>",)] = (-99.0, wanted[("<s>",)][1])  # lmplz writes 0
    assert found.keys() == wanted.keys()
    keys = list(wanted)
    np.testing.assert_allclose(
        [found[k] for k in keys], [wanted[k] for k in keys], rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("name, cutoffs", [("word3", ()), ("word3-cutoff", (0, 1, 1))])
def test_words_are_lmplz_s(name, cutoffs):
    ngrams = estimate(read_text([reference("train.txt")]), cutoffs=cutoffs)
    check_contract(ngrams)
    same_as(ngrams, recorded(f"{name}.arpa.xz"), 2e-6)


def test_characters_are_lmplz_s(monkeypatch, caplog):
    train, heldout = (list(read_text([reference(name)])) for name in ("train.txt", "heldout.txt"))
    wanted = recorded("char5.arpa.xz")
    with caplog.at_level(logging.WARNING, "recog"):
        ngrams = estimate(train, unit="character", order=5)
    assert [record.getMessage() for record in caplog.records] == [
        "The text is too small or too regular for discounts of 1-grams; 0.5, 1 and 1.5 are taken."
    ]
    ours = perplexity(entries(ngrams), heldout[:100], "character", 5)
    assert ours == pytest.approx(perplexity(wanted, heldout[:100], "character", 5), rel=0.0005)

    # lmplz's statistics have the last bigram, "zz", with its 10 occurrences in place of its 3
    # predecessors
    discounts = kneser_ney._discounts

    def as_lmplz(adjusted, n, workspace):
        if n != 2:
            return discounts(adjusted, n, workspace)
        n1, n2, n3, n4 = (np.sum(adjusted == count) for count in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        return np.array(
            [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * (n3 - 1) / n2, 3 - 4 * y * n4 / (n3 - 1)]
        )

    monkeypatch.setattr(kneser_ney, "_discounts", as_lmplz)
    same_as(estimate(train, unit="character", order=5), wanted, 2e-6)


def test_heldout_perplexity_is_lmplz_s():
    ngrams = estimate(read_text([reference("train.txt")]))
    heldout = list(read_text([reference("heldout.txt")]))
    assert perplexity(entries(ngrams), heldout, "word", 3) == pytest.approx(400.53, rel=1e-4)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("cutoffs", [(), (0, 1)])
def test_every_distribution_sums_to_one(order, cutoffs):
    ngrams = estimate(SMALL, order=order, cutoffs=cutoffs[:order])
    check_contract(ngrams)
    np.testing.assert_allclose(distribution_sums(ngrams, min(order, 3)), 1, atol=1e-6)


def test_little_memory_changes_nothing(tmp_path):
    random = np.random.default_rng(5)
    lines = [" ".join(f"w{i}" for i in random.zipf(1.6, 8).clip(0, 300)) for _ in range(800)]
    one, other = (
        estimate(lines, order=4, memory=1 << 14, workdir=tmp_path),
        estimate(lines, order=4),
    )
    assert one.words == other.words and len(one.levels) == len(other.levels) == 4
    for a, b in zip(one.levels, other.levels, strict=True):
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.log_prob, b.log_prob, atol=1e-6)
        np.testing.assert_allclose(a.backoff, b.backoff, atol=1e-6)
    assert list(tmp_path.iterdir()) == []


def test_counts_travel_with_the_model():
    ngrams = estimate(SMALL, order=2, cutoffs=(0, 1))
    counts = {
        k: int(c) for k, c in zip(entries(ngrams), np.concatenate(ngrams.counts), strict=True)
    }
    assert (
        counts[("a",)] == 8
        and counts[("<s>",)] == counts[("</s>",)] == 5
        and counts[("<unk>",)] == 0
    )
    assert counts[("a", "b")] == 4 and counts[("<s>", "a")] == 2
    assert min(ngrams.counts[1]) == 2


def test_words_out_of_the_vocabulary_train_the_unknown_word():
    ngrams = estimate(SMALL, order=2, vocabulary={"a", "b", "zebra"})
    table = entries(ngrams)
    check_contract(ngrams)
    assert ("zebra",) in table and ("a", "<unk>") in table
    assert table[("<unk>",)][0] > table[("zebra",)][0]
    np.testing.assert_allclose(distribution_sums(ngrams, 1), 1, atol=1e-6)


def test_an_order_that_no_line_has_is_given_up(caplog):
    with caplog.at_level(logging.WARNING, "recog"):
        ngrams = estimate(["a", "b b"], order=6)
    check_contract(ngrams)
    assert ngrams.order == 4 and "the model's order is 4" in caplog.text
    np.testing.assert_allclose(distribution_sums(ngrams, 3), 1, atol=1e-6)


@pytest.mark.parametrize("cutoffs", [(1,), (0, 2, 1), (0, 0, 0, 0), (0, -1)])
def test_cutoffs_that_make_no_sense(cutoffs):
    with pytest.raises(UserError, match=r"[Cc]ut-off"):
        estimate(SMALL, order=3, cutoffs=cutoffs)
