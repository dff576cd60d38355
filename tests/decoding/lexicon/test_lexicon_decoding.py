"""A lexicon of sounds in the beam, and which of the words that sound alike were said, against every
way there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from test_fusion import Plain, matrices, ranked

from recog.decoding import Decoder, InvalidInputError
from recog.decoding.lexicon.homophones import Homophones
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.trie import NGramTrie

TEXTS = [
    "to be or not to be",
    "be two",
    "two bees to see",
    "too",
    "not two",
    "sea bees see to it",
    "or to see two",
]
LEXICON = {
    "to": ["x", "xy"], "two": ["x"], "too": ["x"], "be": ["y"], "bees": ["yx", "y"], "see": ["xx"], "sea": ["xx"],
    "elsewhere": ["yy"],
}  # fmt: skip
SYMBOLS = ["", "x", "y", " "]


@pytest.fixture(scope="module")
def lm() -> NGramTrie:
    return NGramTrie.from_ngrams(estimate(TEXTS, unit="word", order=3))


def alike(said: str) -> list[str]:
    return [word for word, ways in LEXICON.items() if said in ways]


@pytest.mark.parametrize("closed", [False, True])
def test_what_is_spelled_counts_as_the_likeliest_word_that_is_spelled_so(
    lm: NGramTrie, closed: bool
) -> None:
    alpha, beta, cost, plain = 0.8, 0.3, 0.4, Plain(lm)
    decoder = Decoder(
        SYMBOLS, beam_width=500, n_best=3, lm=lm, alpha=alpha, beta=beta, unknown_cost=cost, closed_vocabulary=closed,
        lexicon=LEXICON,
    )  # fmt: skip

    def weight(text: str) -> float | None:
        if closed and (text.startswith(" ") or "  " in text):
            return None
        total, history = 0.0, []
        for said in text.split():
            words = alike(said)
            if closed and not words:
                return None
            scores = {word: plain.log_prob([word], history) for word in words or ["<unk>"]}
            scores = {
                word: p - (0.0 if word in plain.words - {"<unk>"} else cost * len(said))
                for word, p in scores.items()
            }
            best = max(scores, key=lambda word: scores[word])
            total += alpha * scores[best] + beta
            history.append(best)
        return total

    for log_probs in matrices(4, seed=5):
        found = decoder.decode([log_probs])[0]
        for hypothesis, (score, _) in zip(found, ranked(log_probs, SYMBOLS, weight), strict=False):
            assert hypothesis.score == pytest.approx(score, abs=1e-4)
            assert hypothesis.score - hypothesis.log_prob == pytest.approx(
                weight(hypothesis.text), abs=1e-4
            )


@pytest.mark.parametrize("said", ["x y", "xx x y", "y x y x", "x x x", "x yx xx xy", ""])
def test_words_that_sound_alike_are_told_apart_by_the_words_on_both_sides(
    lm: NGramTrie, said: str
) -> None:
    plain = Plain(lm)
    every = [list(words) for words in product(*(alike(one) for one in said.split()))]
    scores = {tuple(words): plain.log_prob(words, []) for words in every}
    found = Homophones(lm, LEXICON).words(said.split())
    assert scores[tuple(found)] == pytest.approx(max(scores.values()))


def test_several_texts_at_once_are_as_each_alone(lm: NGramTrie) -> None:
    homophones = Homophones(lm, LEXICON)
    texts = [
        said.split() for said in ("x y", "xx x y", "yyy x", "", "x yx xx xy", "x y", "y y y y y y")
    ]
    assert homophones.words_of_each(texts) == [homophones.words(said) for said in texts]
    assert homophones.words_of_each([]) == []


def test_words_that_the_model_lacks_are_found_and_what_no_word_sounds_like_is_none(
    lm: NGramTrie,
) -> None:
    assert Homophones(lm, LEXICON).words(["yy", "x", "yyy"])[::2] == ["elsewhere", None]


@pytest.mark.parametrize(
    "hotwords", [{"too": 3.0}, {"sea two": 4.0, "see": 1.0}, {"bees too": 9.0, "two": 2.0}]
)
def test_hotwords_count_among_words_that_sound_alike(
    lm: NGramTrie, hotwords: dict[str, float]
) -> None:
    plain, said = Plain(lm), ["x", "yx", "xx", "x", "yx", "x"]
    phrases = [(phrase.split(), boost) for phrase, boost in hotwords.items()]

    def boost(words: tuple[str, ...], k: int) -> float:
        """Of the phrases that sound like what is said around a word, and have this word there."""
        fits = [0.0]
        for phrase, value in phrases:
            for j in range(len(phrase)):
                heard = said[max(k - j, 0) : k - j + len(phrase)]
                there = k >= j and len(heard) == len(phrase) and phrase[j] == words[k]
                if there and all(s in LEXICON[word] for word, s in zip(phrase, heard, strict=True)):
                    fits.append(value)
        return max(fits)

    every = list(product(*(alike(one) for one in said)))
    scores = {
        words: plain.log_prob(list(words), []) + sum(boost(words, k) for k in range(6))
        for words in every
    }
    found = tuple(Homophones(lm, LEXICON, hotwords).words(said))
    assert scores[found] == pytest.approx(max(scores.values()))
    assert found != tuple(Homophones(lm, LEXICON).words(said))


def test_a_narrow_beam_finds_the_words(lm: NGramTrie) -> None:
    path = "x_x_ yx"  # to be, with a repeated sound kept apart by the blank
    log_probs = np.full((len(path), 4), -20.0, np.float32)
    for frame, symbol in enumerate(path):
        log_probs[frame, 0 if symbol == "_" else SYMBOLS.index(symbol)] = -1e-6
    decoder = Decoder(SYMBOLS, beam_width=4, lm=lm, lexicon=LEXICON, closed_vocabulary=True)
    best = decoder.decode([log_probs])[0][0]
    assert best.text == "xx yx"
    assert Homophones(lm, LEXICON).words(best.text.split())[1] == "bees"


def test_a_lexicon_needs_a_model_of_words(lm: NGramTrie) -> None:
    with pytest.raises(InvalidInputError, match="needs a language model of words"):
        Decoder(SYMBOLS, lexicon=LEXICON)


def test_what_a_closed_vocabulary_rules_out_is_no_hypothesis(lm: NGramTrie) -> None:
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.array([[0, 0.6, 0.4, 0], [0.5, 0.1, 0.4, 0]], np.float32))
    decoder = Decoder(
        SYMBOLS,
        beam_width=5,
        n_best=5,
        lm=lm,
        closed_vocabulary=True,
        lexicon={"to": ["x"], "be": ["y"]},
    )
    found = decoder.decode([log_probs])[0]
    assert {h.text for h in found} == {"x", "y"} and all(np.isfinite(h.score) for h in found)
