"""Quiet recordings are made louder, silent ones are told, and all others are left as they are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from recog.media.audio.level import TARGET, LevelMeter
from recog.media.audio.reader import open_sound, read_sound

RATE = 16_000
SAMPLES = Path(__file__).parents[3] / "data" / "samples"


def recording(peak: float, subtype: str = "FLOAT", *, channels: int = 1) -> bytes:
    """Speech with this peak."""
    wave = read_sound(SAMPLES / "letter.wav")
    wave = wave * np.float32(peak / np.abs(wave).max())
    file = io.BytesIO()
    soundfile.write(
        file, np.repeat(wave[:, None], channels, axis=1), RATE, format="WAV", subtype=subtype
    )
    return file.getvalue()


def amplified(data: bytes) -> tuple[NDArray[np.float32], list[str]]:
    with open_sound(io.BytesIO(data)) as sound:
        sound.amplify()
        return np.concatenate(list(sound.blocks())), sound.warnings


@pytest.mark.parametrize("peak", [0.02, 0.1, 1.0, 1.75, 30_000.0])
def test_ordinary_and_loud_recordings_are_left_as_they_are(peak: float) -> None:
    data = recording(peak)
    wave, warnings = amplified(data)
    np.testing.assert_array_equal(wave, read_sound(io.BytesIO(data)))
    assert warnings == []


@pytest.mark.parametrize(
    ("peak", "subtype"), [(5e-3, "PCM_16"), (1e-3, "PCM_16"), (1e-4, "PCM_24"), (1e-5, "FLOAT")]
)
def test_a_quiet_recording_is_made_louder(peak: float, subtype: str) -> None:
    data = recording(peak, subtype)
    wave, warnings = amplified(data)
    quiet = read_sound(io.BytesIO(data))
    np.testing.assert_allclose(wave, quiet * (np.abs(wave).max() / np.abs(quiet).max()), rtol=1e-4)
    assert TARGET <= np.abs(wave).max() < 2 * TARGET and warnings == []
    np.testing.assert_array_equal(wave, read_sound(io.BytesIO(data), amplify=True))


def test_a_click_is_not_the_level() -> None:
    wave = soundfile.read(io.BytesIO(recording(1e-3)), dtype="float32")[0]
    wave[20_000:20_010] = 0.8
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format="WAV", subtype="FLOAT")
    louder, warnings = amplified(file.getvalue())
    assert np.abs(louder[:19_000]).max() > 0.1 and warnings == []


@pytest.mark.parametrize(
    ("count", "peak", "says"), [(RATE, 0.0, "every sample is 0"), (RATE, 1e-7, "-140 dBFS")]
)
def test_silence_is_told(count: int, peak: float, says: str) -> None:
    file = io.BytesIO()
    noise = peak * np.random.default_rng(0).uniform(-1, 1, count)
    soundfile.write(file, noise.astype(np.float32), RATE, format="WAV", subtype="FLOAT")
    wave, warnings = amplified(file.getvalue())
    assert np.abs(wave).max() <= peak
    assert (
        len(warnings) == 1
        and f"holds nothing that can be heard: {'' if peak == 0 else 'its level is '}{says}"
        in warnings[0]
    )


def test_rounding_is_no_sound() -> None:
    file = io.BytesIO()
    dither = np.random.default_rng(0).integers(-2, 3, 4 * RATE).astype(np.int16)
    soundfile.write(file, dither, RATE, format="WAV", subtype="PCM_16")
    wave, warnings = amplified(file.getvalue())
    assert (
        np.abs(wave).max() < 1e-4
        and len(warnings) == 1
        and "nothing that can be heard" in warnings[0]
    )
    wave, warnings = amplified(recording(12 / 32_768, "PCM_16"))
    assert np.abs(wave).max() > 0.2 and len(warnings) == 1 and "record it louder" in warnings[0]


def test_all_channels_have_one_level() -> None:
    """What is faint in an idle channel of a call is the other speaker, and not to be made
    louder."""
    wave = read_sound(SAMPLES / "letter.wav")
    file = io.BytesIO()
    soundfile.write(
        file, np.stack((wave, 1e-3 * wave), axis=1), RATE, format="WAV", subtype="FLOAT"
    )
    with open_sound(file) as sound:
        sound.amplify()
        sound.select(1)
        np.testing.assert_allclose(sound.read(), 1e-3 * wave, rtol=1e-5)


def test_only_as_much_is_read_as_is_needed() -> None:
    meter = LevelMeter()
    meter.feed(np.zeros(60 * RATE, np.float32), RATE)
    assert not meter.is_loud
    meter.feed(np.full(round(0.05 * RATE), 0.5, np.float32), RATE)
    assert not meter.is_loud
    meter.feed(np.full(round(0.06 * RATE), 0.5, np.float32), RATE)
    assert meter.is_loud and meter.gain == 1.0 and meter.warning() is None


def test_a_changed_file_is_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(recording(1e-3))
    assert np.abs(read_sound(path, amplify=True)).max() > 0.2
    path.write_bytes(recording(0.5) + b"\0")
    assert np.abs(read_sound(path, amplify=True)).max() == pytest.approx(0.5, abs=0.01)
