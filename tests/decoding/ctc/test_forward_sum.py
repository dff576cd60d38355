from __future__ import annotations

import math

import numpy as np
import pytest

from recog.decoding import InvalidInputError, log_prob_of
from recog.decoding.ctc.forward_sum import LOGARITHMIC, _sums


def normalised(
    rng: np.random.Generator, frames: int, symbols: int, scale: float = 1.5
) -> np.ndarray:
    x = rng.normal(0.0, scale, (frames, symbols))
    return (x - np.log(np.exp(x).sum(axis=1, keepdims=True))).astype(np.float32)


def test_two_frames_by_hand() -> None:
    log_probs = np.log(np.array([[0.5, 0.3, 0.2], [0.6, 0.1, 0.3]], np.float32))
    assert log_prob_of(log_probs, []) == pytest.approx(math.log(0.5 * 0.6), abs=1e-6)
    assert log_prob_of(log_probs, [1]) == pytest.approx(
        math.log(0.3 * 0.1 + 0.3 * 0.6 + 0.5 * 0.1), abs=1e-6
    )
    assert log_prob_of(log_probs, [1, 2]) == pytest.approx(math.log(0.3 * 0.3), abs=1e-6)
    assert log_prob_of(log_probs, [1, 1]) == -math.inf  # needs a blank between


@pytest.mark.parametrize(
    ("frames", "count", "scale"), [(1, 1, 1.0), (40, 12, 1.5), (300, 120, 1.5), (500, 3, 40.0)]
)
def test_agrees_with_log_add(frames: int, count: int, scale: float) -> None:
    rng = np.random.default_rng(frames)
    log_probs = normalised(rng, frames, 6, scale)
    labels = rng.integers(1, 6, count).astype(np.int32)
    assert log_prob_of(log_probs, labels.tolist()) == pytest.approx(
        _sums(log_probs, [(0, frames)], [labels.tolist()], LOGARITHMIC)[0], abs=1e-9
    )


def test_an_improbable_labelling_of_2000_frames_does_not_underflow() -> None:
    """All but certain blanks, and 60 labels of probability e^-40 each: far below float64's
    range."""
    log_probs = np.full((2000, 3), -40.0, np.float32)
    log_probs[:, 0] = 0.0
    labels = [1, 2] * 30
    placements = math.lgamma(2001) - math.lgamma(61) - math.lgamma(1941)  # each label in one frame
    assert log_prob_of(log_probs, labels) == pytest.approx(placements - 2400.0, abs=1e-6)


def test_a_symbol_below_every_float64() -> None:
    log_probs = np.array([[0.0, -2000.0], [-3000.0, 0.0]], np.float32)
    assert log_prob_of(log_probs, []) == -3000.0
    assert log_prob_of(log_probs, [1]) == 0.0
    assert log_prob_of(np.array([[0.0, -2000.0]], np.float32), [1]) == -2000.0


def test_impossible() -> None:
    log_probs = np.log(np.full((3, 3), 1.0 / 3.0))
    assert log_prob_of(log_probs, [1, 2, 1, 2]) == -math.inf
    log_probs[:, 2] = -np.inf
    assert log_prob_of(log_probs, [1, 2]) == -math.inf
    # 100 010 001 110 011 111
    assert log_prob_of(log_probs, [1]) == pytest.approx(math.log(6 / 27), abs=1e-6)


def test_no_frames() -> None:
    assert log_prob_of(np.zeros((0, 3)), []) == 0.0
    assert log_prob_of(np.zeros((0, 3)), [1]) == -math.inf


@pytest.mark.parametrize("labels", [[0], [3], [-1], [1.5]])
def test_wrong_labels(labels: list[int]) -> None:
    with pytest.raises(InvalidInputError, match="label"):
        log_prob_of(np.log(np.full((3, 3), 1.0 / 3.0)), labels)
