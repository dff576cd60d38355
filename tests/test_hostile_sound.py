"""Recordings that are damaged, lie, or hold nothing: a transcript or one sentence, in bounded time
and memory."""

import io
import struct
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

import recog
from recog.errors import UserError
from recog.media.audio.reader import read_sound

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
RATE = 16_000
KINDS = [
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_24"),
]


@pytest.fixture(scope="module")
def model():
    return recog.load("english-speech", beam=0, threads=1)


@pytest.fixture(scope="module")
def each():
    return recog.load("english-speech", beam=0, threads=1, channels="each")


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    wave = read_sound(SAMPLES / "weather.wav")[:RATE]
    files = []
    for channels in (1, 2):
        for container, subtype in KINDS:
            file = io.BytesIO()
            soundfile.write(
                file,
                np.repeat(wave[:, None], channels, axis=1),
                RATE,
                format=container,
                subtype=subtype,
            )
            files.append(file.getvalue())
    return files


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes flipped, mostly in the header; cut; a stretch doubled, taken out or overwritten by
    extreme numbers."""
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        end = min(len(damaged), 120) if rng.random() < 0.6 else len(damaged)
        at = int(rng.integers(0, max(1, end)))
        match int(rng.integers(6)):
            case 0 | 1:
                damaged[at : at + 1] = bytes([int(rng.integers(256))])
            case 2:
                damaged[at : at + 4] = struct.pack(
                    "<I", int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000]))
                )
            case 3:
                del damaged[at : at + int(rng.integers(1, 200))]
            case 4:
                damaged[at:at] = damaged[at : at + int(rng.integers(1, 200))]
            case 5:
                del damaged[int(len(damaged) * rng.random()) :]
    return bytes(damaged)


def transcribed(model, data: bytes) -> str:
    """The text, or the complaint; warnings of NumPy are errors here."""
    file = io.BytesIO(data)
    file.name = "damaged"
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            transcript = model.transcribe(file)
        assert all(
            0.0 <= word.start <= word.end <= transcript.duration
            for line in transcript.lines
            for word in line.words
        )
        seconds = transcript.duration
        said = transcript.text
    except UserError as error:
        seconds, said = 0.0, str(error)
        assert "damaged" in said and "\n" not in said
    # A second of sound at 1,000 samples a second, as a header may claim, is sixteen; and each
    # channel is heard.
    assert time.process_time() - start < 5.0 + seconds
    return said


def test_mutated_recordings(model, each, originals):
    rng = np.random.default_rng(7)
    for k in range(60):
        transcribed(each if k % 3 == 0 else model, mutated(originals[k % len(originals)], rng))


@pytest.mark.slow
def test_thousands_of_mutated_recordings(model, each, originals):
    rng = np.random.default_rng(8)
    for k in range(3_000):
        transcribed(each if k % 3 == 0 else model, mutated(originals[k % len(originals)], rng))


def wav(samples: bytes, *, rate: int = RATE, channels: int = 1, size: int | None = None) -> bytes:
    fmt = struct.pack(
        "<HHIIHH", 1, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2 & 0xFFFF, 16
    )
    size = len(samples) if size is None else size
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(samples))
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", size)
        + samples
    )


@pytest.mark.parametrize("channels", ["mix", "each"])
def test_headers_that_lie(model, each, channels):
    model = each if channels == "each" else model
    pcm = (read_sound(SAMPLES / "weather.wav")[:RATE] * 32_767).astype("<i2").tobytes()
    honest = transcribed(model, wav(pcm))
    assert honest and "damaged" not in honest
    # longer than the file: what there is, and a warning
    assert transcribed(model, wav(pcm, size=0x7FF00000)) == honest
    assert transcribed(model, wav(pcm + b"x")) == honest  # half a sample
    for lie in (
        {"rate": 0},
        {"rate": 1},
        {"rate": 0xFFFFFFFF},
        {"channels": 0},
        {"channels": 60_000},
    ):
        assert "damaged" in transcribed(model, wav(pcm, **lie))
    many = transcribed(model, wav(pcm, channels=1_000))
    assert "too many to transcribe each" in many if channels == "each" else "too many" not in many


@pytest.mark.parametrize("level", [0.0, 1e-4, 1.0, 3e38])
@pytest.mark.parametrize("count", [1, 10, 400, 3_199])
def test_clips_of_a_few_samples_have_no_text(model, count, level):
    file = io.BytesIO()
    samples = (level * np.random.default_rng(count).uniform(-1, 1, count)).astype(np.float32)
    soundfile.write(file, samples, RATE, format="WAV", subtype="FLOAT")
    assert len(transcribed(model, file.getvalue())) <= 3


def test_deafening_and_broken_samples(model):
    wave = read_sound(SAMPLES / "weather.wav")
    wave[RATE : RATE + 100], wave[2 * RATE], wave[3 * RATE] = 3e38, np.nan, np.inf
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format="WAV", subtype="FLOAT")
    transcribed(model, file.getvalue())


def sparse(path: Path, seconds: int) -> Path:
    with path.open("wb") as file:
        file.write(wav(b"", size=seconds * RATE * 2))
        file.truncate(44 + seconds * RATE * 2)
    return path


def test_five_minutes_of_silence(model, tmp_path):
    tracemalloc.start()
    transcript = model.transcribe(sparse(tmp_path / "silence.wav", 300))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (transcript.text, transcript.duration) == ("", 300.0) and peak < 40 << 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["steady", "restless"])
def test_three_hours_of_noise(model, tmp_path, kind):
    rng = np.random.default_rng(9)
    path = tmp_path / "noise.wav"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for _ in range(180):
            noise = 0.05 * rng.standard_normal(60 * RATE)
            swell = np.repeat(rng.uniform(0.02, 1.0, 240), RATE // 4) if kind == "restless" else 1.0
            file.write(noise * swell)
    tracemalloc.start()
    transcript = model.transcribe(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert transcript.duration == 10_800.0 and peak < 60 << 20
    assert len(transcript.text.split()) < (20 if kind == "steady" else 10_000)
