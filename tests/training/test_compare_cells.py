"""scripts/compare_cells.py: equal parameters, the table, and a whole comparison in pieces."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

import soundfile

from recog.errors import UserError
from recog.training.recogniser.recipe import SPEECH_ENCODER


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "compare_cells.py"
    spec = importlib.util.spec_from_file_location("compare_cells", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["compare_cells"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_every_network_has_as_many_parameters(script: ModuleType):
    recipe = SimpleNamespace(encoder=SPEECH_ENCODER)
    task = script.Task(recipe, SimpleNamespace(alphabet=range(29)), Path(), 1.0)
    wanted = task.parameters("lstm", 128)
    for name in script.NETWORKS:
        hidden = task.hidden(name, wanted)
        assert abs(task.parameters(name, hidden) / wanted - 1) < 0.02, name
        assert hidden == 128 or name != "lstm"


def row(network: str, seed: int, cer: float) -> dict[str, object]:
    interval = [cer - 0.01, cer + 0.01]
    errors = {"cer": cer, "wer": 2 * cer, "cer_interval": interval, "wer_interval": interval}
    return {
        "network": network,
        "seed": seed,
        "hidden": 128,
        "parameters": 1_410_000,
        "updates": 900,
        **errors,
    }


def test_the_table_has_the_best_first_and_means_over_seeds(script: ModuleType, tmp_path: Path):
    results = script.Results(tmp_path, {"recipe": "an4.yaml", "minutes": 20.0, "hidden": 128})
    results.content["runs"] = {
        "gru-1": row("gru", 1, 0.12),
        "lstm-1": row("lstm", 1, 0.10),
        "lstm-2": row("lstm", 2, 0.06),
        "rnn-1": row("rnn", 1, 0.5),
    }
    results.content["speeds"] = {"lstm": {"training": 10.0, "use": 100.0}}
    assert results.best(2) == ["lstm", "gru"]
    results.save()
    lines = (tmp_path / "table.md").read_text().splitlines()[4:]
    assert (
        lines[0]
        == "| LSTM | 128 | 1.41 M | 900 | 8.0 (10.0; 6.0) | 16.0 (20.0; 12.0) | 10.0 | 100.0 |"
    )
    assert (
        lines[1]
        == "| GRU | 128 | 1.41 M | 900 | 12.0 (11.0 to 13.0) | 24.0 (11.0 to 13.0) | - | - |"
    )
    with pytest.raises(UserError, match=r"minutes was 20\.0 and is 5\.0"):
        script.Results(tmp_path, {"recipe": "an4.yaml", "minutes": 5.0, "hidden": 128})


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """A recipe of 12 clips in which a is a low tone and b a high one."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(12):
        text = ["ab", "ba", "aab", "bba"][i % 4]
        time = np.arange(4000) / 16_000
        sound = np.concatenate(
            [0.3 * np.sin(2 * np.pi * (400 if c == "a" else 2000) * time) for c in text]
        )
        soundfile.write(folder / f"{i}.wav", sound, 16_000)
        (folder / f"{i}.txt").write_text(text)
    recipe = tmp_path / "tones.yaml"
    recipe.write_text(
        f"name: tones\nmodality: speech\ndata: [{{path: '{folder}'}}]\ndev_share: 0.2\n"
        "encoder: {layers: 1}\ntraining: {batch_items: 4}\n"
    )
    return recipe


@pytest.mark.slow
def test_a_comparison_in_pieces_trains_each_network_once(
    script: ModuleType, tones: Path, tmp_path: Path
):
    out = tmp_path / "cells"
    arguments = argparse.Namespace(
        out=out, recipe=tones, minutes=0.02, hidden=8, seeds=1, rounds=1, only=["lstm"]
    )
    script.run(arguments)
    first = json.loads((out / "results.json").read_text())["runs"]
    assert list(first) == ["lstm-1"] and first["lstm-1"]["updates"] > 3
    arguments.only = ["layer-norm", "lstm"]
    script.run(arguments)
    results = json.loads((out / "results.json").read_text())
    assert results["runs"]["lstm-1"] == first["lstm-1"] and list(results["runs"]) == [
        "lstm-1",
        "layer-norm-1",
    ]
    assert all(speed > 0 for speeds in results["speeds"].values() for speed in speeds.values())
    assert "layer-normalised LSTM" in (out / "table.md").read_text()
