"""What a command will not do, or not in silence: write over what it reads, take nonsense for data,
work without its streams."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import recog
from recog.cli import app
from recog.errors import UserError
from recog.formats.log_probs import read_symbols
from recog.formats.timed import srt, vtt
from recog.model.recogniser_folder import open_recogniser_folder

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_what_is_scored_is_not_written_over(tmp_path: Path) -> None:
    reference, hypothesis = tmp_path / "ref.txt", tmp_path / "hyp.txt"
    for file in (reference, hypothesis):
        file.write_text("a b c\n")
    (tmp_path / "link.html").symlink_to(hypothesis)
    for options in (
        ("--out", reference),
        ("--html", tmp_path / "link.html"),
        ("--out", hypothesis),
    ):
        result = command("evaluate", reference, hypothesis, *options)
        assert result.exit_code == 2 and "is among the inputs" in result.output
    assert command("evaluate", tmp_path, tmp_path, "--out", reference).exit_code == 2
    same = tmp_path / "report.html"
    assert command("evaluate", reference, hypothesis, "--out", same, "--html", same).exit_code == 2
    assert reference.read_text() == hypothesis.read_text() == "a b c\n" and not same.exists()
    for _ in range(2):  # a report may be made again
        assert command("evaluate", reference, hypothesis, "--html", same).exit_code == 0


def test_a_manifest_is_not_written_over_a_text(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "letter.wav", tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("so it is")
    result = command("prepare", "folder", tmp_path, tmp_path / "a.txt")
    assert result.exit_code == 2 and "is a .jsonl file" in result.output
    assert (tmp_path / "a.txt").read_text() == "so it is"


@pytest.mark.parametrize("rate", ["nan", "-1", "0", "5", "1e30"])
def test_learning_rates_are_those_of_recipes(rate: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    shutil.copy(SAMPLES / "garden.png", tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_text("a")
    result = command("train", tmp_path, "--out", tmp_path / "m", "--learning-rate", rate)
    assert result.exit_code == 2 and "must lie above 0 and below 1" in result.output


def test_images_are_not_for_a_base_of_speech(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    shutil.copy(SAMPLES / "garden.png", tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_text("7 a")
    result = command("train", tmp_path, "--out", tmp_path / "m", "--from", "english-speech")
    assert result.exit_code == 1 and "is for speech and the data is handwriting" in result.output
    (tmp_path / "a.txt").write_text("a")
    result = command(
        "align", SAMPLES / "letter.wav", tmp_path / "a.txt", "--model", "latin-handwriting"
    )
    assert (
        result.exit_code == 2
        and "is for handwriting, and" in result.output
        and "is sound" in result.output
    )


def test_a_text_that_is_none_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, text in (("a", b"so"), ("b", b"\xe9t\xe9"), ("c", b"sea")):
        shutil.copy(SAMPLES / "garden.png", tmp_path / f"{name}.png")
        (tmp_path / f"{name}.gt.txt").write_bytes(text)
    assert command("prepare", "folder", tmp_path, tmp_path / "m.jsonl").exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == ["so", "sea"]
    [told] = [record.getMessage() for record in caplog.records]
    assert "b.gt.txt is not UTF-8 text" in told
    for name in ("a", "c"):
        (tmp_path / f"{name}.gt.txt").unlink()
    result = command("prepare", "folder", tmp_path, tmp_path / "m.jsonl")
    assert result.exit_code == 1 and "b.gt.txt is not UTF-8" in result.output


def test_stm_is_not_taken_for_lines(tmp_path: Path) -> None:
    (tmp_path / "r.stm").write_text("a 1 speaker 0.0 1.0 <o> so it is\n")
    result = command("evaluate", tmp_path / "r.stm", tmp_path / "r.stm")
    assert result.exit_code == 1 and "reads no stm" in result.output


def test_tables_of_ids_and_texts_are_paired_by_id(tmp_path: Path) -> None:
    (tmp_path / "r.tsv").write_text("x 1.wav\tso it is\ny.wav\tno sea\n\n")
    (tmp_path / "h.tsv").write_text("y.wav\tno see\r\nx 1.wav\tso it is\r\n")
    result = command("evaluate", tmp_path / "r.tsv", tmp_path / "h.tsv", "--json")
    assert result.exit_code == 0 and json.loads(result.output)["wer"]["errors"] == 1
    (tmp_path / "h.tsv").write_text("y.wav\tno see\t7\n")
    result = command("evaluate", tmp_path / "r.tsv", tmp_path / "h.tsv")
    assert result.exit_code == 1 and "Line 1 of" in result.output and "two columns" in result.output


@pytest.mark.parametrize(
    "symbols", [["a", "<blank>", "b"], ["a", "b", "<pad>"], ["<blank>", "a", ""]]
)
def test_a_blank_comes_first(symbols: list[str], tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(symbols))
    with pytest.raises(UserError, match="the blank must come first"):
        read_symbols(tmp_path / "s.json")


@pytest.mark.parametrize("module", [srt, vtt])
def test_times_that_cannot_be_read_are_told(module) -> None:
    head = "WEBVTT\n\nNOTE\n00:00:xx --> none\nnot shown\n\n" if module is vtt else ""
    point = "." if module is vtt else ","
    good = f"00:00:01{point}000 --> 00:00:02{point}000\nso\n\n"
    assert [line.text for line in module.read(head + good + good).lines] == ["so", "so"]
    bad = head + good + "2\n00:00:xx --> 00\nfoo\n"
    number = bad.split("\n").index("00:00:xx --> 00") + 1
    with pytest.raises(
        UserError,
        match=rf"x\.{module.__name__[-3:]}, line {number}: '00:00:xx --> 00' is not the times",
    ):
        module.read(bad, source=f"x.{module.__name__[-3:]}")


@pytest.mark.parametrize(
    ("boost", "told"), [("nan", "is nan"), ("-1", "is -1"), ("1e300", "1e\\+300"), ("x", "'x'")]
)
def test_boosts_are_told_with_their_line(boost: str, told: str, tmp_path: Path) -> None:
    from recog.cli.batch import read_hotwords

    (tmp_path / "h.txt").write_text(f"one\ntwo\t{boost}\n")
    with pytest.raises(UserError, match=rf"h\.txt, line 2: .*{told}"):
        read_hotwords(tmp_path / "h.txt")


def test_hotwords_are_written_as_the_model_writes(caplog: pytest.LogCaptureFixture) -> None:
    model = recog.load(
        "english-speech", hotwords={"Mother-in-Law!": 3.0, "mother in law": 7.0, "O’Brien": 2.0}
    )
    assert model.options.hotwords == {"mother in law": 7.0, "o'brien": 2.0}
    assert recog.load("latin-handwriting", hotwords={"O’Brien": 2.0}).options.hotwords == {
        "O'Brien": 2.0
    }
    assert caplog.messages == []
    hotwords = {"...": 3.0, "дом": 2.0, "Bjørn, 25": 4.0}
    assert recog.load("english-speech", hotwords=hotwords).options.hotwords == {
        "bjorn twenty five": 4.0
    }
    assert recog.load(
        "latin-handwriting", hotwords={"a\u20ac\u4e00": 2.0, "b": 1.0}
    ).options.hotwords == {"b": 1.0}
    assert caplog.messages == [
        "The hotword '...' is left out: the model writes nothing of it.",
        "The hotword 'дом' is left out: the model writes nothing of it.",
        "The hotword 'a\u20ac\u4e00' is left out: the model has no symbol for '\u4e00'.",
    ]


def test_channels_that_cancel_are_heard_and_told(tmp_path: Path) -> None:
    with wave.open(str(SAMPLES / "letter.wav")) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(-1), "<i2")
    for name, other in (("inverse", -samples), ("alike", samples)):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setparams((2, 2, rate, 0, "NONE", ""))
            file.writeframes(np.stack((samples, other), axis=1).astype("<i2").tobytes())
    model = recog.load("english-speech")
    inverse, alike = (model.transcribe(tmp_path / f"{name}.wav") for name in ("inverse", "alike"))
    assert len(inverse.warnings) == 1 and "each other's inverse" in inverse.warnings[0]
    assert alike.text and not alike.warnings and inverse.text == alike.text
    each = recog.load("english-speech", channels="each").transcribe(tmp_path / "inverse.wav")
    assert not each.warnings and {line.channel for line in each.lines} == {1, 2}


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("modality", ["x"], "modality"),
        ("modality", {}, "modality"),
        ("symbols", ["", "a", "\ud800"], "halves of surrogate pairs"),
        ("symbols", ["", "a", "\x00"], "without control characters"),
    ],
)
def test_configs_of_strangers(key: str, value: object, told: str, tmp_path: Path) -> None:
    shutil.copytree(open_recogniser_folder("latin-handwriting").path, tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(UserError, match=told):
        open_recogniser_folder(tmp_path / "m")


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a POSIX shell does")
@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_work_is_done_without_streams(closed: str, tmp_path: Path) -> None:
    image, out = f"{SAMPLES}/garden.png", f"{tmp_path}/out"
    line = f'"{sys.executable}" -m recog ocr --layout line "{image}" -o "{out}" {closed}'
    assert subprocess.run(["sh", "-c", line], capture_output=True, timeout=120).returncode == 0
    assert (tmp_path / "out" / "garden.txt").read_text().strip()


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a POSIX shell does")
@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [("transcribe -", "<&-", 1), ("evaluate a.txt a.txt", ">&-", 0), ("--version", ">&-", 0)],
)
def test_closed_streams_are_empty_ones(
    arguments: str, closed: str, code: int, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a b\n")
    line = f'"{sys.executable}" -m recog {arguments} {closed}'
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, timeout=120, cwd=tmp_path, text=True
    )
    assert done.returncode == code and "Traceback" not in done.stderr


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with 1,200 in each other below it. shutil.rmtree, by which pytest tidies up, would
    not come to its end."""
    folders = [str(tmp_path)]
    try:
        for _ in range(1200):
            Path(folders[-1] + "/d").mkdir()
            folders.append(folders[-1] + "/d")
        yield tmp_path, folders[-1]
    finally:
        while len(folders) > 1:
            folder = Path(folders.pop())
            for file in folder.glob("*.wav"):
                file.unlink()
            folder.rmdir()


def test_folders_may_be_nested_deeply(deep: tuple[Path, str]) -> None:
    from recog.util.folders import walk

    top, bottom = deep
    names = [f"{top}/a.wav", f"{bottom}/b.wav", f"{top}/d/z.wav", f"{top}/e.wav"]
    for name in names:
        Path(name).write_bytes(b"")
    assert list(walk(str(top), frozenset({".wav"}))) == names


def test_channels_that_cancel_in_part_are_counted_anew_in_each_pass(tmp_path: Path) -> None:
    from recog.media.audio.reader import open_sound

    noise = np.random.default_rng(0).normal(0, 0.1, 60_000).astype(np.float32)
    other = np.where(np.arange(len(noise)) < 24_000, -noise, noise)
    import soundfile

    for suffix in ("wav", "ogg"):
        soundfile.write(tmp_path / f"x.{suffix}", np.stack((noise, other), axis=1), 16_000)
        with open_sound(tmp_path / f"x.{suffix}") as sound:
            for _ in range(3):
                list(sound.blocks())
                assert sound.warning is None
