"""Channels are averaged to the bit, unless they would cancel or one has noise alone."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from recog.media.audio.downmix import AudioBlock, Mixer
from recog.media.audio.reader import open_sound, read_sound

RATE = 16_000
SAMPLES = Path(__file__).parents[3] / "data" / "samples"
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def speech() -> Floats:
    return np.concatenate([read_sound(SAMPLES / "letter.wav"), read_sound(SAMPLES / "weather.wav")])


def noise(count: int, decibels: float, seed: int = 0) -> Floats:
    return np.float32(10 ** (decibels / 20)) * np.random.default_rng(seed).standard_normal(
        count, dtype=np.float32
    )


def mixed(*channels: Floats, rate: int = RATE, piece: int = 10_000) -> tuple[Floats, list[str]]:
    samples = np.stack(channels, axis=1)
    mixer = Mixer()
    pieces = (AudioBlock(rate, samples[at : at + piece]) for at in range(0, len(samples), piece))
    wave = np.concatenate([chunk.samples for chunk in mixer.mix(pieces)])
    assert wave.dtype == np.float32 and len(wave) == len(samples)
    return wave, list(mixer.warnings())


def similarity(a: Floats, b: Floats) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def inverses(speech: Floats) -> Iterator[tuple[str, Floats, Floats]]:
    count, level = len(speech), 20 * np.log10(np.sqrt(np.mean(speech**2)))
    yield "exact", speech, -speech
    for below in (60, 50, 40, 30):
        yield (
            "noise",
            speech + noise(count, level - below, 1),
            -speech + noise(count, level - below, 2),
        )
    yield "quieter", speech, -0.97 * speech
    yield "much quieter", 0.7 * speech, -speech
    yield "a sample later", speech, -np.roll(speech, 1)
    street = np.convolve(
        noise(count, level - 26, 3), np.ones(8, np.float32) / 8**0.5, "same"
    ).astype(np.float32)
    yield "noise in common", speech + street, -speech + street


def test_inverse_channels_are_heard(speech: Floats) -> None:
    for what, left, right in inverses(speech):
        wave, warnings = mixed(left, right)
        assert similarity(np.abs(wave), np.abs(speech)) > 0.98, what
        assert np.std(wave) > 0.6 * np.std(speech), what
        assert len(warnings) == 1 and "each other's inverse" in warnings[0], what


def encoded(samples: Floats, rate: int, format: str, codec: str) -> bytes:
    """Two channels through a lossy codec."""
    file = io.BytesIO()
    if codec == "vorbis":
        soundfile.write(file, samples, rate, format="OGG", subtype="VORBIS")
        return file.getvalue()
    with av.open(file, "w", format=format) as out:
        stream = out.add_stream(codec, rate=rate, layout="stereo", bit_rate=64_000)
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name, layout="stereo", rate=rate
        )
        for at in range(0, len(samples), 4_096):
            block = np.ascontiguousarray(samples[at : at + 4_096]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout="stereo")
            frame.sample_rate, frame.pts = rate, at
            for part in resampler.resample(frame):
                out.mux(stream.encode(part))
        for part in resampler.resample(None):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "codec"),
    [("ogg", "libopus"), ("mp4", "aac"), ("mp3", "libmp3lame"), ("ogg", "vorbis")],
)
def test_inverse_channels_of_a_lossy_codec_are_heard(
    format: str, codec: str, speech: Floats
) -> None:
    rate = 48_000 if codec == "libopus" else RATE
    wave = np.repeat(speech, rate // RATE)
    file = io.BytesIO(encoded(np.stack((wave, -wave), axis=1), rate, format, codec))
    with open_sound(file) as sound:
        heard = np.concatenate(list(sound.blocks()))
        assert len(sound.warnings) == 1 and "each other's inverse" in sound.warnings[0]
    file.seek(0)
    clean = read_sound(file, channel=0)
    count = min(len(clean), len(heard))
    assert similarity(np.abs(heard[:count]), np.abs(clean[:count])) > 0.98


def test_what_comes_first_does_not_matter(speech: Floats) -> None:
    pause = np.zeros(60 * RATE, np.float32)
    hour = np.concatenate([pause, speech, pause, speech])
    left, right = hour + noise(len(hour), -75, 1), -hour + noise(len(hour), -75, 2)
    wave, warnings = mixed(left, right)
    assert len(warnings) == 1
    for start in (len(pause), 2 * len(pause) + len(speech)):
        assert similarity(np.abs(wave[start : start + len(speech)]), np.abs(speech)) > 0.98


def test_ordinary_stereo_is_the_mean_to_the_bit(speech: Floats) -> None:
    other = read_sound(SAMPLES / "numbers.wav")[: len(speech)]
    other = np.pad(other, (RATE, len(speech) - len(other)))[: len(speech)]
    far = np.convolve(speech, np.r_[np.zeros(20), 0.5, np.zeros(15), 0.3], "full")[
        : len(speech)
    ].astype(np.float32)
    hiss = noise(len(speech), -50)
    for channels in (
        (speech, speech),
        (speech, other),
        (speech + 0.2 * other, 0.3 * speech + other),
        (speech, 0 * speech),
        (speech, hiss),
        (speech + noise(len(speech), -30, 1), far + noise(len(speech), -30, 2)),
        (hiss, noise(len(speech), -40, 5)),
        (speech, -0.3 * speech + other),
        (speech, other, hiss, 0 * hiss, far, -0.1 * speech),
    ):
        wave, warnings = mixed(*channels)
        mean = np.stack(channels, axis=1).mean(axis=1, dtype=np.float64).astype(np.float32)
        np.testing.assert_array_equal(wave, mean)
        assert warnings == []


@pytest.mark.parametrize("level", [-35.0, -20.0, -10.0])
def test_a_channel_of_noise_is_left_out(speech: Floats, level: float) -> None:
    wave, warnings = mixed(noise(len(speech), level), speech)
    np.testing.assert_allclose(wave, speech / 2, atol=1e-6)
    assert warnings == [
        "has only noise in channel 1: where another channel has speech, it was left out"
    ]


def test_pairs_of_inverse_channels(speech: Floats) -> None:
    speech = speech[: 5 * RATE]  # a window
    other = np.roll(speech, len(speech) // 2)
    wave, warnings = mixed(speech, -speech, other, -other)
    assert len(warnings) == 1
    either = max(similarity(wave, speech + other), similarity(wave, speech - other), key=abs)
    assert abs(either) > 0.98


def test_any_pieces_give_the_same_sound(speech: Floats) -> None:
    reference, _ = mixed(speech, -speech + noise(len(speech), -60))
    for piece in (1_000, 16_384, 1_000_000):
        np.testing.assert_array_equal(
            mixed(speech, -speech + noise(len(speech), -60), piece=piece)[0], reference
        )


def test_many_channels_take_little_memory() -> None:
    zeros = np.zeros((256, 1_024), np.float32)
    mixer = Mixer()
    tracemalloc.start()
    total = sum(
        len(chunk.samples) for chunk in mixer.mix(AudioBlock(192_000, zeros) for _ in range(200))
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 200 * 256 and peak < 80 << 20


def test_a_stretch_is_heard_as_in_the_whole(speech: Floats) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.stack((speech, -speech), axis=1), RATE, format="WAV", subtype="FLOAT")
    np.testing.assert_allclose(
        read_sound(io.BytesIO(file.getvalue()), start=1.0, end=3.0),
        speech[RATE : 3 * RATE],
        atol=1e-6,
    )
