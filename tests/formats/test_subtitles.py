"""SubRip and WebVTT: cues in order, broken at word times, read back as they were written."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UsageError, UserError
from recog.formats import READERS, WRITERS, srt, vtt, writer
from recog.formats.cues import MAX_COLUMNS, make_cues
from recog.transcript import Line, Transcript, Word

BOTH = pytest.mark.parametrize("name", ["srt", "vtt"])
WORDS = [f"word{number:02d}" for number in range(30)]  # 209 characters with spaces
LONG = Line(
    " ".join(WORDS),
    tuple(Word(word, start=float(at), end=at + 0.5) for at, word in enumerate(WORDS)),
    start=0.0,
    end=29.5,
)


def recording(*lines: Line) -> Transcript:
    return Transcript("a.wav", lines, duration=60.0)


def test_srt_exactly() -> None:
    transcript = recording(
        Line("hello", start=0.5, end=1.25), Line("", start=1.3, end=2.0), Line("x", start=3661.0, end=3662.0)
    )
    assert srt.write(transcript) == ("1\n00:00:00,500 --> 00:00:01,250\nhello\n\n2\n01:01:01,000 --> 01:01:02,000\nx\n")


def test_vtt_exactly() -> None:
    transcript = recording(Line("a <b> & c --> d", start=0.0, end=1.0))
    assert vtt.write(transcript) == ("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na &lt;b&gt; &amp; c --&gt; d\n")


def test_nothing_recognised() -> None:
    assert srt.write(recording()) == ""
    assert vtt.write(recording()) == "WEBVTT\n"
    assert srt.read("").lines == vtt.read("WEBVTT\n").lines == ()


def test_long_line_breaks_at_word_times() -> None:
    cues = make_cues(recording(LONG))
    assert [len(cue.text.split()) for cue in cues] == [12, 12, 6]  # six words of six letters fill 41 of 42 columns
    assert [(cue.start, cue.end) for cue in cues] == [(0, 11_500), (12_000, 23_500), (24_000, 29_500)]
    assert all(len(cue.rows) <= 2 and max(map(len, cue.rows)) <= MAX_COLUMNS for cue in cues)
    assert " ".join(cue.text for cue in cues) == LONG.text


@pytest.mark.parametrize(
    "line",
    [
        Line(LONG.text, start=0.0, end=29.5),
        Line(LONG.text, LONG.words[:-1], start=0.0, end=29.5),  # words that are not the line
        Line(LONG.text, (*LONG.words[:-1], Word(WORDS[-1])), start=0.0, end=29.5),  # a word without times
    ],
)
def test_long_line_without_word_times_stays_whole(line: Line) -> None:
    (cue,) = make_cues(recording(line))
    assert cue.text == LONG.text


def test_overlapping_and_backward_lines() -> None:
    lines = [Line("b", start=2.0, end=9.0), Line("a", start=0.0, end=3.0), Line("c", start=2.0, end=2.0)]
    assert [(cue.text, cue.start, cue.end) for cue in make_cues(recording(*lines))] == [
        ("a", 0, 2000),
        ("b", 2000, 2001),
        ("c", 2001, 2002),
    ]


@BOTH
def test_images_have_no_subtitles(name: str) -> None:
    with pytest.raises(UsageError, match=r"p\.png is an image"):
        WRITERS[name](Transcript("p.png", (Line("x"),), size=(10, 10)))


@BOTH
def test_line_without_times(name: str) -> None:
    with pytest.raises(UserError, match=r"a\.wav has no times"):
        WRITERS[name](recording(Line("x")))
    with pytest.raises(UserError, match="no times"):
        WRITERS[name](recording(Line("x", start=float("nan"), end=1.0)))
    words = (Word("x", start=1.0, end=2.0),)
    assert READERS[name](WRITERS[name](recording(Line("x", words)))).lines == (Line("x", start=1.0, end=2.0),)


def test_srt_of_others() -> None:
    text = (
        "\ufeff1\r\n00:00:01,000 --> 00:00:02,500 X1:0\r\n<i>Hello</i>\r\n{\\an8}<font color=red>there</font> <unk>\r\n"
        "\r\n2\r\n00:00:04.000 --> 00:00:03.000\r\nend first\r\n\r\n\r\n3\r\n00:01:00,5 --> 00:01:01,50\r\n\r\n"
    )
    assert srt.read(text).lines == (
        Line("Hello there <unk>", start=1.0, end=2.5),
        Line("end first", start=4.0, end=4.0),
    )
    assert srt.read("00:00:01,000 --> 00:00:02,000\n").lines == ()


def test_vtt_of_others() -> None:
    text = (
        "WEBVTT - title\nKind: captions\n\nNOTE 00:00:00.000 --> 00:00:01.000\nnot said\n\n"
        "STYLE\n::cue { color: red }\n\n"
        "first\n00:01.000 --> 00:02.500 align:start\n<v Ann>Tom &amp; Jerry</v>\n&lt;3 <00:02.000><c>now</c>\n"
    )
    assert vtt.read(text).lines == (Line("Tom & Jerry <3 now", start=1.0, end=2.5),)


@pytest.mark.parametrize(
    ("name", "text"), [("srt", "just text"), ("vtt", "1\n00:00:01.000 --> 00:00:02.000\nx"), ("vtt", "")]
)
def test_not_subtitles(name: str, text: str) -> None:
    with pytest.raises(UserError, match=r"odd\.txt"):
        READERS[name](text, source="odd.txt")


def test_hostile_tags_take_no_time() -> None:
    assert srt.read("1\n00:00:01,000 --> 00:00:02,000\n" + "<b " * 300_000).lines[0].start == 1.0
    assert vtt.read("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n" + "<" * 300_000).lines[0].start == 1.0


def test_unknown_format() -> None:
    assert writer("txt") is WRITERS["txt"]
    with pytest.raises(UsageError, match="no output format 'docx'; use one of txt, json, srt, vtt"):
        writer("docx")


TIMES = st.one_of(st.floats(-10, 20_000), st.sampled_from([0.0, 1.0]))
LINES = st.builds(lambda text, a, b: Line(text, start=a, end=b), st.text(max_size=200), TIMES, TIMES)


@BOTH
@settings(max_examples=60, deadline=None)
@given(lines=st.lists(LINES, max_size=6))
def test_any_lines_give_ordered_cues(name: str, lines: list[Line]) -> None:
    written = WRITERS[name](recording(*lines))
    times = [
        tuple(re.split(" --> ", row))
        for row in written.split("\n")
        if re.match(r"[\d:]+[,.]\d{3} --> [\d:]+[,.]\d{3}$", row)
    ]
    bounds = [bound for pair in times for bound in pair]
    assert bounds == sorted(bounds)
    assert all(start < end for start, end in times)
    assert len(times) == len(make_cues(recording(*lines)))
    if name == "vtt":
        read = [line.text for line in vtt.read(written).lines]
        assert read == [" ".join(cue.text.split()) for cue in make_cues(recording(*lines)) if cue.text.split()]


@BOTH
@settings(max_examples=80, deadline=None)
@given(text=st.text(alphabet="0123:,.-> \nWEBVTTa<&;1", max_size=120))
def test_reading_anything_gives_lines_or_one_sentence(name: str, text: str) -> None:
    try:
        lines = READERS[name](text, source="f").lines
    except UserError as error:
        assert "f" in str(error) and "\n" not in str(error)
    else:
        assert all(
            line.text and line.start is not None and line.end is not None and line.start <= line.end for line in lines
        )
