"""Lines seen in several views, against the sum over all labellings."""

from itertools import product

import numpy as np
import pytest

from recog.decoding import Decoder, InvalidInputError, log_prob_of
from recog.decoding.rescoring.test_time_augmentation import decode_variants, uncertainty_of
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.trie import NGramTrie

SYMBOLS = ["_", "a", "b", "c"]


def matrices(count: int, frames: int = 5, seed: int = 3) -> list[np.ndarray]:
    x = np.random.default_rng(seed).normal(0, 1.5, (count, frames, len(SYMBOLS)))
    return list((x - np.log(np.exp(x).sum(axis=-1, keepdims=True))).astype(np.float32))


def spelled(text: str, frames: int) -> np.ndarray:
    """Log-probabilities of a text that is nearly certain, a frame a symbol."""
    probs = np.full((frames, len(SYMBOLS)), 0.001)
    for t in range(frames):
        probs[t, SYMBOLS.index(text[t]) if t < len(text) else 0] = 1.0
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


def test_one_view_is_decoded_as_ever():
    decoder = Decoder(SYMBOLS, beam_width=20, n_best=4, threads=1)
    lines = matrices(5)
    assert decode_variants(decoder, [[line] for line in lines]) == decoder.decode(lines)


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_the_best_reading_is_the_most_probable_in_the_mean_of_all_labellings(
    alpha: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("recog.decoding.rescoring.test_time_augmentation.READINGS", 500)
    model = NGramTrie.from_ngrams(estimate(["abc", "ab", "cab"], unit="character", order=3))
    decoder = Decoder(SYMBOLS, beam_width=2000, threads=1, lm=model, alpha=alpha, beta=0.2)
    differs = 0
    for first, second in zip(matrices(30), matrices(30, frames=6, seed=4), strict=True):
        [[best]] = decode_variants(decoder, [[first, second]], before=["ab"])
        scores = {}
        for n in range(6):
            for labels in product(range(1, 4), repeat=n):
                mean = np.mean([log_prob_of(view, labels) for view in (first, second)])
                if np.isfinite(mean):
                    scores[labels] = mean, mean + decoder.weight(labels, before="ab")
        truth = max(scores, key=lambda labels: scores[labels][1])
        assert best.tokens == truth and best.text == "".join(SYMBOLS[k] for k in truth)
        assert (best.log_prob, best.score) == pytest.approx(scores[truth], abs=1e-5)
        differs += truth != decoder.decode([first], before=["ab"])[0][0].tokens
    assert differs > 3  # the second view has a say


def test_lines_of_one_and_of_two_views_keep_their_order():
    decoder = Decoder(SYMBOLS, beam_width=20, threads=1)
    sure = [[spelled("ab", 4)], [spelled("ca", 4), spelled("ca", 5)], [spelled("b", 4)]]
    assert [best.text for [best] in decode_variants(decoder, sure)] == ["ab", "ca", "b"]
    assert decode_variants(decoder, []) == []


def test_what_a_view_has_no_room_for_is_left_out():
    decoder = Decoder(SYMBOLS, beam_width=20, threads=1)
    [[best]] = decode_variants(decoder, [[matrices(1, frames=1)[0], spelled("abc", 6)]])
    assert len(best.tokens) <= 1


def test_the_best_of_both_views_is_put_together():
    symbols = [*SYMBOLS, " "]
    model = NGramTrie.from_ngrams(estimate(["aa bb cc", "ca bc ac"], unit="character", order=3))
    # each has another word wrong, and is less sure of it than the other is of the right one
    first, second = "ca ba ac", "ca bc ab"
    views = []
    for text, at in ((first, 4), (second, 7)):
        probs = np.full((8, 5), 0.01)
        for t, symbol in enumerate(text):
            probs[t, symbols.index(symbol)] = 1.0
        probs[at, symbols.index("ca bc ac"[at])] = 0.5
        views.append(np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32))
    # neither view gives the true text
    narrow = Decoder(symbols, beam_width=1, threads=1, lm=model, alpha=0.01)
    assert [found[0].text for found in narrow.decode(views)] == [first, second]
    [[best]] = decode_variants(narrow, [views])
    assert best.text == "ca bc ac" and best.timesteps == (0, 1, 2, 3, 4, 5, 6, 7)
    each = [log_prob_of(view, best.tokens) for view in views]
    assert best.log_prob == pytest.approx(np.mean(each)) and len(best.tokens) == 8
    assert best.score - best.log_prob == pytest.approx(narrow.weight(best.tokens))


def test_as_many_readings_as_the_decoder_gives():
    decoder = Decoder(SYMBOLS, beam_width=50, n_best=3, threads=1)
    [found] = decode_variants(decoder, [matrices(2)])
    assert len(found) == 3 and len({h.tokens for h in found}) == 3
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_doubt_is_of_the_frames_that_are_not_blank():
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5], [0.4, 0.6]])
    assert uncertainty_of(np.log(probs).astype(np.float32)) == pytest.approx(
        -np.log([0.8, 0.6]).mean()
    )
    assert (
        uncertainty_of(np.log([[0.9, 0.1]]).astype(np.float32))
        == 0.0
        == uncertainty_of(np.zeros((0, 2), np.float32))
    )


def test_more_readings_than_the_decoder_gives_can_be_asked_for():
    line = matrices(1)[0]
    one, five = (Decoder(SYMBOLS, beam_width=100, n_best=n, threads=1) for n in (1, 5))
    assert one.decode([line], n_best=5) == five.decode([line])
    assert five.decode([line], n_best=1) == one.decode([line])
    with pytest.raises(InvalidInputError, match="n_best is 101"):
        one.decode([line], n_best=101)
