"""Calibrating confidences by which words are right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recog.errors import UserError
from recog.evaluation.confidence import expected_calibration_error, normalised_cross_entropy
from recog.model.config import Calibration
from recog.tuning.calibration import calibrate


def simulated(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Raw confidences whose square root is the truth."""
    rng = np.random.default_rng(seed)
    raw = rng.uniform(0.001, 1.0, count) ** 2
    return raw, rng.uniform(size=count) < np.sqrt(raw)


def test_calibration_finds_the_truth():
    calibration = calibrate(*simulated(20_000))
    assert 5 < len(calibration.raw) <= 20
    raw = np.array([0.01, 0.04, 0.25, 0.49, 0.81])
    assert calibration.apply(raw) == pytest.approx(np.sqrt(raw), abs=0.04)
    fresh, right = simulated(20_000, seed=1)
    assert expected_calibration_error(fresh, right) > 0.1
    assert expected_calibration_error(calibration.apply(fresh), right) < 0.02
    assert normalised_cross_entropy(calibration.apply(fresh), right) > normalised_cross_entropy(
        fresh, right
    )
    assert calibration(0.25) == calibration.apply([0.25])[0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=120), st.integers(1, 6)
)
def test_any_calibration_is_valid_and_monotone(words, knots):
    calibration = calibrate([c for c, _ in words], [ok for _, ok in words], max_knots=knots)
    assert len(calibration.raw) <= knots
    assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration
    values = calibration.apply(np.linspace(0, 1, 50))
    assert (np.diff(values) >= 0).all() and values[0] > 0 and values[-1] < 1


def test_pooling_by_hand():
    calibration = calibrate(
        np.repeat([0.1, 0.2, 0.4], 100), [k % 4 == 0 for k in range(200)] + [True] * 100
    )
    # 0.1 and 0.2 are equally right, and pooled
    assert calibration.raw == pytest.approx((math.sqrt(0.02), 0.4))
    assert calibration.right == pytest.approx((0.25, 0.995))


@pytest.mark.parametrize(
    "fields",
    [
        {"raw": (0.1, 0.2), "right": (0.5,)},
        {"raw": (0.2, 0.1), "right": (0.1, 0.2)},
        {"raw": (0.1, 0.2), "right": (0.2, 0.1)},
        {"raw": (0.0, 0.2), "right": (0.1, 0.2)},
        {"raw": (0.1, math.nan), "right": (0.1, 0.2)},
        {"raw": (0.1, 0.2), "right": (0.1, 1.2)},
        {"raw": (), "right": ()},
        {"raw": (0.1,), "right": (0.1,), "kind": "platt"},
        {"raw": (0.1,), "right": (0.1,), "more": 1},
    ],
)
def test_invalid_calibrations_are_refused(fields):
    with pytest.raises(ValidationError):
        Calibration.model_validate(fields)


def test_nothing_to_calibrate_on():
    with pytest.raises(UserError, match="no recognised words"):
        calibrate([], [])
    for confidences in ([0.1, 0.2], [1.5], [math.nan]):
        with pytest.raises(ValueError):
            calibrate(confidences, [True])
