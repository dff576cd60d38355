"""Language models and hotwords in the beam, against sums over every labelling and a plain
dictionary of n-grams."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from recog.decoding import Decoder, InvalidInputError, log_prob_of
from recog.decoding.beam.beam import COUNT
from recog.decoding.beam.prefix_trie import ROOT
from recog.decoding.beam.search import probabilities
from recog.decoding.fusion.hotwords import build_hotwords
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.trie import NGramTrie

LN10 = math.log(10)
WORDS = ["a", "ab a", "b a b", "ab ba", "ba", "a ab", "ab ab ba a", "b"]
CHARACTERS = ["ab ba", "abba", "a b", "baba ab", "bb a"]


class Plain:
    """An n-gram model as dictionaries, asked the slow way."""

    def __init__(self, trie: NGramTrie) -> None:
        model = trie.to_ngrams()
        self.order, self.words = model.order, set(model.words)
        self.grams = [
            {
                tuple(model.words[i] for i in ids): (float(p), float(b))
                for ids, p, b in zip(level.ids.tolist(), level.log_prob, level.backoff, strict=True)
            }
            for level in model.levels
        ]

    def log_prob(self, words: list[str], history: list[str]) -> float:
        total, seen = 0.0, list(history)
        for word in (w if w in self.words else "<unk>" for w in words):
            context = tuple(seen[-(self.order - 1) :]) if self.order > 1 else ()
            while (*context, word) not in self.grams[len(context)]:
                total += self.grams[len(context) - 1].get(context, (0.0, 0.0))[1]
                context = context[1:]
            total += self.grams[len(context)][(*context, word)][0]
            seen.append(word)
        return total * LN10


@pytest.fixture(scope="module")
def words() -> NGramTrie:
    return NGramTrie.from_ngrams(estimate(WORDS, unit="word", order=2))


@pytest.fixture(scope="module")
def characters() -> NGramTrie:
    return NGramTrie.from_ngrams(estimate(CHARACTERS, unit="character", order=3))


def matrices(count: int, seed: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1.5, (count, 5, 4))
    return list((x - np.log(np.exp(x).sum(axis=-1, keepdims=True))).astype(np.float32))


def ranked(log_probs: np.ndarray, symbols: list[str], weight) -> list[tuple[float, str]]:
    """Every labelling's score and text, best first; ``weight`` gives what a text adds, or None
    where it may not be."""
    rows = []
    for n in range(len(log_probs) + 1):
        for labels in product(range(1, len(symbols)), repeat=n):
            log_prob = log_prob_of(log_probs, labels)
            text = "".join(symbols[k] for k in labels)
            added = weight(text)
            if log_prob > -np.inf and added is not None:
                rows.append((log_prob + added, text))
    return sorted(rows, reverse=True)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("sentence", [False, True])
def test_a_model_of_words_ranks_as_its_formula_says(
    words: NGramTrie, closed: bool, sentence: bool
) -> None:
    alpha, beta, cost, boosts = 0.7, 0.4, 0.5, {"ba": 1.5, "a b": 0.7}
    symbols, plain = ["_", "a", "b", " "], Plain(words)
    decoder = Decoder(
        symbols, beam_width=500, n_best=3, lm=words, alpha=alpha, beta=beta, closed_vocabulary=closed,
        sentence=sentence, unknown_cost=cost, hotwords=boosts,
    )  # fmt: skip

    def weight(text: str) -> float | None:
        said = text.split()
        unknown = [w for w in said if w not in plain.words]
        if closed and (unknown or text.startswith(" ") or "  " in text):
            return None
        log_prob = plain.log_prob(
            [*said, *(["</s>"] if sentence else [])], ["<s>"] if sentence else []
        )
        total = alpha * (log_prob - cost * len("".join(unknown))) + beta * len(said)
        padded = f" {text} "
        for phrase, boost in boosts.items():
            total += boost * sum(padded[i:].startswith(f" {phrase} ") for i in range(len(padded)))
        return total

    for log_probs in matrices(4):
        found = decoder.decode([log_probs])[0]
        for hypothesis, (score, _) in zip(found, ranked(log_probs, symbols, weight), strict=False):
            assert hypothesis.score == pytest.approx(score, abs=1e-4)
            assert hypothesis.log_prob == pytest.approx(
                log_prob_of(log_probs, hypothesis.tokens), abs=1e-6
            )
            assert hypothesis.score - hypothesis.log_prob == pytest.approx(
                weight(hypothesis.text), abs=1e-4
            )


@pytest.mark.parametrize(
    "symbols", [["_", "a", "b", " "], ["_", "a", "ab", " b"], ["_", "a", "c", "b"]]
)
@pytest.mark.parametrize("sentence", [False, True])
def test_a_model_of_characters_ranks_as_its_formula_says(
    characters: NGramTrie, symbols: list[str], sentence: bool
) -> None:
    alpha, beta, plain = 0.8, 0.3, Plain(characters)
    decoder = Decoder(
        symbols, beam_width=500, n_best=3, lm=characters, alpha=alpha, beta=beta, sentence=sentence
    )  # fmt: skip

    def weight(text: str) -> float:
        tokens = ["|" if c == " " else c for c in text]
        ends = ["</s>"] if sentence else []
        return alpha * plain.log_prob([*tokens, *ends], ["<s>"] if sentence else []) + beta * len(
            text
        )

    for log_probs in matrices(3):
        found = decoder.decode([log_probs])[0]
        for hypothesis, (score, _) in zip(found, ranked(log_probs, symbols, weight), strict=False):
            assert hypothesis.score == pytest.approx(score, abs=1e-4)


def test_symbols_of_several_characters_end_and_spell_words(words: NGramTrie) -> None:
    symbols, plain = ["_", "▁a", "b", "▁ba"], Plain(words)
    decoder = Decoder(symbols, beam_width=500, lm=words, alpha=0.6, beta=0.2, unknown_cost=1.0)

    def weight(text: str) -> float:
        said = text.replace("▁", " ").split()
        cost = sum(len(w) for w in said if w not in plain.words)
        return 0.6 * (plain.log_prob(said, []) - cost) + 0.2 * len(said)

    for log_probs in matrices(3):
        best = decoder.decode([log_probs])[0][0]
        assert best.score == pytest.approx(ranked(log_probs, symbols, weight)[0][0], abs=1e-4)


def test_weights_of_zero_are_no_model(words: NGramTrie) -> None:
    symbols = ["_", "a", "b", " "]
    for width in (1, 3, 20):
        without = Decoder(symbols, beam_width=width, n_best=width).decode(matrices(20))
        assert (
            Decoder(symbols, beam_width=width, n_best=width, lm=words, alpha=0, beta=0).decode(
                matrices(20)
            )
            == without
        )


def test_a_narrow_beam_with_a_model_is_no_worse_than_best_path_with_it(words: NGramTrie) -> None:
    symbols = ["_", "a", "b", " "]
    decoder = Decoder(symbols, beam_width=1, lm=words, alpha=0.5, beta=0.1)
    plain = Decoder(symbols, beam_width=1)
    for log_probs in matrices(40, seed=5):
        best = decoder.decode([log_probs])[0][0]
        path = plain.decode([log_probs])[0][0]
        assert best.score >= path.log_prob + decoder.weight(path.tokens) - 1e-9


def test_a_batch_gives_what_single_calls_give(words: NGramTrie) -> None:
    items = matrices(12)
    decoder = Decoder(["_", "a", "b", " "], beam_width=10, n_best=3, lm=words, threads=4)
    assert decoder.decode(items) == [decoder.decode([item])[0] for item in items]


def test_unknown_words_cost_and_can_be_spelled() -> None:
    trie = NGramTrie.from_ngrams(estimate(["aa", "aa", "ab"], unit="word", order=1))
    x = np.log(np.array([[0.02, 0.02, 0.96], [0.96, 0.02, 0.02], [0.02, 0.02, 0.96]], np.float32))
    for cost in (0.0, 1.0):
        best = Decoder(["_", "a", "b"], lm=trie, alpha=1.0, beta=0.0, unknown_cost=cost).decode(
            [x]
        )[0][0]
        assert best.text == "bb"
        plain = Plain(trie).log_prob(["bb"], [])
        assert best.score - best.log_prob == pytest.approx(plain - 2 * cost, abs=1e-5)


def test_a_closed_vocabulary_gives_whole_words_only(words: NGramTrie) -> None:
    decoder = Decoder(
        ["_", "a", "b", " "], beam_width=3, n_best=3, lm=words, closed_vocabulary=True
    )
    for hypotheses in decoder.decode(matrices(60, seed=11)):
        for hypothesis in hypotheses:
            assert set(hypothesis.text.split()) <= {"a", "b", "ab", "ba"}


def test_the_text_before_goes_on_across_lines_and_hyphens(
    characters: NGramTrie, words: NGramTrie
) -> None:
    x = np.log(np.full((6, 4), 0.25, np.float32))
    plain = Plain(characters)
    decoder = Decoder(["_", "a", "b", " "], beam_width=400, lm=characters, alpha=1.0, beta=0.0)
    [after_line], [after_hyphen] = decoder.decode([x, x], before=["ab", "a-"])
    for hypothesis, history in ((after_line, ["a", "b", "|"]), (after_hyphen, ["a"])):
        tokens = ["|" if c == " " else c for c in hypothesis.text]
        expected = plain.log_prob(history + tokens, []) - plain.log_prob(history, [])
        assert hypothesis.score - hypothesis.log_prob == pytest.approx(expected, abs=1e-4)
    of_words = Decoder(
        ["_", "a", "b", " "], beam_width=400, lm=words, alpha=1.0, beta=0.0, unknown_cost=0.0
    )
    b = of_words.symbols.index("b")
    assert of_words.weight([b], before="b a-") == pytest.approx(
        Plain(words).log_prob(["ab"], ["b"]), abs=1e-5
    )  # "a-" and "b" are the word "ab"


@pytest.mark.parametrize("width", [5, 50])
def test_a_hotword_wins_where_it_nearly_does_and_not_where_it_cannot(width: int) -> None:
    symbols = ["_", "c", "a", "t", "p", " "]
    path = ["c", "_", "a", "_", "t"]
    x = np.full((5, 6), 0.002)
    for t, symbol in enumerate(path):
        x[t, symbols.index(symbol)] = 0.6
    x[0, symbols.index("p")] = 0.39
    log_probs = np.log(x / x.sum(axis=1, keepdims=True)).astype(np.float32)
    assert Decoder(symbols, beam_width=width).decode([log_probs])[0][0].text == "cat"
    assert (
        Decoder(symbols, beam_width=width, hotwords=["pat"]).decode([log_probs])[0][0].text == "pat"
    )
    assert (
        Decoder(symbols, beam_width=width, hotwords={"tap": 5.0}).decode([log_probs])[0][0].text
        == "cat"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hotwords": ["dog"]}, "cannot be spelled"),
        ({"hotwords": [" "]}, "empty"),
        ({"hotwords": {"a": 51.0}}, "between 0 and 50"),
        ({"hotwords": {"a": math.nan}}, "between 0 and 50"),
        ({"hotwords": "ab"}, "a list"),
        ({"alpha": -1.0}, "alpha"),
        ({"beta": math.inf}, "beta"),
        ({"unknown_cost": -0.1}, "unknown_cost"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    words: NGramTrie, options: dict, said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Decoder(["_", "a", "b", " "], lm=words, **options)


def test_a_closed_vocabulary_needs_words(characters: NGramTrie) -> None:
    with pytest.raises(InvalidInputError, match="words"):
        Decoder(["_", "a", " "], lm=characters, closed_vocabulary=True)


def naive_beam(
    probs: np.ndarray, symbols: list[str], boosts: dict[str, float], width: int
) -> dict[tuple[int, ...], float]:
    """Weighted masses of the prefixes that are left, by dictionaries: all extensions of all
    prefixes, then the best."""
    codes = {symbol: i for i, symbol in enumerate(sorted(set(symbols[1:]) - {" "}), 1)} | {" ": 0}
    automaton = build_hotwords(boosts, codes, words=True)
    beam = {(): (math.exp(automaton.loan[automaton.start]), 0.0, automaton.start)}
    for p in probs:
        new: dict[tuple[int, ...], list] = {}
        for prefix, (blank, last, state) in beam.items():
            stay = new.setdefault(prefix, [0.0, 0.0, state])
            stay[0] += (blank + last) * p[0]
            stay[1] += last * p[prefix[-1]] if prefix else 0.0
            for k in range(1, len(p)):
                after = int(automaton.following[state, codes[symbols[k]]])
                factor = math.exp(
                    automaton.gain[after] + automaton.loan[after] - automaton.loan[state]
                )
                mass = (blank if prefix and prefix[-1] == k else blank + last) * p[k] * factor
                new.setdefault((*prefix, k), [0.0, 0.0, after])[1] += mass
        kept = sorted(new.items(), key=lambda item: -(item[1][0] + item[1][1]))[:width]
        beam = {prefix: (row[0], row[1], row[2]) for prefix, row in kept}
    return {prefix: blank + last for prefix, (blank, last, _) in beam.items()}


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_narrow_beam_keeps_what_a_naive_one_keeps(width: int) -> None:
    symbols, boosts = ["_", "a", "b", " "], {"a": 2.0, "a b": 5.0, "b": 1.0}
    decoder = Decoder(symbols, beam_width=width, hotwords=boosts)
    for log_probs in matrices(30, seed=width):
        probs, _ = probabilities(log_probs)
        search = decoder.begin()
        search.feed(probs)
        beam, trie = search._beam, search._trie
        found = {}
        for row in range(int(beam.counters[COUNT])):
            node, labels = int(beam.rows[row]["node"]), []
            while node != ROOT:
                labels.append(int(trie.nodes[node]["label"]))
                node = int(trie.nodes[node]["parent"])
            found[tuple(reversed(labels))] = float(beam.total[row])
        assert found == pytest.approx(naive_beam(probs, symbols, boosts, width))


@pytest.mark.parametrize("space", [True, False])
def test_boosts_are_what_hotwords_add_to_the_weight(space: bool) -> None:
    lm = (
        NGramTrie.from_ngrams(estimate(["ab a", "b ab", "a b"], unit="word", order=2))
        if space
        else None
    )
    symbols = ["_", "a", "b", *([" "] if space else [])]
    boosts = {"a": 2.0, "ab": 5.0, "b": 1.0} | ({"a b": 3.0} if space else {})
    plain, hot = Decoder(symbols, lm=lm), Decoder(symbols, lm=lm, hotwords=boosts)
    rng = np.random.default_rng(0)
    for before in (None, "b a"):
        for _ in range(40):
            tokens = tuple(rng.integers(1, len(symbols), rng.integers(0, 9)).tolist())
            expected = hot.weight(tokens, before=before) - plain.weight(tokens, before=before)
            assert hot.boosts(tokens, before=before) == pytest.approx(expected, abs=1e-9)
            assert plain.boosts(tokens, before=before) == 0.0
    assert hot.boosts((1, 2)) > 0.0


def test_pieces_that_begin_words_can_begin_a_text_of_a_closed_vocabulary() -> None:
    lm = NGramTrie.from_ngrams(estimate(["the cat", "the", "cat the"], unit="word", order=2))
    x = np.log(np.array([[0.02, 0.94, 0.02, 0.02], [0.02, 0.02, 0.94, 0.02]], np.float32))
    [[best]] = Decoder(["_", "▁the", "▁cat", "s"], lm=lm, closed_vocabulary=True).decode([x])
    assert best.text == "▁the▁cat"


def test_large_weights_do_not_overflow(characters: NGramTrie, words: NGramTrie) -> None:
    x = matrices(1)
    for lm, symbols in ((characters, ["_", "abbaabbaa", "b"]), (words, ["_", "a", "b", " "])):
        for beta in (-100.0, 100.0):
            assert np.isfinite(
                Decoder(symbols, lm=lm, beta=beta).decode([x[0][:, : len(symbols)]])[0][0].score
            )
    with pytest.raises(InvalidInputError, match="add up"):
        Decoder(["_", "a", " "], hotwords={" ".join("a" * n): 50.0 for n in range(1, 30)})


def test_a_trie_that_grows_finds_its_prefixes_again(characters: NGramTrie) -> None:
    """Prefixes that fell out of the beam come back to their nodes: no node is made twice, however
    often it grows."""
    rng = np.random.default_rng(5)
    scores = rng.normal(0, 1.0, (300, 4))
    log_probs = (scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32)
    decoder = Decoder(["_", "a", "b", " "], lm=characters, beam_width=20)
    probs, _ = probabilities(log_probs)
    search = decoder.begin()
    for t in range(0, 300, 50):
        search.feed(probs[t : t + 50])
        search._grow(len(search._trie.nodes) - int(search._trie.size[0]) + 1)
    trie = search._trie
    nodes = trie.nodes[ROOT + 1 : int(trie.size[0])]
    spelled = set(zip(nodes["parent"].tolist(), nodes["label"].tolist(), strict=True))
    assert len(spelled) == len(nodes) > 300
    assert sorted(trie.table[trie.table > 0].tolist()) == list(range(ROOT + 1, int(trie.size[0])))
    plain = decoder.begin()
    plain.feed(probs)
    assert (plain._beam.total == search._beam.total).all()


def test_a_best_text_alone_makes_better_use_of_a_narrow_beam(words: NGramTrie) -> None:
    """Prefixes that the model continues alike leave room for others, where no alternatives are
    asked for."""
    gained, short = [], []
    for seed in range(30):
        x = np.random.default_rng(seed).normal([1.5, 0.0, 0.0, 0.0], 3.0, (60, 4))
        log_probs = np.asarray(x - np.log(np.exp(x).sum(axis=1, keepdims=True)), np.float32)
        (alone, apart, best) = (
            Decoder(
                ["_", "a", "b", " "], beam_width=width, n_best=n, lm=words, alpha=0.8, beta=0.3
            ).decode([log_probs])
            for width, n in ((8, 1), (8, 2), (400, 2))
        )
        assert len(alone[0]) == 1
        assert alone[0][0].log_prob == pytest.approx(
            log_prob_of(log_probs, alone[0][0].tokens), abs=1e-5
        )
        gained.append(alone[0][0].score - apart[0][0].score)
        short.append(best[0][0].score - alone[0][0].score)
    assert np.mean(gained) > 0.3 and np.mean(short) < 0.2, (gained, short)


def test_what_recombined_is_among_the_n_best_again(
    words: NGramTrie, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the true best six, those that gave way to the best one are found; with their exact scores,
    best first, once each."""
    found = {True: 0, False: 0}
    for seed in range(20):
        x = np.random.default_rng(seed).normal([1.5, 0.0, 0.0, 0.0], 3.0, (40, 4))
        log_probs = np.asarray(x - np.log(np.exp(x).sum(axis=1, keepdims=True)), np.float32)
        options = {"lm": words, "alpha": 0.8, "beta": 0.3, "threads": 1}
        [truth] = Decoder(["_", "a", "b", " "], beam_width=600, n_best=6, **options).decode(
            [log_probs]
        )
        decoder = Decoder(["_", "a", "b", " "], beam_width=40, **options)
        for with_alternatives in (True, False):
            with monkeypatch.context() as patch:
                if not with_alternatives:
                    patch.setattr(
                        "recog.decoding.beam.recombination.recombined_alternatives",
                        lambda *arguments: [],
                    )
                [readings] = decoder.decode([log_probs], n_best=6)
            assert readings[0].score >= decoder.decode([log_probs])[0][0].score - 1e-9
            assert len({reading.tokens for reading in readings}) == len(readings) <= 6
            assert [r.score for r in readings] == sorted((r.score for r in readings), reverse=True)
            for reading in readings:
                assert reading.log_prob == pytest.approx(
                    log_prob_of(log_probs, reading.tokens), abs=1e-5
                )
                assert reading.score == pytest.approx(
                    reading.log_prob + decoder.weight(reading.tokens), abs=1e-5
                )
                assert len(reading.timesteps) == len(reading.tokens)
                assert reading.text == "".join("_ab "[token] for token in reading.tokens)
            found[with_alternatives] += len(
                {r.tokens for r in truth} & {r.tokens for r in readings}
            )
    assert found[True] > 70 and found[True] > 1.7 * found[False], found


def test_the_kernels_type_of_the_tables_is_that_of_real_ones() -> None:
    from numba import typeof

    from recog.decoding.beam.types import FUSION
    from recog.decoding.fusion.tables import make_fusion

    options = {"alpha": 1.0, "beta": 0.0, "closed_vocabulary": False, "unknown_cost": 1.0}
    for boosts in ({}, {"a": 2.0}):
        tables = make_fusion(["", "a", " "], None, hotwords=boosts, **options).tables
        assert typeof(tables) == FUSION
