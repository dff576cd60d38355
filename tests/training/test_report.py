"""What a run writes down."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from recog.training.progress import Reporter


def test_gradient_norms_are_logged_as_mean_and_largest(tmp_path: Path):
    report = Reporter(tmp_path)
    for step in range(1, 21):
        report.step(step, 0, (1.0, 0.5, 0.0, 0.25), 1e-3, float(step), 4)
    report.close()
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(e["step"], e["gradient_norm"], e["gradient_norm_max"]) for e in entries] == [
        (10, 5.5, 10.0),
        (20, 15.5, 20.0),
    ]


def test_gradient_norms_are_in_tensorboard(tmp_path: Path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    report = Reporter(tmp_path)
    for step in range(1, 11):
        report.step(step, 0, (1.0, 0.5, 0.0, 0.25), 1e-3, float(step), 4)
    report.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/gradient_norm")] == [(10, 5.5)]
    assert [(e.step, e.value) for e in events.Scalars("train/gradient_norm_max")] == [(10, 10.0)]
