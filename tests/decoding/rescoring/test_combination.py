"""Readings ordered anew, against the best of all texts that their words can make."""

from itertools import product

import numpy as np
import pytest

from recog.decoding import Decoder, log_prob_of
from recog.decoding.rescoring import combination as module
from recog.decoding.rescoring.combination import NBestCombination
from recog.decoding.rescoring.nbest import Rescorer
from recog.decoding.rescoring.test_time_augmentation import decode_variants

SYMBOLS = ["_", " ", *"abcdefgh"]
# letters that are less likely, each where the one before it in the alphabet is more so
FEWER = "bdfh"


class Likes:
    """A language model to which a text is the likelier, the more of some letters it has; it
    remembers what it was asked."""

    def __init__(self, letters: str = FEWER) -> None:
        self.letters = letters
        self.asked: list[str] = []

    def score(self, texts, before=None, *, sentence=None):
        self.asked += texts
        return np.array([2.0 * count(text, self.letters) for text in texts])

    def alike(self, texts):
        return len(set(texts)) <= 1


def count(text: str, letters: str = FEWER) -> int:
    return sum(map(text.count, letters))


def doubtful(words: int, share: float = 0.55) -> np.ndarray:
    """Words of one letter: rather "a" than "b", then rather "c" than "d", and so on."""
    probs = np.full((2 * words - 1, len(SYMBOLS)), 0.001)
    for k in range(words):
        probs[2 * k, 2 + 2 * k : 4 + 2 * k] = share, 1.0 - share
        probs[2 * k + 1 : 2 * k + 2, 1] = 1.0
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


def decoder(n_best: int) -> Decoder:
    return Decoder(SYMBOLS, beam_width=200, n_best=n_best, threads=1)


@pytest.mark.parametrize("shares", [(0.55,), (0.55, 0.6)])
def test_words_of_several_readings_make_the_best_one(shares: tuple[float, ...]) -> None:
    views = [doubtful(4, share) for share in shares]
    [found] = decode_variants(decoder(5), [views])
    assert "b d f h" not in [reading.text for reading in found]
    best, *others = NBestCombination(decoder(5), Rescorer(Likes(), 0.5))(found, views)

    def worth(text: str) -> tuple[float, float]:
        tokens = [SYMBOLS.index(symbol) for symbol in text]
        own = float(np.mean([log_prob_of(view, tokens) for view in views]))
        return own + count(text), own

    every = {
        " ".join(letters): worth(" ".join(letters)) for letters in product("ab", "cd", "ef", "gh")
    }
    assert best.text == max(every, key=lambda text: every[text]) == "b d f h"
    assert (best.score, best.log_prob) == pytest.approx(every["b d f h"], abs=1e-5)
    scores = [best.score, *(reading.score for reading in others)]
    assert scores == sorted(scores, reverse=True) and len(
        {reading.text for reading in (best, *others)}
    ) == len(scores)


def test_what_is_far_behind_is_not_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    views = [doubtful(4)]
    [found] = decode_variants(decoder(5), [views])
    likes = Likes()
    monkeypatch.setattr(module, "BEHIND", 0.3)  # two such letters cost 0.4
    best = NBestCombination(decoder(5), Rescorer(likes, 0.5))(found, views)[0]
    assert count(best.text) == 1 and all(count(text) < 2 for text in likes.asked)


def test_only_contenders_are_asked_about() -> None:
    views = [doubtful(4, 0.9)]
    [found] = decode_variants(decoder(5), [views])
    likes = Likes()
    combine = NBestCombination(decoder(5), Rescorer(likes, 5.0, margin=1.0))
    assert combine(found, views) == found[:1] and likes.asked == []
    ranked = combine(found, views, include_distant=True)
    assert {reading.tokens for reading in ranked} == {reading.tokens for reading in found}
    assert ranked[0].text == found[0].text and ranked[1].score > ranked[0].score, (
        "who looks at more sees the same text"
    )


def test_what_is_written_alike_is_one_reading() -> None:
    views = [doubtful(2)]
    [found] = decode_variants(decoder(8), [views])
    likes = Likes("x")
    combine = NBestCombination(
        decoder(8),
        Rescorer(likes, 0.5),
        lambda readings: [r.text.replace("b", "a") for r in readings],
    )
    texts = [reading.text for reading in combine(found, views)]
    assert texts[0] == "a c" and "b c" not in texts
    assert len(likes.asked) == len(set(likes.asked))


def test_the_model_is_not_asked_what_it_cannot_tell_apart() -> None:
    views = [doubtful(2)]
    [found] = decode_variants(decoder(8), [views])
    likes = Likes()
    likes.alike = lambda texts: True
    ranked = NBestCombination(decoder(8), Rescorer(likes, 0.5))(found, views)
    assert [reading.text for reading in ranked] == [
        reading.text for reading in found
    ] and likes.asked == []


def test_symbols_without_a_space_are_ordered_only() -> None:
    frames = np.log(np.array([[0.1, 0.5, 0.4], [0.98, 0.01, 0.01]], np.float32))
    plain = Decoder(["_", "a", "b"], beam_width=20, n_best=3, threads=1)
    [found] = decode_variants(plain, [[frames]])
    assert NBestCombination(plain, Rescorer(Likes(), 0.5))(found, [frames])[0].text == "b"


def test_the_boost_of_a_hotword_survives_though_the_neural_model_takes_the_place_of_the_other() -> (
    None
):
    views = [doubtful(3)]
    hot = Decoder(SYMBOLS, beam_width=200, n_best=20, threads=1, hotwords={"c": 4.0})
    [found] = decode_variants(hot, [views])
    instead = Rescorer(Likes(), 0.5, interpolate=1.0)
    assert (
        NBestCombination(decoder(20), instead)(decode_variants(decoder(20), [views])[0], views)[
            0
        ].text
        == "b d f"
    )
    assert NBestCombination(hot, instead)(found, views)[0].text == "b c f"
