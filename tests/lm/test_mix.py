"""Mixtures: distributions that sum to 1, the models' own numbers, weights that fit a text."""

import numpy as np
import pytest
from reference_models import check_ngrams, distribution_sums, entries, score

from recog.errors import UserError
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.estimation.mix import mix, tune_weights
from recog.lm.perplexity import perplexity
from recog.lm.tables import NGrams
from recog.lm.trie import NGramTrie

RANDOM = np.random.default_rng(4)


def text(weights: list[float], count: int) -> list[str]:
    """Lines of a to e in which each letter is drawn from the one before."""
    lines = []
    for _ in range(count):
        line, last = [], 0
        for _ in range(RANDOM.integers(3, 9)):
            last = (last + RANDOM.choice(len(weights), p=np.array(weights) / sum(weights))) % len(
                weights
            )
            line.append("abcde"[last])
        lines.append(" ".join(line))
    return lines


KINDS = ([6, 1, 1, 1, 1], [1, 6, 1, 1, 1])
FEWER = [1, 2, 5]  # no d, no e


@pytest.fixture(scope="module")
def models() -> list[NGrams]:
    return [
        estimate(text(KINDS[0], 80), order=3),
        estimate(text(KINDS[1], 60), order=2),
        estimate(text(FEWER, 40), order=3),
    ]


def test_distributions_sum_to_one(models):
    mixture = mix(models, [0.5, 0.3, 0.2])
    check_ngrams(mixture)
    assert mixture.order == 3 and mixture.words == ("<unk>", "<s>", "</s>", "a", "b", "c", "d", "e")
    assert distribution_sums(mixture, 2) == pytest.approx(np.ones(1 + 8 + 64), abs=2e-5)


def test_listed_probabilities_are_weighted_means(models):
    shares = (0.5, 0.3, 0.2)
    mixture, tables = entries(mix(models, [5, 3, 2])), [entries(model) for model in models]
    assert mixture.keys() == set().union(*tables)
    for ngram, (log10, _) in mixture.items():
        if ngram == ("<s>",):
            continue
        expected = 0.0
        for share, table in zip(shares, tables, strict=True):
            context = tuple(word if (word,) in table else "<unk>" for word in ngram[:-1])
            if ngram[-1:] in table:
                expected += share * 10 ** score(table, context, ngram[-1])
        assert 10**log10 == pytest.approx(expected, rel=1e-5)


def test_one_model_alone_stays_what_it_is(models):
    for model in (models[2], NGramTrie.from_ngrams(models[2])):
        alone = mix([models[0], model], [0, 1])
        assert alone.words == models[2].words
        found, own = entries(alone), entries(models[2])
        assert found.keys() == own.keys()
        for ngram, values in own.items():
            assert found[ngram] == pytest.approx(values, abs=2e-4)


def test_tuned_weights(models):
    dev = text(KINDS[0], 60) + text(KINDS[1], 30)
    weights = tune_weights(models[:2], dev)
    assert sum(weights) == pytest.approx(1) and 0.4 < weights[0] < 0.9
    best = min(perplexity(model, dev).including_unknown for model in models[:2])
    tuned = perplexity(mix(models[:2], weights), dev).including_unknown
    assert tuned < 0.99 * best
    for other in (0.2, 0.95):
        assert tuned < perplexity(mix(models[:2], [other, 1 - other]), dev).including_unknown


def test_tuning_leaves_out_what_does_not_help(models):
    noise = estimate(["e d c b a"] * 3, order=2)
    weights = tune_weights([noise, models[0]], text(KINDS[0], 60))
    assert weights[0] < 0.05
    assert tune_weights([models[0]], ["a b x y"]) == (1.0,)


def test_unknown_words_do_not_weigh(models):
    dev = text(KINDS[1], 20)
    with_names = [f"{line} Zoe" for line in dev]
    assert tune_weights(models[:2], with_names, sentence=False) == pytest.approx(
        tune_weights(models[:2], dev, sentence=False), abs=1e-3
    )


def test_what_cannot_be_mixed_is_said(models):
    characters = estimate(["ab ba"], order=2, unit="character")
    with pytest.raises(UserError, match="words and of characters"):
        mix([models[0], characters], [1, 1])
    for weights in ([1, -1], [0, 0], [float("nan"), 1]):
        with pytest.raises(UserError, match="weights must be numbers"):
            mix(models[:2], weights)
    for weights in ([1], []):
        with pytest.raises(UserError, match="one weight for each"):
            mix(models[: 2 * len(weights)], weights)
    with pytest.raises(UserError, match="no word that a model knows"):
        tune_weights(models, ["x y"], sentence=False)
