"""SubRip and WebVTT: cues in order, broken at word times, read back as they were written."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import zip_longest

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recog.errors import UsageError, UserError
from recog.formats import READERS, WRITERS, writer
from recog.formats.timed import srt, vtt
from recog.formats.timed.cues import GAP, MIN_DISPLAY, make_cues
from recog.formats.timed.line_breaking import MAX_COLUMNS, MAX_SECONDS, clean_text, display_width
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
        Line("hello", start=0.5, end=1.75),
        Line("", start=1.3, end=2.0),
        Line("x", start=3661.0, end=3662.0),
    )
    assert srt.write(transcript) == (
        "1\n00:00:00,500 --> 00:00:01,750\nhello\n\n2\n01:01:01,000 --> 01:01:02,000\nx\n"
    )


def test_vtt_exactly() -> None:
    transcript = recording(Line("a <b> & c --> d", start=0.0, end=1.0))
    assert vtt.write(transcript) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na &lt;b&gt; &amp; c --&gt; d\n"
    )


def test_nothing_recognised() -> None:
    assert srt.write(recording()) == ""
    assert vtt.write(recording()) == "WEBVTT\n"
    assert srt.read("").lines == vtt.read("WEBVTT\n").lines == ()


def test_long_line_breaks_at_word_times() -> None:
    cues = make_cues(recording(LONG))
    assert [cue.start % 1000 for cue in cues] == [0] * len(cues) and len(cues) == 5
    assert [(cue.start, cue.end) for cue in cues][:2] == [(0, 5_500), (6_000, 11_500)]
    assert " ".join(cue.text for cue in cues) == LONG.text


@pytest.mark.parametrize(
    "line",
    [
        Line(LONG.text, start=0.0, end=29.5),
        Line(LONG.text, LONG.words[:-1], start=0.0, end=29.5),  # words that are not the line
        # a word without times
        Line(LONG.text, (*LONG.words[:-1], Word(WORDS[-1])), start=0.0, end=29.5),
    ],
)
def test_long_line_without_word_times_is_shared_out(line: Line) -> None:
    cues = make_cues(recording(line))
    assert " ".join(cue.text for cue in cues) == LONG.text and len(cues) > 3
    for cue in cues:
        assert abs(cue.start - 29_500 * WORDS.index(cue.text.split()[0]) / 30) < 100
    (short,) = make_cues(recording(Line("two words", start=0.0, end=29.5)))  # nowhere to break
    assert (short.start, short.end) == (0, 29_500)


def test_breaks_where_people_would() -> None:
    said = (
        "well i think that the first thing we did when we came to the city was to look for a place to stay "
        "and my brother who had been there before said that he knew a woman in the old town who rented rooms"
    )
    rows = [
        row for cue in make_cues(recording(Line(said, start=0.0, end=12.0))) for row in cue.rows
    ]
    held = {
        "a",
        "the",
        "to",
        "my",
        "i",
        "we",
        "he",
        "had",
        "was",
        "for",
        "in",
        "of",
        "and",
        "who",
        "that",
    }
    assert not [row for row in rows if row.split()[-1] in held], rows
    (cue,) = make_cues(
        recording(Line("he came from the village, and he saw the town", start=0.0, end=4.0))
    )
    assert cue.rows == ("he came from the village,", "and he saw the town")
    assert make_cues(recording(Line("one row is enough for it", start=0.0, end=4.0)))[0].rows == (
        "one row is enough for it",
    )


def test_wide_characters_count_two() -> None:
    said = "今天早上我和我的朋友一起去了北京的故宫博物院，那里有很多来自世界各地的游客。我们走了三个小时。"
    cues = make_cues(recording(Line(said, start=0.0, end=12.0)))
    rows = [row for cue in cues for row in cue.rows]
    assert (
        "".join(rows) == said
        and max(map(len, rows)) <= 21
        and not [row for row in rows if row[0] in "，。"]
    )
    assert display_width("か\u3099x") == 3  # a mark on a letter takes no room
    word = "https://example.org/" + "x" * 60
    assert [cue.rows for cue in make_cues(recording(Line(f"see {word} now", start=0.0, end=6.0)))][
        1
    ] == (word,)


def test_shown_long_enough_to_read() -> None:
    fast = Line("x" * 40, (Word("x" * 40, 1.0, 1.5),), start=1.0, end=1.5)
    (alone,) = make_cues(recording(fast))
    assert (alone.start, alone.end) == (1000, 2000)  # half a second more, no longer
    cue, _ = make_cues(recording(fast, Line("y", start=1.7, end=3.0)))
    assert (cue.start, cue.end) == (1000, 1617)
    cue, _ = make_cues(recording(Line("slow", start=1.0, end=3.0), Line("y", start=3.3, end=5.0)))
    assert (cue.start, cue.end) == (1000, 3217)  # a gap of less than half a second is closed
    (last,) = make_cues(Transcript("a.wav", (Line("x", start=1.0, end=1.1),), duration=1.2))
    assert last.end == 1200


def test_channels_do_not_cut_each_other() -> None:
    def said(text: str, start: float, end: float, channel: int) -> Line:
        return Line(text, start=start, end=end, channel=channel)

    long = "a sentence of two rows that takes its reader four seconds or even more"
    lines = (
        said(long, 1.0, 4.0, 1),
        said("yes", 1.5, 1.8, 2),
        said("well", 4.5, 5.0, 1),
        said("no", 4.6, 4.9, 2),
    )
    for order in (lines, lines[::-1]):
        cues = make_cues(recording(*order))
        assert [cue.text[:3] for cue in cues] == ["[1]", "[2]", "[1]", "[2]"]
        assert [cue.start for cue in cues] == [1_000, 1_500, 4_500, 4_600]
        for channel in (1, 2):  # as if the other one were not there
            own = [line for line in order if line.channel == channel]
            alone = make_cues(
                recording(*(replace(line, text=f"[{channel}] {line.text}") for line in own))
            )
            assert [cue for cue in cues if cue.text.startswith(f"[{channel}]")] == alone
        assert cues[0].end == 4_500 - GAP and cues[0].end > cues[1].start
    back = srt.read(srt.write(recording(*lines)))
    assert [(line.start, line.end) for line in back.lines] == [
        (cue.start / 1000, cue.end / 1000) for cue in cues
    ]


def test_overlapping_and_backward_lines() -> None:
    lines = [
        Line("b", start=2.0, end=9.0),
        Line("a", start=0.0, end=3.0),
        Line("c", start=2.0, end=2.0),
    ]
    assert [(cue.text, cue.start, cue.end) for cue in make_cues(recording(*lines))] == [
        ("a", 0, 1917),
        ("b", 2000, 2834),
        ("c", 2834, 3668),
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
    assert READERS[name](WRITERS[name](recording(Line("x", words)))).lines == (
        Line("x", start=1.0, end=2.0),
    )


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


@BOTH
@pytest.mark.parametrize(
    "between", ["", " \n", "\n", "\t\n\n"], ids=["none", "space", "empty", "both"]
)
@pytest.mark.parametrize("label", ["", "2\n"])
def test_cues_that_run_on(name: str, between: str, label: str) -> None:
    """No times and no number of the next cue are text; a number that is said, and what follows a
    space, are."""
    text = (
        f"00:00:01.000 --> 00:00:02.000\nin the year\n1984\n{between}{label}"
        f"00:00:03.000 --> 00:00:04.000\nand\n \nthen\n{between}3\n00:00:05.000 --> 00:00:06.000\n{between}"
    )
    # which cannot be told from a number
    first = "in the year" if not between and not label else "in the year 1984"
    assert READERS[name]("WEBVTT\n\n" * (name == "vtt") + text).lines == (
        Line(first, start=1.0, end=2.0),
        Line("and then", start=3.0, end=4.0),
    )


def test_a_name_and_a_note_after_a_space() -> None:
    text = (
        "WEBVTT\n \nNOTE\nnot said\n \nintro\n00:01.000 --> 00:02.000\none\n \nthe end\n00:03.000 --> 00:04.000\ntwo\n"
        "\nNOTE 00:05.000 --> 00:06.000\nnot said\n"
    )
    assert vtt.read(text).lines == (
        Line("one", start=1.0, end=2.0),
        Line("two", start=3.0, end=4.0),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [("srt", "just text"), ("vtt", "1\n00:00:01.000 --> 00:00:02.000\nx"), ("vtt", "")],
)
def test_not_subtitles(name: str, text: str) -> None:
    with pytest.raises(UserError, match=r"odd\.txt"):
        READERS[name](text, source="odd.txt")


def test_hostile_tags_take_no_time() -> None:
    assert srt.read("1\n00:00:01,000 --> 00:00:02,000\n" + "<b " * 300_000).lines[0].start == 1.0
    assert (
        vtt.read("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n" + "<" * 300_000).lines[0].start == 1.0
    )


def test_unknown_format() -> None:
    assert writer("txt") is WRITERS["txt"]
    with pytest.raises(UsageError, match="no output format 'docx'; use one of txt, json, srt, vtt"):
        writer("docx")


TIMES = st.one_of(st.floats(-10, 20_000), st.sampled_from([0.0, 1.0]))
LINES = st.builds(
    lambda text, a, b: Line(text, start=a, end=b), st.text(max_size=200), TIMES, TIMES
)


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
        assert read == [
            " ".join(cue.text.split()) for cue in make_cues(recording(*lines)) if cue.text.split()
        ]


PIECES = st.sampled_from(
    [
        "a",
        "the",
        "and",
        "word",
        "sentence.",
        "well,",
        "今天早上",
        "游客。",
        "x" * 50,
        "é\u0301",
        "-",
        "Ann",
    ]
)
SPOKEN = st.tuples(PIECES, st.floats(0.02, 1.2), st.floats(0.0, 3.0))


@settings(max_examples=150, deadline=None)
@given(spoken=st.lists(st.lists(SPOKEN, min_size=1, max_size=40), max_size=4))
@example(spoken=[[("x" * 50, 1.0, 0.0)] * 40])
def test_spoken_words_become_subtitles(spoken: list[list[tuple[str, float, float]]]) -> None:
    lines, now = [], 0.0
    for said in spoken:
        words = []
        for text, length, pause in said:
            words.append(Word(text, now, now + length))
            now += length + pause
        lines.append(
            Line(
                " ".join(w.text for w in words),
                tuple(words),
                start=words[0].start,
                end=words[-1].end,
            )
        )
    cues = make_cues(Transcript("a.wav", tuple(lines), duration=now))
    assert "".join("".join(cue.text.split()) for cue in cues) == "".join(
        "".join(x.text.split()) for x in lines
    )
    for cue, following in zip_longest(cues, cues[1:]):
        assert 1 <= len(cue.rows) <= 2 and all(
            display_width(row) <= MAX_COLUMNS or row == "x" * 50 for row in cue.rows
        )
        shown = cue.end - cue.start
        assert 0 < shown <= 1000 * MAX_SECONDS
        room = (following.start if following else now * 1000) - cue.start
        assert shown >= min(MIN_DISPLAY, room - GAP)
        if following is not None:
            assert following.start - cue.end >= (GAP if room >= 2 * GAP else 0)


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(
        st.builds(
            lambda words, a: Line(" ".join(w.text for w in words), tuple(words), start=a, end=a),
            st.lists(
                st.builds(Word, st.one_of(PIECES, st.text(max_size=5)), TIMES, TIMES), max_size=12
            ),
            TIMES,
        ),
        max_size=5,
    )
)
def test_no_word_is_lost_whatever_the_times(lines: list[Line]) -> None:
    cues = make_cues(recording(*lines))
    said = sorted("".join("".join(cue.text.split()) for cue in cues))
    assert said == sorted("".join("".join(clean_text(line.text).split()) for line in lines))
    if len(lines) == 1:
        assert "".join("".join(cue.text.split()) for cue in cues) == "".join(
            clean_text(lines[0].text).split()
        )


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
            line.text and line.start is not None and line.end is not None and line.start <= line.end
            for line in lines
        )
