from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from recog.decoding import Alignment, InvalidInputError, viterbi, words


def planted(path: list[int], symbols: int, sure: float = 0.9) -> np.ndarray:
    probs = np.full((len(path), symbols), (1.0 - sure) / (symbols - 1))
    probs[np.arange(len(path)), path] = sure
    return np.log(probs).astype(np.float32)


def collapse(path: tuple[int, ...]) -> list[int]:
    return [s for k, s in enumerate(path) if s and (k == 0 or s != path[k - 1])]


def test_finds_a_planted_path() -> None:
    found = viterbi(planted([0, 2, 2, 0, 0, 1, 3, 3, 3, 0, 3, 0], 4), [2, 1, 3, 3])
    assert found.starts == (1, 5, 6, 10)
    assert found.ends == (3, 6, 9, 11)
    assert found.log_prob == pytest.approx(12 * math.log(0.9), abs=1e-5)
    assert found.scores == pytest.approx([math.log(0.9)] * 4, abs=1e-5)


def test_long_planted_path() -> None:
    rng = np.random.default_rng(3)
    path: list[int] = []
    for label in rng.integers(1, 30, 400):
        path += [0] * int(rng.integers(1, 4)) + [int(label)] * int(rng.integers(1, 4))
    found = viterbi(planted(path, 30), collapse(tuple(path)))
    filled = [0] * len(path)
    for label, start, end in zip(found.labels, found.starts, found.ends, strict=True):
        filled[start:end] = [label] * (end - start)
    assert filled == path


@pytest.mark.parametrize(
    "labels", [[1], [1, 2], [1, 1], [2, 1, 2], [1, 1, 2], [2, 2, 2], [1, 2, 1, 2, 1]]
)
def test_equals_the_best_of_all_paths(labels: list[int]) -> None:
    rng = np.random.default_rng(len(labels))
    for _ in range(10):
        log_probs = rng.normal(-3.0, 1.0, (5, 3)).clip(max=0).astype(np.float32)
        best = max(
            (sum(float(log_probs[t, s]) for t, s in enumerate(path)), path)
            for path in product(range(3), repeat=5)
            if collapse(path) == labels
        )
        found = viterbi(log_probs, labels)
        assert found.log_prob == pytest.approx(best[0], abs=1e-9)
        path = [0] * 5
        for label, start, end in zip(labels, found.starts, found.ends, strict=True):
            path[start:end] = [label] * (end - start)
        assert tuple(path) == best[1]


def whole_trellis(log_probs: np.ndarray, labels: list[int]) -> tuple[float, list[int], list[int]]:
    """The best alignment over all states of all frames; of equals, staying comes first, then the
    blank."""
    states = [0] + [s for label in labels for s in (label, 0)]
    score, back = np.full(len(states), -np.inf), []
    score[0] = 0.0
    for frame in log_probs.astype(np.float64):
        after, came = np.full(len(states), -np.inf), np.zeros(len(states), int)
        for k, state in enumerate(states):
            steps = [0, 1] + ([2] if state and k > 2 and states[k - 2] != state else [])
            came[k] = max((s for s in steps if s <= k), key=lambda s: score[k - s])
            after[k] = score[k - came[k]] + frame[state]
        score, _ = after, back.append(came)
    k = max((len(states) - 2, len(states) - 1), key=lambda k: score[k])
    best, path = float(score[k]), []
    for came in reversed(back):
        path.append(k)
        k -= came[k]
    path.reverse()
    starts = [path.index(2 * j + 1) for j in range(len(labels))]
    return best, starts, [start + path.count(2 * j + 1) for j, start in enumerate(starts)]


@pytest.mark.parametrize("spread", [1.0, 8.0, 40.0])
@pytest.mark.parametrize("foreign", [False, True])
def test_what_is_left_out_at_first_is_never_missed(spread: float, foreign: bool) -> None:
    rng = np.random.default_rng(int(spread) + foreign)
    for _ in range(60):
        # rounded: with ties
        logits = np.round(rng.normal(0.0, spread, (40, 5)), rng.integers(0, 3))
        log_probs = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
        labels = collapse(tuple(log_probs.argmax(axis=1).tolist()))[:14] or [1]
        if foreign:  # nothing that the frames say
            labels = [int(s) for s in rng.integers(1, 5, rng.integers(1, 15))]
        best, starts, ends = whole_trellis(log_probs, labels)
        found = viterbi(log_probs, labels)
        assert found.log_prob == pytest.approx(best, rel=1e-9)
        assert (list(found.starts), list(found.ends)) == (starts, ends)


def test_no_labels_are_all_blanks() -> None:
    assert viterbi(planted([0, 0], 3), []) == Alignment(
        (), (), (), (), pytest.approx(2 * math.log(0.9), abs=1e-6)
    )


def test_infeasible() -> None:
    with pytest.raises(InvalidInputError, match="need 3 frames"):
        viterbi(planted([1, 1], 3), [1, 1])
    log_probs = planted([1, 2], 3)
    log_probs[:, 2] = -np.inf
    with pytest.raises(InvalidInputError, match="-inf"):
        viterbi(log_probs, [1, 2])


def test_words_are_split_at_spaces() -> None:
    symbols = ["", " ", "a", "b"]
    path = [1, 0, 2, 2, 0, 3, 1, 1, 0, 3, 0]
    alignment = viterbi(planted(path, 4), collapse(tuple(path)))
    first, second = words(alignment, symbols)
    assert (first.word, first.start, first.end) == ("ab", 2, 6)
    assert (second.word, second.start, second.end) == ("b", 9, 10)
    assert first.confidence == pytest.approx(0.9, abs=1e-5)
    assert words(viterbi(planted([0, 1, 0], 4), [1]), symbols) == []


def test_word_confidence_weighs_frames() -> None:
    log_probs = planted([2, 3, 3, 0], 4)
    log_probs[1:3, 3] = math.log(0.4)
    [word] = words(viterbi(log_probs, [2, 3]), ["", " ", "a", "b"])
    assert word.confidence == pytest.approx((0.9 * 0.4 * 0.4) ** (1 / 3), abs=1e-5)
