"""``recog prepare``: manifest, counts, problems, exit codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from recog.cli.prepare import prepare
from recog.corpora.manifest import read_manifest
from recog.errors import UsageError, UserError

app = typer.Typer()
app.command()(prepare)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    assert result.stdout == "", "only standard error is written to"
    return result.stderr


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    src = tmp_path / "corpus"
    for speaker in ("anne", "bob", "cleo"):
        for i in range(4):
            path = src / "recordings" / f"{i}_{speaker}_{i + 7}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.zeros(9_000, dtype=np.float32), 1_000)
    return src


def test_prepare(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    (corpus / "recordings" / "5_anne_9.wav").touch()
    said = run("fsdd", corpus, out)
    assert "5_anne_9.wav is empty" in said
    assert "1 of 13 rows cannot be used" in said
    assert "Split: 1 of 3 groups are dev (4 rows, 33 %)" in said
    assert "train: 8 rows, 2 groups, 0.02 hours" in said
    assert "groups: anne 4, bob 4, cleo 4" in said
    rows = read_manifest(out)
    assert len(rows) == 12
    assert len({row.group for row in rows if row.split == "dev"}) == 1
    assert all(row.media.is_file() for row in rows)


def test_twice_gives_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    run("fsdd", corpus, tmp_path / "a.jsonl", "--seed", 3)
    run("fsdd", corpus, tmp_path / "b.jsonl", "--seed", 3)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_text_rule_and_pattern(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    said = run(
        "filenames",
        corpus,
        out,
        "--pattern",
        "(?P<text>.+)_[0-9]+",
        "--normalise",
        "spoken",
        "--dev-share",
        0,
    )
    assert {row.text for row in read_manifest(out)} == {
        f"{number} {name}"
        for number in ("zero", "one", "two", "three")
        for name in ("anne", "bob", "cleo")
    }
    assert "The numbers in 12 of 12 rows are taken as English words ('0' as 'zero')" in said
    assert {row.split for row in read_manifest(out)} == {"train"}


def test_at_most_twenty_problems_are_listed(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("".join(f"c{i}|text\n" for i in range(30)))
    (tmp_path / "wavs").mkdir()
    result = CliRunner().invoke(app, ["ljspeech", str(tmp_path), str(tmp_path / "out.jsonl")])
    assert isinstance(result.exception, UserError)
    assert "has no row that can be used" in str(result.exception)
    assert result.stderr.count("is not there") == 20
    assert "30 of 30 rows cannot be used" in result.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("timit",),
        ("fsdd", "--normalise", "shout"),
        ("fsdd", "--dev-share", "1"),
        ("fsdd", "--columns", "path,text"),
    ],
)
def test_wrong_usage(corpus: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        run(arguments[0], corpus, tmp_path / "out.jsonl", *arguments[1:])


def test_missing_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there"):
        run("fsdd", tmp_path / "none", tmp_path / "out.jsonl")


def test_check_finds_the_texts_that_belong_to_other_images(tmp_path: Path) -> None:
    samples = Path(__file__).parents[2] / "data" / "samples"
    texts = {
        name: (samples / f"{name}.gt.txt").read_text() for name in ("garden", "maison", "voyage")
    }
    swapped = {"garden": texts["maison"], "maison": texts["garden"], "voyage": texts["voyage"]}
    for name, text in swapped.items():
        (tmp_path / f"{name}.png").write_bytes((samples / f"{name}.png").read_bytes())
        (tmp_path / f"{name}.gt.txt").write_text(text)
    said = run("folder", tmp_path, tmp_path / "all.jsonl", "--check", "--dev-share", 0)
    assert "garden.png has the text 'La petite maison" in said
    assert "which is the text of" in said and "2 of 3 rows have a text that does not fit" in said
    (row,) = read_manifest(tmp_path / "all.jsonl")
    assert row.media.name == "voyage.png"
    assert "2 of 3" not in run("folder", tmp_path, tmp_path / "all2.jsonl", "--dev-share", 0)
