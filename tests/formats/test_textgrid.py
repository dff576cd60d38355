"""Praat's TextGrid: tiers that tile the recording, read back as they were written, and those that
others write."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recog.errors import UsageError, UserError
from recog.formats.timed import textgrid
from recog.transcript import Line, Transcript, Word

TWO = Transcript(
    "a.wav",
    (
        Line('say "yes"', (Word("say", 0.5, 0.75), Word('"yes"', 0.75, 1.0)), start=0.5, end=1.0),
        Line("now", (Word("now", 2.0, 2.25),), start=2.0, end=2.25),
    ),
    duration=3.0,
)

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 3
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "lines"
        xmin = 0
        xmax = 3
        intervals: size = 5
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = "say ""yes\"""
"""

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.3
<exists>
3
"TextTier" "bells" 0 2.3
1
0.75
"ding"
"IntervalTier" "Words" 0 2.3
3
0 0.7 "hello"
0.7 1.6 ""
1.6 2.3 "world"   ! a comment with "quotes" and 7
"IntervalTier" "phones" 0 2.3 1 0 2.3 "x"
"""


def test_written_exactly():
    text = textgrid.write(TWO)
    assert text.startswith(LONG.rstrip("\n"))
    assert text.count("intervals [") == 5 + 6 and text.endswith("\n")
    assert [float(x) for x in re.findall(r"xmin = (\S+)", text.split('name = "words"')[1])] == [
        0,
        0,
        0.5,
        0.75,
        1,
        2,
        2.25,
    ]


def test_comes_back():
    again = textgrid.read(textgrid.write(TWO), source="a.wav")
    assert again == TWO


def test_nothing_recognised():
    text = textgrid.write(Transcript("a.wav", duration=2.5))
    assert text.count("intervals [1]") == 2 and "xmax = 2.5" in text
    assert textgrid.read(text).lines == ()


def test_overlaps_are_cut_and_words_without_time_left_out():
    words = (Word("a", 0.0, 1.0), Word("b", 0.5, 2.0), Word("c", 2.0, 2.0), Word("d"))
    [line] = textgrid.read(
        textgrid.write(Transcript("a.wav", (Line("a b c d", words, start=0, end=2),)))
    ).lines
    assert line.words == (Word("a", 0.0, 0.5), Word("b", 0.5, 2.0))


def test_images_and_lines_without_times():
    with pytest.raises(UsageError, match=r"p\.png is an image"):
        textgrid.write(Transcript("p.png", (Line("x"),), size=(1, 1)))
    with pytest.raises(UserError, match=r"a\.wav has no times"):
        textgrid.write(Transcript("a.wav", (Line("x"),)))


def test_the_short_form_of_others():
    transcript = textgrid.read("\ufeff" + SHORT, source="b.TextGrid")
    assert transcript.duration == 2.3
    [line] = transcript.lines
    assert (line.text, line.start, line.end) == ("hello world", 0.0, 2.3)
    assert line.words == (Word("hello", 0.0, 0.7), Word("world", 1.6, 2.3))


def test_the_first_tier_is_the_lines_where_none_is_called_so():
    text = SHORT.replace('"Words"', '"speaker A"')
    assert [line.text for line in textgrid.read(text).lines] == ["hello", "world"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a TextGrid"),
        ("ooBinaryFile", "not a TextGrid"),
        ('"ooTextFile" "Pitch 1" 0 1', "not a TextGrid"),
        (SHORT[: SHORT.index("1.6 2.3")], "cut short"),
        (SHORT.replace("2.3\n<exists>", '"x"\n<exists>'), "a number belongs"),
        (SHORT.replace("0 0.7", "0 1e999"), "out of range"),
        (SHORT.replace("IntervalTier", "OtherTier"), "class 'OtherTier'"),
        (SHORT.replace("\n3\n", "\n2.5\n", 1), "a count"),
        ('"ooTextFile" "TextGrid" 0 1 <absent>', "no tier"),
        (
            '"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "a" 0 1 99999999999999999999',
            "cut short",
        ),
    ],
)
def test_damaged_files(text, message):
    with pytest.raises(UserError, match=message) as caught:
        textgrid.read(text, source="f.TextGrid")
    assert "f.TextGrid" in str(caught.value) and "\n" not in str(caught.value)


texts = st.text(
    st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 500), texts), max_size=6))
def test_any_lines_come_back(spans):
    lines, reached = [], 0
    for pause, length, text in spans:
        start, reached = reached + pause, reached + pause + length
        lines.append(
            Line(
                text,
                (Word(text, start / 1000, reached / 1000),),
                start=start / 1000,
                end=reached / 1000,
            )
        )
    transcript = Transcript("x", tuple(lines), duration=(reached + 10) / 1000)
    assert textgrid.read(textgrid.write(transcript), source="x") == transcript


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(SHORT)),
    st.text(alphabet='"0129. -<exists>\n!eTI', max_size=8),
    st.integers(0, 20),
)
@example(0, '"', 0)
def test_mutations_give_a_sentence_or_a_transcript(at, inserted, cut):
    text = SHORT[:at] + inserted + SHORT[at + cut :]
    try:
        lines = textgrid.read(text, source="f").lines
    except UserError as error:
        assert "f" in str(error) and "\n" not in str(error)
    else:
        assert all(line.text and line.start <= line.end for line in lines)


def test_channels_come_back_each_with_its_words():
    lines = (
        Line("a b", (Word("a", 0.0, 0.5), Word("b", 0.5, 1.0)), start=0.0, end=1.0, channel=1),
        Line("c", (Word("c", 0.25, 0.75),), start=0.25, end=0.75, channel=2),
        Line("d", start=2.0, end=2.5),
        Line("e", (Word("e", 1.5, 2.0),), start=1.5, end=2.0, channel=2),
    )
    found = textgrid.read(textgrid.write(Transcript("x.wav", lines, duration=3.0)))
    assert [
        (line.channel, line.text, [word.text for word in line.words]) for line in found.lines
    ] == [(1, "a b", ["a", "b"]), (2, "c", ["c"]), (2, "e", ["e"]), (None, "d", [])]


def test_a_text_without_an_end_is_read_in_little_memory():
    import tracemalloc

    text = LONG.replace('"ooTextFile"', '"' + "ab " * 300_000)
    tracemalloc.start()
    with pytest.raises(UserError):
        textgrid.read(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(text)
