"""txt, json and trn."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.errors import UserError
from recog.formats import json as json_format
from recog.formats import txt
from recog.formats.timed import trn
from recog.transcript import Alternative, Line, Transcript, Word

PAGE = Transcript(
    "p.jpg",
    (
        Line(
            "Où? «là»",
            (Word("Où?", box=(1.0, 2.5, 3.0, 4.25), confidence=0.5), Word("«là»")),
            polygon=((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)),
            baseline=((0.0, 5.5), (9.0, 5.5)),
            confidence=0.1234,
            alternatives=(Alternative("Où? «là»", -1.25), Alternative("Ou? la", -3.5)),
        ),
        Line(""),
        Line("fin"),
    ),
    model="latin-handwriting",
    size=(100, 200),
    warnings=("cut short", "quiet"),
    damage=("cut short",),
)
SOUND = Transcript(
    "a.wav",
    (Line("hi", (Word("hi", 0.0, 0.25, confidence=1.0),), start=0.0, end=0.25),),
    duration=1.5,
)


def test_txt() -> None:
    assert txt.write(PAGE) == "Où? «là»\nfin\n"
    assert txt.write(replace(PAGE, size=None)) == "Où? «là» fin\n"
    assert txt.write(Transcript("empty.wav")) == "\n"
    assert [
        line.text for line in txt.read("\ufeff a \r\n\r\nb\x0cc\u2028d\r", source="x").lines
    ] == ["a", "b\x0cc\u2028d"]


@pytest.mark.parametrize("transcript", [PAGE, SOUND, Transcript("nothing.wav")])
def test_json_round_trip(transcript: Transcript) -> None:
    written = json_format.write(transcript)
    assert json_format.read(written, source="t.json") == transcript
    assert json.loads(written)["format_version"] == 1
    assert json.loads(written)["text"] == transcript.text


def test_json_leaves_out_defaults() -> None:
    assert json.loads(json_format.write(SOUND))["lines"] == [
        {
            "text": "hi",
            "start": 0.0,
            "end": 0.25,
            "words": [{"text": "hi", "start": 0.0, "end": 0.25, "confidence": 1.0}],
        }
    ]


def test_json_numbers() -> None:
    line = Line(
        "x",
        (Word("x", start=np.float32(0.1), end=math.nan, confidence=1 / 3),),  # type: ignore[arg-type]
        start=-0.00001,
        end=math.inf,
        alternatives=(Alternative("x", -math.inf),),
    )
    written = json_format.write(Transcript("a.wav", (line,), duration=2 / 3))
    assert "NaN" not in written and "Infinity" not in written and "-0.0" not in written
    back = json_format.read(written)
    assert back.duration == 0.667
    assert back.lines[0].words == (Word("x", start=0.1, confidence=0.3333),)
    assert (back.lines[0].start, back.lines[0].end) == (0.0, None)
    assert back.lines[0].alternatives == (Alternative("x", -math.inf),)


SECONDS = st.none() | st.integers(0, 10**8).map(lambda n: n / 1000)
SHARE = st.none() | st.integers(0, 10**4).map(lambda n: n / 10**4)
PIXEL = st.integers(-(10**6), 10**6).map(lambda n: n / 4)
POINTS = st.lists(st.tuples(PIXEL, PIXEL), max_size=3).map(tuple)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
BOX = st.none() | st.tuples(PIXEL, PIXEL, PIXEL, PIXEL)
WORDS = st.lists(
    st.builds(Word, TEXT, start=SECONDS, end=SECONDS, box=BOX, confidence=SHARE), max_size=2
).map(tuple)
OTHERS = st.lists(st.builds(Alternative, TEXT, PIXEL), max_size=2).map(tuple)
LINES = st.builds(
    Line,
    TEXT,
    WORDS,
    start=SECONDS,
    end=SECONDS,
    polygon=POINTS,
    baseline=POINTS,
    confidence=SHARE,
    alternatives=OTHERS,
)
TRANSCRIPTS = st.builds(
    Transcript,
    TEXT,
    st.lists(LINES, max_size=2).map(tuple),
    model=TEXT,
    duration=SECONDS,
    size=st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    warnings=st.lists(TEXT, max_size=2).map(tuple),
    damage=st.lists(TEXT, max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(TRANSCRIPTS)
def test_json_round_trip_of_any(transcript: Transcript) -> None:
    assert json_format.read(json_format.write(transcript)) == transcript


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"format_version": 1, "source": "a", "duration": NaN}', "NaN is not a JSON number"),
        ('{"format_version": 1, "source": "a", "duration": 1e999}', "out of range"),
        ("[]", "no format_version"),
        ('{"lines": []}', "no format_version"),
        ('{"format_version": 2}', "format_version 2, not 1"),
        ('{"format_version": true}', "not 1"),
        ('{"format_version": 1}', "source: Field required"),
        ('{"format_version": 1, "source": "a", "lines": 5}', "lines"),
        ('{"format_version": 1, "source": "a", "lines": [{"text": 5}]}', "lines.0.text"),
        ('{"format_version": 1, "source": "a", "size": [1]}', "size"),
        ('{"format_version": 1, "source": "\\ud800"}', "t.json"),
    ],
)
def test_json_refuses(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        json_format.read(text, source="t.json")
    assert said in str(caught.value)
    assert str(caught.value).startswith("t.json ")
    assert "\n" not in str(caught.value)


def test_trn() -> None:
    pairs = [("spk1-001", "hello (um) there"), ("spk1-002", "")]
    assert trn.write(pairs) == "hello (um) there (spk1-001)\n(spk1-002)\n"
    assert trn.read(";; a comment\n\n" + trn.write(pairs) + "no space(u3)  \r\n") == [
        *pairs,
        ("u3", "no space"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        "no id",
        "empty ()",
        "two words (a b)",
        "(a) after",
        "x (a))",
        " " * 1_000_000 + "x",
        "(" * 1_000_000,
    ],
)
def test_trn_refuses(row: str) -> None:
    with pytest.raises(UserError, match=r"Line 2 of x\.trn"):
        trn.read("fine (u1)\n" + row, source="x.trn")


@pytest.mark.parametrize("utterance", ["", "a b", "a)"])
def test_trn_refuses_ids(utterance: str) -> None:
    with pytest.raises(UserError, match="utterance id"):
        trn.write([(utterance, "x")])
