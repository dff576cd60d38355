"""Recordings as people have them: late tracks, gaps, inverse channels, hiss, hardly any level; the
text and its times."""

from __future__ import annotations

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import recog
from recog.media.audio.reader import read_sound
from recog.recognition.forced_alignment import align_text
from recog.recognition.speech import Transcriber
from recog.transcript import Transcript

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
RATE = 16_000
WEATHER, LETTER = (read_sound(SAMPLES / f"{name}.wav") for name in ("weather", "letter"))
LETTER_TEXT = "she wrote a long letter to her brother who lived in the city"


@pytest.fixture(scope="module")
def model() -> Transcriber:
    model = recog.load("english-speech", threads=1)
    assert isinstance(model, Transcriber)
    return model


def video(*tracks: list[tuple[float, NDArray[np.float32]]], seconds: int = 12) -> io.BytesIO:
    """Black pictures, and tracks of sound that begins at the seconds given."""
    file = io.BytesIO()
    frames: list[tuple[float, av.stream.Stream, av.frame.Frame]] = []
    with av.open(file, "w", format="mp4") as out:
        pictures = out.add_stream("mpeg4", rate=5)
        pictures.width = pictures.height = 64
        for k in range(5 * seconds):
            image = av.VideoFrame(64, 64, "yuv420p")
            image.pts, image.time_base = k, Fraction(1, 5)
            frames.append((k / 5, pictures, image))
        for parts in tracks:
            stream = out.add_stream("aac", rate=RATE, layout="mono", bit_rate=64_000)
            for start, wave in parts:
                for at in range(0, len(wave) - 1_023, 1_024):
                    frame = av.AudioFrame.from_ndarray(
                        wave[None, at : at + 1_024].copy(), format="fltp", layout="mono"
                    )
                    frame.sample_rate, frame.pts, frame.time_base = (
                        RATE,
                        round(start * RATE) + at,
                        Fraction(1, RATE),
                    )
                    frames.append((start + at / RATE, stream, frame))
        for _, stream, frame in sorted(frames, key=lambda entry: entry[0]):
            out.mux(stream.encode(frame))
        for stream in out.streams:
            out.mux(stream.encode(None))
    file.seek(0)
    return file


def wav(*channels: NDArray[np.float32], subtype: str = "PCM_16") -> io.BytesIO:
    file = io.BytesIO()
    soundfile.write(file, np.stack(channels, axis=1), RATE, format="WAV", subtype=subtype)
    file.seek(0)
    return file


def starts(transcript: Transcript) -> list[float]:
    return [line.words[0].start or 0.0 for line in transcript.lines]


def test_a_late_track_and_a_gap(model: Transcriber, tmp_path: Path) -> None:
    late = model.transcribe(video([(5.0, LETTER)]))
    assert (
        late.text == LETTER_TEXT
        and starts(late) == [pytest.approx(5.2, abs=0.2)]
        and late.warnings == ()
    )
    gap = model.transcribe(video([(0.0, WEATHER), (24.0, LETTER)], seconds=30))
    assert gap.text.endswith(LETTER_TEXT) and gap.text.startswith("the weather is fine")
    assert (
        starts(gap) == [pytest.approx(0.2, abs=0.2), pytest.approx(24.2, abs=0.2)]
        and gap.warnings == ()
    )
    path = tmp_path / "late.mp4"
    path.write_bytes(video([(5.0, LETTER)]).getvalue())
    aligned = align_text(model, path, [LETTER_TEXT])
    assert aligned.lines[0].start == pytest.approx(5.2, abs=0.2) and aligned.warnings == ()
    assert (aligned.lines[0].words[-1].confidence or 0.0) > 0.3


def test_tracks_that_begin_apart() -> None:
    each = recog.load("english-speech", threads=1, channels="each").transcribe(
        video([(0.0, WEATHER)], [(6.0, LETTER)])
    )
    assert [line.channel for line in each.lines] == [1, 2] and each.lines[1].text == LETTER_TEXT
    assert starts(each) == [pytest.approx(0.2, abs=0.2), pytest.approx(6.2, abs=0.2)]


def test_the_command_draws_and_writes_late_sound(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    path.write_bytes(video([(5.0, LETTER)]).getvalue())
    command = [sys.executable, "-m", "recog"]
    done = subprocess.run(
        [*command, "transcribe", path, "-f", "srt"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("1\n00:00:05,")
    done = subprocess.run(
        [*command, "show", path, "-o", tmp_path / "a.png"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_channels_that_cancel_after_a_silence(model: Transcriber) -> None:
    noise = 3e-4 * np.random.default_rng(0).standard_normal(
        (2, 20 * RATE + len(LETTER)), dtype=np.float32
    )
    wave = np.concatenate([np.zeros(20 * RATE, np.float32), LETTER])
    transcript = model.transcribe(wav(wave + noise[0], -wave + noise[1]))
    assert transcript.text == LETTER_TEXT
    assert len(transcript.warnings) == 1 and "each other's inverse" in transcript.warnings[0]
    assert transcript.damage == ()


def test_speech_beside_hiss(model: Transcriber) -> None:
    hiss = 0.1 * np.random.default_rng(0).standard_normal(len(LETTER), dtype=np.float32)
    transcript = model.transcribe(wav(hiss, LETTER))
    assert transcript.text == LETTER_TEXT
    assert len(transcript.warnings) == 1 and "only noise in channel 1" in transcript.warnings[0]


@pytest.mark.parametrize(
    ("decibels", "subtype"), [(-60, "PCM_16"), (-80, "PCM_24"), (-100, "FLOAT"), (40, "FLOAT")]
)
def test_quiet_and_loud(model: Transcriber, decibels: float, subtype: str) -> None:
    wave = LETTER * np.float32(10 ** (decibels / 20) / np.abs(LETTER).max())
    transcript = model.transcribe(wav(wave, subtype=subtype))
    assert transcript.text == LETTER_TEXT and transcript.warnings == ()


def test_clipped(model: Transcriber) -> None:
    loud = np.clip(2 * LETTER / np.abs(LETTER).max(), -1.0, 1.0)
    assert model.transcribe(wav(loud)).text == LETTER_TEXT


def test_too_quiet_to_be_heard(model: Transcriber) -> None:
    for wave in (0 * LETTER, LETTER * np.float32(3 / 32_768 / np.abs(LETTER).max())):
        transcript = model.transcribe(wav(wave))
        assert transcript.text == ""
        assert (
            len(transcript.warnings) == 1 and "nothing that can be heard" in transcript.warnings[0]
        )
        assert transcript.damage == ()


def test_a_live_source_that_is_too_quiet() -> None:
    command = [sys.executable, "-m", "recog", "transcribe", "--live", "-"]
    done = subprocess.run(command, input=bytes(2 * RATE), capture_output=True)
    assert done.returncode == 0 and b"too quiet to be heard (every sample is 0)" in done.stderr
