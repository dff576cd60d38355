"""Entropy pruning: the criterion against its definition, distributions that sum to 1, and what must
stay."""

import math

import numpy as np
import pytest
from reference_models import (
    check_contract,
    distribution_sums,
    entries,
    perplexity,
    reference,
    score,
)

from recog.errors import UserError
from recog.lm.estimation.kneser_ney import CountedNGrams, estimate
from recog.lm.estimation.prune import _rises, normalise, prune, prune_to
from recog.lm.tables import NGrams
from recog.lm.text import read_text

RANDOM = np.random.default_rng(11)
LINES = [" ".join("abcde"[i] for i in RANDOM.geometric(0.4, 7).clip(1, 5) - 1) for _ in range(60)]


def size(ngrams) -> int:
    return sum(map(len, ngrams.levels))


@pytest.fixture(scope="module")
def model() -> CountedNGrams:
    return estimate(LINES, order=3)


def plain(model) -> NGrams:
    return NGrams(model.unit, model.words, model.levels)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("threshold", [0, 1e-5, 1e-3, 1])
def test_every_distribution_sums_to_one(model, threshold, counted):
    pruned = prune(model if counted else plain(model), threshold)
    check_contract(pruned)
    np.testing.assert_allclose(distribution_sums(pruned, 2), 1, atol=1e-6)
    assert isinstance(pruned, CountedNGrams) is counted
    if counted:
        assert [len(counts) for counts in pruned.counts] == list(map(len, pruned.levels))


def test_the_rise_is_that_of_the_relative_entropy(model):
    """Take one trigram out by hand and sum the divergence over all words."""
    table, words = entries(model), [word for word in model.words if word != "<s>"]
    rises = _rises(model)[2]
    total = sum(
        c for word, c in zip(model.words, model.counts[0].tolist(), strict=True) if word != "<s>"
    )
    bigrams = [tuple(model.words[i] for i in row) for row in model.levels[1].ids.tolist()]
    counts = dict(zip(bigrams, model.counts[1].tolist(), strict=True))
    for row in range(0, len(rises), 7):
        ngram = tuple(model.words[i] for i in model.levels[2].ids[row].tolist())
        history = ngram[:-1]
        without = {key: value for key, value in table.items() if key != ngram}
        listed = [word for word in words if (*history, word) in without]
        left = 1 - sum(10 ** table[(*history, word)][0] for word in listed)
        lower = 1 - sum(10 ** score(table, history[1:], word) for word in listed)
        without[history] = (table[history][0], math.log10(left / lower))
        divergence = sum(
            10 ** score(table, history, w)
            * math.log(10)
            * (score(table, history, w) - score(without, history, w))
            for w in words
        )
        assert rises[row] == pytest.approx(
            math.expm1(counts[history] / total * divergence), rel=2e-3, abs=2e-8
        )


def test_contexts_of_what_stays_stay(model):
    rises = _rises(model)
    table = dict(zip(entries(model), np.concatenate(rises).tolist(), strict=True))
    assert all(table[key[:-1]] >= rise for key, rise in table.items() if len(key) > 1)


def test_pruning_to_a_size(model):
    for wanted in (len(model.words), 20, 60, size(model) - 1):
        pruned = prune_to(model, wanted)
        assert wanted - 5 <= size(pruned) <= wanted  # alike ones go together
        np.testing.assert_allclose(distribution_sums(pruned, 2), 1, atol=1e-6)
    assert prune_to(model, size(model)) is model
    assert prune_to(model, len(model.words)).order == 1
    with pytest.raises(UserError, match="cannot be pruned to 7"):
        prune_to(model, 7)


@pytest.mark.parametrize("threshold", [-1e-9, math.nan, math.inf])
def test_thresholds_that_make_no_sense(model, threshold):
    with pytest.raises(UserError, match="threshold"):
        prune(model, threshold)


def test_normalising_a_sound_model_changes_little(model):
    again = normalise(model)
    for a, b in zip(model.levels, again.levels, strict=True):
        np.testing.assert_allclose(a.backoff, b.backoff, atol=1e-4)


def test_perplexity_rises_little_and_counts_weigh_histories_better():
    ngrams = estimate(read_text([reference("train.txt")]))
    heldout = list(read_text([reference("heldout.txt")]))
    before = perplexity(entries(ngrams), heldout, "word", 3)
    half = perplexity(entries(prune_to(ngrams, size(ngrams) // 2)), heldout, "word", 3)
    assert half < 1.05 * before
    small = size(ngrams) // 4
    by_counts = perplexity(entries(prune_to(ngrams, small)), heldout, "word", 3)
    by_model = perplexity(entries(prune_to(plain(ngrams), small)), heldout, "word", 3)
    assert by_counts < 1.12 * before and by_counts < by_model
