"""Recordings drawn with their words: each above the time when it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

cv2 = pytest.importorskip("cv2")
if not hasattr(cv2, "FontFace"):
    pytest.skip("drawing needs OpenCV 5", allow_module_level=True)

from recog.cli import app
from recog.formats import WRITERS
from recog.transcript import Line, Transcript, Word
from recog.visualise.draw import TextPainter, colour_of
from recog.visualise.spectrogram import BAR, HEADER, LEFT, LEVEL, RATE, SPECTRUM, WIDTH, draw_sound

TYPE = TextPainter()
WORDS = (
    Word("red", 1.0, 2.0, confidence=0.0),
    Word("blue", 6.0, 6.5, confidence=1.0),
    Word("late", 12.0, 13.0),
)
SAID = Transcript("talk.wav", (Line("red blue late", WORDS, start=1.0, end=13.0),), duration=15.0)
ABOVE = LEVEL + 6  # of a row's bars, where its words are on one level


def tone(seconds: float, hertz: float = 1000.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def test_words_and_sound_stand_at_their_times() -> None:
    wave = np.concatenate([np.zeros(5 * RATE, np.float32), tone(10.0)])
    canvas = draw_sound(wave, SAID, TYPE)
    row = ABOVE + BAR + SPECTRUM
    assert (
        canvas.shape[1] > WIDTH and canvas.shape[0] == HEADER + 2 * (canvas.shape[0] - HEADER) // 2
    )
    bars = canvas[HEADER + ABOVE + 2]
    assert tuple(bars[LEFT + round(WIDTH * 0.15)]) == colour_of(0.0)
    assert tuple(bars[LEFT + round(WIDTH * 0.62)]) == colour_of(1.0)
    assert (bars[LEFT + round(WIDTH * 0.3)] == 255).all()
    second = HEADER + (canvas.shape[0] - HEADER) // 2
    assert (canvas[second + ABOVE + 2, LEFT + round(WIDTH * 0.25)] < 100).all()
    spectrum = canvas[HEADER + ABOVE + BAR : HEADER + row, LEFT : LEFT + WIDTH]
    assert (spectrum[:, 20:140] == 255).all()  # silence
    dark = spectrum[:, round(WIDTH * 0.9)].sum(axis=1).argmin()
    assert 0.55 < dark / SPECTRUM < 0.75  # 1 kHz on the mel scale, from the top


def test_a_stretch_of_a_recording() -> None:
    canvas = draw_sound(tone(3.0), SAID, TYPE, start=11.0)
    bars = canvas[HEADER + ABOVE + 2]
    assert (bars[LEFT + round(WIDTH / 2)] < 100).all() and (
        bars[LEFT + round(WIDTH * 0.9)] == 255
    ).all()


def test_words_that_would_overlap_stand_on_levels() -> None:
    crowd = tuple(Word("overlapping", 1.0 + k / 50, 1.0 + (k + 1) / 50) for k in range(4))
    line = Line(" ".join(word.text for word in crowd), crowd, start=1.0, end=2.0)
    alone = draw_sound(tone(10.0), SAID, TYPE)
    crowded = draw_sound(tone(10.0), Transcript("a", (line,), duration=10.0), TYPE)
    assert crowded.shape[0] - alone.shape[0] == 3 * LEVEL


TIME = st.one_of(
    st.none(), st.floats(-5, 40), st.sampled_from([0.0, 1e12, float("nan"), float("inf")])
)
WORD = st.builds(
    Word, st.text(max_size=5), TIME, TIME, confidence=st.one_of(st.none(), st.floats(-1, 2))
)
LINES = st.builds(
    lambda words, a, b: Line(" ".join(w.text for w in words), tuple(words), start=a, end=b),
    st.lists(WORD, max_size=6), TIME, TIME,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    lines=st.lists(LINES, max_size=4),
    samples=st.sampled_from([0, 1, 700, 16_000]),
    start=st.sampled_from([0.0, 3.5]),
)
def test_any_transcript_is_drawn(lines: list[Line], samples: int, start: float) -> None:
    canvas = draw_sound(
        np.zeros(samples, np.float32),
        Transcript("a", tuple(lines), duration=9.0),
        TYPE,
        start=start,
    )
    assert canvas.shape[0] < 1000 and canvas.dtype == np.uint8


@pytest.mark.parametrize("name", ["json", "ctm", "textgrid", "srt", "tsv"])
def test_the_command(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / "talk.wav", tone(15.0), RATE)
    suffix = {"textgrid": "TextGrid"}.get(name, name)
    (tmp_path / f"talk.{suffix}").write_text(WRITERS[name](SAID), encoding="utf-8")
    done = CliRunner().invoke(
        app, ["show", str(tmp_path / "talk.wav"), "-o", str(tmp_path / "o.png")]
    )
    assert done.exit_code == 0 and f"drawing {tmp_path / 'talk.'}{suffix}" in done.output
    first = cv2.imread(str(tmp_path / "o.png"))
    assert first.shape[0] > 2 * SPECTRUM
    part = ["--start", "10", "--seconds", "4"]
    done = CliRunner().invoke(
        app, ["show", str(tmp_path / "talk.wav"), "-o", str(tmp_path / "o.png"), *part]
    )
    assert done.exit_code == 0 and cv2.imread(str(tmp_path / "o.png")).shape[0] < first.shape[0]


def test_mistakes_give_one_sentence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", tone(2.0), RATE)
    page = Transcript("p", (Line("x"),), size=(9, 9))
    (tmp_path / "p.xml").write_text(WRITERS["page"](page), encoding="utf-8")
    for arguments, sentence in (
        (["--transcript", str(tmp_path / "p.xml")], "is of an image, and this is sound"),
        (
            ["--start", "99", "--transcript", str(tmp_path / "p.xml")],
            "holds no sound after 99 seconds",
        ),
        (["--model", "latin-handwriting"], "is for handwriting, not for speech"),
    ):
        done = CliRunner().invoke(
            app, ["show", str(tmp_path / "talk.wav"), "-o", str(tmp_path / "o.png"), *arguments]
        )
        assert done.exit_code in (1, 2) and sentence in " ".join(done.output.split()), done.output
    assert not (tmp_path / "o.png").exists()
