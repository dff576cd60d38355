"""What recog gives for the samples, random log-probabilities and wrong usage stays as it was
pinned.

A change that is meant: ``python scripts/golden.py make tests/golden PART``, with the reason in the
commit.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
TOLERANCE = 0.02  # of confidences and scores, between processors


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "golden", HERE.parents[1] / "scripts" / "golden.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


golden = script()


@pytest.mark.parametrize("part", ["samples", "decode", "evaluate", "usage", "help"])
def test_nothing_has_changed(part: str) -> None:
    wanted = json.loads((HERE / f"{part}.json").read_text(encoding="utf-8"))
    value = json.loads(json.dumps(golden.PARTS[part]()))
    assert golden.differences(wanted, value, TOLERANCE) == []


def test_differences_are_seen() -> None:
    one = {"text": "a", "confidence": 0.91, "box": [[10.0, 2.0]], "start": None}
    assert (
        golden.differences(one, {**one, "confidence": 0.92, "box": [[11.0, 2.0]]}, TOLERANCE) == []
    )
    assert golden.differences(one, {**one, "confidence": 0.92}) == ["/confidence: 0.91 -> 0.92"]
    assert golden.differences(one, {**one, "box": [[13.0, 2.0]]}, TOLERANCE) == [
        "/box/0/0: 10.0 -> 13.0"
    ]
    assert golden.differences(one, {**one, "text": "b"}, TOLERANCE) == ["/text: a -> b"]
    assert golden.differences(one, {**one, "start": 0.0}, TOLERANCE) == ["/start: None -> 0.0"]
    assert len(golden.differences(one, {"text": "a", "more": 1}, TOLERANCE)) == 4
