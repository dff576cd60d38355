"""The model card, its figures and the plot of the run."""

import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

pytest.importorskip("torch")

from recog.evaluation.counts import Pair
from recog.model.recogniser_folder import open_recogniser_folder, update_recogniser_folder
from recog.training.card import cell, shown_edit
from recog.training.energy import WATTS, Meter, energy
from recog.training.plot import POINTS, read_log, training_svg
from recog.training.recogniser.run import train_recogniser
from recog.training.recogniser.scoring import by_length, errors

NAMESPACE = {"s": "http://www.w3.org/2000/svg"}


def log(steps: int) -> list[dict]:
    entries = [
        {"step": s, "epoch": 1, "loss": 5.0 / s, "learning_rate": 1e-3} for s in range(1, steps + 1)
    ]
    return [*entries, {"step": steps, "epoch": 1, "loss": 0.1, "cer": 0.25, "wer": 0.5}]


def test_the_plot_has_the_curves_and_where_they_end():
    root = etree.fromstring(training_svg(log(4000), title="a < b & c").encode())
    texts = root.xpath("//s:text/text()", namespaces=NAMESPACE)
    assert texts[0] == "a < b & c"
    assert "CER 25 at step 4000" in texts and "WER 50 at step 4000" in texts
    lines = root.xpath("//s:polyline/@points", namespaces=NAMESPACE)
    assert len(lines) == 4 and all(len(line.split()) <= POINTS for line in lines)
    # a run of one epoch has a point, not a line
    assert len(root.xpath("//s:circle", namespaces=NAMESPACE)) == 2
    width, height = float(root.get("width")), float(root.get("height"))
    for line in lines:
        for point in line.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width and 0 <= y <= height


@pytest.mark.parametrize(
    "entries",
    [[], [{"step": 0}], [{"step": 3, "loss": float("nan"), "learning_rate": "x", "cer": -1}]],
)
def test_a_run_without_figures_is_drawn_as_such(entries):
    svg = training_svg(entries, title="none")
    assert svg.count("not recorded") == 3 and "nan" not in svg
    etree.fromstring(svg.encode())


def test_a_log_cut_by_a_kill_is_read(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1, "loss": 2}\n[1]\n{"step": "x"}\n\xff\n{"step": 2, "lo')
    assert read_log(path) == [{"step": 1, "loss": 2}]
    assert read_log(tmp_path / "none") == []


def counter(root: Path, name: str, value: int) -> Path:
    zone = root / name
    zone.mkdir(exist_ok=True)
    (zone / "energy_uj").write_text(f"{value}\n")
    (zone / "max_energy_range_uj").write_text("1000000000\n")
    return zone


def test_energy_is_read_from_the_counters_of_the_packages(tmp_path):
    counter(tmp_path, "intel-rapl:0", 999_000_000)
    counter(tmp_path, "intel-rapl:0:0", 5)  # a part of the package
    counter(tmp_path, "intel-rapl:1", 0)
    meter = Meter(tmp_path)
    counter(tmp_path, "intel-rapl:0", 1_000_000)  # begun anew
    counter(tmp_path, "intel-rapl:0:0", 500_000_000)
    package = counter(tmp_path, "intel-rapl:1", 4_000_000)
    seconds, joules = meter.spent()
    assert seconds >= 0 and joules == pytest.approx(2.0 + 4.0)
    assert meter.spent()[1] == 0.0
    (package / "energy_uj").write_text("secret")
    assert meter.spent()[1] is None
    assert Meter(tmp_path / "none").spent()[1] is None
    meter = Meter(tmp_path / "none")
    subprocess.run(
        [sys.executable, "-c", "while __import__('time').process_time() < 0.3: pass"], check=True
    )
    # in a process that this one began, as data workers are
    assert sys.platform == "win32" or meter.spent()[0] >= 0.2
    assert energy(3600.0, None) == {"kwh": WATTS / 1000, "by": "estimated"}
    assert energy(3600.0, 7.2e6) == {"kwh": 2.0, "by": "measured"}


def test_errors_by_kind_and_length():
    pairs = [
        Pair("1", "abc", "axc"),
        Pair("2", "abcdef", "abcef"),
        Pair("3", "abcdefghi", "abcdefghii"),
    ]
    parts = by_length(pairs)
    assert {name: len(own) for name, own in parts.items()} == {
        "0 to 3 characters": 1, "4 to 6 characters": 1, "7 to 9 characters": 1,
    }  # fmt: skip
    found = errors(pairs, parts)
    assert found["kinds"]["all"] == {
        "rows": 3, "cer": round(3 / 18, 5), "substituted": round(1 / 18, 5), "left_out": round(1 / 18, 5),
        "put_in": round(1 / 18, 5),
    }  # fmt: skip
    assert found["kinds"]["4 to 6 characters"]["left_out"] == round(1 / 6, 5)
    assert sorted(found["confusions"]) == [["", "i", 1], ["b", "x", 1], ["d", "", 1]]
    assert list(by_length([Pair("1", "a", ""), Pair("2", "b", "b")])) == ["0 to 1 characters"]


def test_what_stands_in_a_table_stays_in_its_cell():
    assert cell("a|b\nc") == "a\\|b c"
    assert shown_edit(" ", "") == "`space` left out"
    assert shown_edit("", "`") == "`` ` `` put in"


def test_a_trained_model_has_its_card_and_its_plot(recipe_file, tmp_path):
    text = recipe_file.read_text()
    recipe_file.write_text(text.replace("data: [{path:", "data: [{name: ab, licence: CC0, path:"))
    model_folder = (
        train_recogniser(recipe_file, tmp_path / "out", None),
        open_recogniser_folder(tmp_path / "out"),
    )[1]
    card = model_folder.card
    config = model_folder.config
    assert f"| ab | {config.trained['rows']} | {config.dev['rows']} | CC0 |" in card
    assert (
        "kWh" in card
        and config.trained["energy"]["kwh"] >= 0
        and config.trained["cpu_seconds"] >= 0
    )
    for part in (
        "### Errors",
        "Most often:",
        "characters |",
        "not calibrated",
        "## What it cannot do",
        "(training.svg)",
    ):
        assert part in card, part
    svg = model_folder.file("training.svg").read_text()  # its checksum is in the config
    assert (
        "learning rate" in svg
        and "not recorded" not in svg.split("dev error")[1].split("learning rate")[0]
    )
    moved = update_recogniser_folder(model_folder, tmp_path / "moved", config, {}, card)
    assert moved.file("training.svg").read_text() == svg
