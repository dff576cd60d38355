"""tsv as Whisper has it and ctm as sclite has it: written exactly, read back, and no surprise from
any other text."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UsageError, UserError
from recog.evaluation import read_pairs
from recog.formats import READERS
from recog.formats.timed import ctm, tsv
from recog.transcript import Line, Transcript, Word

HELLO = Line("hello big world", start=0.5, end=2.0)
WORDS = (Word("hello", 0.5, 0.9, confidence=0.987654), Word("big world", 1.0, 2.0))


def recording(*lines: Line, source: str = "my talk.wav") -> Transcript:
    return Transcript(source, lines, duration=60.0)


def test_tsv_exactly() -> None:
    backward = Line(" a\tb\n c ", start=3661.0004, end=3.0)
    written = tsv.write(recording(HELLO, Line("", start=2.0, end=3.0), backward))
    assert written == "start\tend\ttext\n500\t2000\thello big world\n3661000\t3661000\ta b c\n"
    assert tsv.read(written).lines == (HELLO, Line("a b c", start=3661.0, end=3661.0))
    assert tsv.write(recording()) == "start\tend\ttext\n"


def test_ctm_exactly() -> None:
    later = Line("x", (Word("x", 0.75, 0.7),))
    written = ctm.write(recording(Line("hello big world", WORDS), later))
    assert written == (
        "my_talk 1 0.500 0.400 hello 0.9877\nmy_talk 1 0.750 0.000 x\nmy_talk 1 1.000 0.500 big\nmy_talk 1 1.500 0.500 world\n"
    )
    (line,) = ctm.read(written).lines
    assert line.text == "hello x big world" and (line.start, line.end) == (0.5, 2.0)
    assert line.words[0] == Word("hello", 0.5, 0.9, confidence=0.9877) and line.words[3] == Word(
        "world", 1.5, 2.0
    )
    assert ctm.write(recording()) == "" and ctm.read("").lines == ()
    assert ctm.write(recording(Line("x", (Word("x", 0.0, 1.0),)), source=";;.wav")).startswith(
        "_;; 1 "
    )


def test_ctm_of_others() -> None:
    text = (
        ";; a comment\r\nrec A 0 1 one\r\nrec A * * <ALT_BEGIN>\r\nrec A 1.0 .5 two 0.5\r\nrec A * * <ALT>\r\n"
        "rec A 1.0 .5 too\r\nrec A * * <ALT_END>\r\nrec A 1.5 .1 @\r\nrec A 9 1 three NA extra\r\n"
    )
    (transcript,) = ctm.read_all(text)
    assert transcript.source == "rec" and [line.text for line in transcript.lines] == [
        "one two",
        "three",
    ]
    assert (
        transcript.lines[0].words[1].confidence == 0.5
        and transcript.lines[1].words[0].confidence is None
    )
    both = ctm.read_all("a 1 0 1 x\na 2 0 1 y\nb 1 0 1 z\n")
    assert [(t.source, t.text) for t in both] == [("a#1", "x"), ("a#2", "y"), ("b", "z")]
    (line,) = ctm.read("a 1 1.5e1 5E-1 x 9e-05\n").lines
    assert line.words == (Word("x", 15.0, 15.5, confidence=9e-05),)
    assert ctm.write(Transcript("a", (line,), duration=20.0)) == "a 1 15.000 0.500 x 0.0001\n", (
        "in decimals"
    )
    with pytest.raises(
        UserError, match=r"m\.ctm holds several recordings, as 'a' and 'b'; give one"
    ):
        ctm.read("a 1 0 1 x\nb 1 0 1 y\n", source="m.ctm")


@pytest.mark.parametrize(
    ("write", "name"), [(tsv.write, "tsv"), (ctm.write, "ctm")], ids=["tsv", "ctm"]
)
def test_what_cannot_be_written(write: object, name: str) -> None:
    assert callable(write)
    with pytest.raises(UsageError, match=rf"p\.png is an image, and {name}"):
        write(Transcript("p.png", (Line("x"),), size=(10, 10)))
    for line in (Line("x"), Line("x", (Word("x", math.nan, 1.0),), start=math.inf, end=1.0)):
        with pytest.raises(UserError, match=r"my talk\.wav has no times"):
            write(recording(line))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tsv", "", "does not begin with"),
        ("tsv", "0\t1\tx\n", "does not begin with"),
        ("tsv", "start\tend\ttext\n0\t1", None),
        ("tsv", "start\tend\ttext\n0\tx\ty", "Line 2 of f is not two times"),
        ("tsv", "start\tend\ttext\n0\t" + "9" * 500 + "\ty", "Line 2 of f"),
        ("ctm", "a 1 0 1 x\na 1 0", "Line 2 of f is not 'recording channel"),
        ("ctm", "a 1 0 nan x", "Line 1 of f"),
        ("ctm", "a 1 1e9 1 x", "Line 1 of f"),
    ],
)
def test_not_such_a_file(name: str, text: str, message: str | None) -> None:
    if message is None:
        assert READERS[name](text, source="f").lines == ()
        return
    with pytest.raises(UserError, match=message):
        READERS[name](text, source="f")


TIMES = st.integers(0, 10**7).map(lambda t: t / 1000)
WORD = st.builds(
    Word,
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=9),
    TIMES,
    TIMES,
)


@settings(max_examples=60, deadline=None)
@given(words=st.lists(WORD, max_size=12))
def test_words_come_back(words: list[Word]) -> None:
    words = [word for word in words if word.text.split() == [word.text] and word.text != "@"]
    line = Line(" ".join(word.text for word in words), tuple(words), start=0.0, end=1.0)
    read = [word for line in ctm.read(ctm.write(recording(line))).lines for word in line.words]
    expected = [
        (w.text, w.start, max(w.start or 0.0, w.end or 0.0))
        for w in sorted(words, key=lambda w: w.start or 0.0)
    ]
    assert [(word.text, word.start, word.end) for word in read] == [
        (text, pytest.approx(start), pytest.approx(end)) for text, start, end in expected
    ]
    (back,) = tsv.read(tsv.write(recording(line))).lines if words else (line,)
    assert back.text == line.text


@pytest.mark.parametrize("name", ["tsv", "ctm"])
@settings(max_examples=80, deadline=None)
@given(text=st.text(alphabet="0123.;@*ab \t\nstarendx<ALT>", max_size=80))
def test_reading_anything_gives_lines_or_one_sentence(name: str, text: str) -> None:
    try:
        lines = READERS[name]("start\tend\ttext\n" * (name == "tsv") + text, source="f").lines
    except UserError as error:
        assert "f" in str(error) and "\n" not in str(error)
    else:
        assert all(line.text and (line.start or 0.0) <= (line.end or 0.0) for line in lines)


def test_evaluated(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("hello big world\n", encoding="utf-8")
    (tmp_path / "h.ctm").write_text(
        ctm.write(recording(Line("hello big world", WORDS))), encoding="utf-8"
    )
    (tmp_path / "h.tsv").write_text(tsv.write(recording(HELLO)), encoding="utf-8")
    for name in ("h.ctm", "h.tsv"):
        pairs, _ = read_pairs(tmp_path / "r.txt", tmp_path / name)
        assert [(pair.reference, pair.hypothesis) for pair in pairs] == [
            ("hello big world", "hello big world")
        ]
    (tmp_path / "r.trn").write_text("x (a)\ny (b)\n", encoding="utf-8")
    (tmp_path / "two.ctm").write_text("a 1 0 1 x\nb 1 0 1 z\n", encoding="utf-8")
    pairs, _ = read_pairs(tmp_path / "r.trn", tmp_path / "two.ctm")
    assert [(pair.id, pair.reference, pair.hypothesis) for pair in pairs] == [
        ("a", "x", "x"),
        ("b", "y", "z"),
    ]


@pytest.mark.skipif(
    shutil.which("sctk") is None, reason="sclite is not installed (Debian package sctk)"
)
def test_sclite_reads_ctm(tmp_path: Path) -> None:
    (tmp_path / "h.ctm").write_text(
        ctm.write(recording(Line("hello big world", WORDS))), encoding="utf-8"
    )
    (tmp_path / "r.stm").write_text(
        "my_talk 1 speaker 0.0 10.0 hello small world\n", encoding="utf-8"
    )
    command = ["sctk", "sclite", "-r", "r.stm", "stm", "-h", "h.ctm", "ctm", "-o", "sum", "stdout"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    (row,) = (row for row in done.stdout.split("\n") if row.strip().startswith("| speaker"))
    assert row.replace("|", " ").split()[1:9] == [
        "1",
        "3",
        "66.7",
        "33.3",
        "0.0",
        "0.0",
        "33.3",
        "100.0",
    ]


def test_ctm_is_sorted_by_channel_then_time() -> None:
    def line(channel: int, *starts: float) -> Line:
        words = tuple(Word("x", start, start + 0.25) for start in starts)
        return Line(" ".join("x" for _ in words), words, channel=channel)

    rows = ctm.write(
        Transcript("a.wav", (line(2, 0.5, 2.5), line(10, 1.0), line(1, 0.0, 2.0)))
    ).splitlines()
    assert [row.split()[1:3] for row in rows] == [
        ["1", "0.000"],
        ["1", "2.000"],
        ["10", "1.000"],
        ["2", "0.500"],
        ["2", "2.500"],
    ]


def test_ctm_of_many_recordings() -> None:
    found = ctm.read_all("".join(f"r{k} 1 0.0 1.0 x\n" for k in range(50_000)) + "r7 2 0.0 1.0 y\n")
    assert len(found) == 50_001 and found[7].source == "r7#1" and found[-1].source == "r7#2"
