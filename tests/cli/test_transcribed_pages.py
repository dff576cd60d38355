"""``recog prepare transcribed-pages``: the shipped sample page with its text, and what is wrong with folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recog.cli import app

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.fixture(scope="module")
def page_text() -> str:
    import recog

    return recog.load("latin-handwriting").transcribe(SAMPLES / "page.jpg").text


@pytest.mark.parametrize("joint", ["\n", " "])
def test_lines_that_agree_become_rows(tmp_path: Path, page_text: str, joint: str) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    shutil.copy(SAMPLES / "page.jpg", folder / "page.jpg")
    given = page_text.strip().split("\n")
    (folder / "page.txt").write_text(joint.join(given), encoding="utf-8")
    out = tmp_path / "rows.jsonl"
    result = CliRunner().invoke(app, ["prepare", "transcribed-pages", str(folder), str(out)])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["text"] for row in rows] == given
    assert all(row["line"]["baseline"] and row["media"].endswith("page.jpg") for row in rows)
    assert f"{len(given)} of {len(given)} lines on 1 of 1 pages agree" in result.output


def test_a_page_with_the_text_of_another_gives_no_rows(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "page.jpg", tmp_path / "page.jpg")
    (tmp_path / "page.txt").write_text("0123 4567 890\n" * 8, encoding="utf-8")
    out = tmp_path / "rows.jsonl"
    result = CliRunner().invoke(app, ["prepare", "transcribed-pages", str(tmp_path), str(out)])
    assert result.exit_code == 1
    assert "agree" in result.output
    assert not out.exists()


def test_a_folder_without_texts_is_refused_in_a_sentence(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "page.jpg", tmp_path / "page.jpg")
    out = tmp_path / "rows.jsonl"
    result = CliRunner().invoke(app, ["prepare", "transcribed-pages", str(tmp_path), str(out)])
    assert result.exit_code == 1
    assert "page.txt" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["folder", "--line-breaks", "kept"],
        ["folder", "--min-agreement", "0.5"],
        ["transcribed-pages", "--pattern", "(?P<text>.+)"],
    ],
)
def test_options_of_another_layout_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    layout, *options = arguments
    out = tmp_path / "rows.jsonl"
    result = CliRunner().invoke(app, ["prepare", layout, str(tmp_path), str(out), *options])
    assert result.exit_code == 2
    assert options[0] in result.output


def test_a_damaged_page_is_named_and_the_others_go_on(tmp_path: Path, page_text: str) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    shutil.copy(SAMPLES / "page.jpg", folder / "page.jpg")
    (folder / "cut.jpg").write_bytes((SAMPLES / "page.jpg").read_bytes()[:20_000])
    for name in ("page.txt", "cut.txt"):
        (folder / name).write_text(page_text, encoding="utf-8")
    out = tmp_path / "rows.jsonl"
    result = CliRunner().invoke(app, ["prepare", "transcribed-pages", str(folder), str(out)])
    assert result.exit_code == 0, result.output
    assert "cut.jpg is cut short" in result.output and "on 1 of 2 pages" in result.output
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {Path(row["media"]).name for row in rows} == {"page.jpg"}
