"""How far confidences can be trusted: the figures by hand, and the diagram."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import numpy as np
import pytest

from recog.evaluation.confidence import (
    expected_calibration_error,
    normalised_cross_entropy,
    reliability,
    reliability_svg,
)


def test_reliability_by_hand():
    confidences, right = [0.05, 0.15, 0.15, 0.95, 1.0], [False, True, False, True, True]
    table = reliability(confidences, right, bins=10)
    assert [(row.low, row.count, row.accuracy) for row in table] == [
        (0.0, 1, 0.0),
        (0.1, 2, 0.5),
        (0.9, 2, 1.0),
    ]
    assert table[2].confidence == pytest.approx(0.975)
    error = (1 * 0.05 + 2 * 0.35 + 2 * 0.025) / 5
    assert expected_calibration_error(confidences, right, bins=10) == pytest.approx(error)
    assert expected_calibration_error([], []) == 0.0


def test_normalised_cross_entropy_by_hand():
    assert normalised_cross_entropy([0.5, 0.5], [True, False]) == pytest.approx(0.0)
    assert normalised_cross_entropy([0.8, 0.2], [True, False]) == pytest.approx(1 + math.log2(0.8))
    assert normalised_cross_entropy([1.0, 0.0], [True, False]) == pytest.approx(1.0, abs=1e-4)
    assert normalised_cross_entropy([1.0, 0.0], [False, True]) < -10
    assert normalised_cross_entropy([0.3], [True]) == 0.0


def test_the_diagram_is_plain_svg():
    rng = np.random.default_rng(0)
    raw = rng.uniform(0.001, 1.0, 500) ** 2
    table = reliability(raw, rng.uniform(size=500) < np.sqrt(raw))
    root = ElementTree.fromstring(reliability_svg(table, title='model "x" <1> & 2'))
    ns = "{http://www.w3.org/2000/svg}"
    bars = [bar for bar in root.iter(f"{ns}rect") if bar.find(f"{ns}title") is not None]
    assert len(bars) == len(table)
    assert float(bars[-1].attrib["height"]) == pytest.approx(250 * table[-1].accuracy, abs=0.1)
    assert 'model "x" <1> & 2' in "".join(root.itertext())
    assert {element.tag.removeprefix(ns) for element in root.iter()} <= {
        "svg",
        "rect",
        "text",
        "title",
        "path",
    }
    ElementTree.fromstring(reliability_svg([]))
