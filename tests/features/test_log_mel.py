"""Log-mel features against librosa and against signals whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recog.features import log_mel as sp
from recog.model.config import SpectrogramConfig

CONFIG = SpectrogramConfig()


def noise(samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(samples) / 16_000)
    return (tone + 1e-4 * rng.normal(size=samples)).astype(np.float32)


def test_mel_power_is_librosas_in_float64():
    librosa = pytest.importorskip("librosa")
    wave = noise(16_000 * 3 + 77)
    expected = librosa.feature.melspectrogram(
        y=wave.astype(np.float64), sr=16_000, n_fft=512, hop_length=160, win_length=400, window="hann", center=False,
        power=2.0, n_mels=80, fmin=20.0, fmax=7_600.0, htk=True, norm=None, dtype=np.float64,
    ).T  # fmt: skip
    ours = sp.mel_power(wave, CONFIG)
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_a_tone_peaks_in_its_band():
    for hz in (200.0, 1000.0, 4000.0):
        wave = np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000).astype(np.float32)
        centres = sp.mel_to_hz(np.linspace(sp.hz_to_mel(20.0), sp.hz_to_mel(7_600.0), 82))[1:-1]
        peak = centres[sp.mel_power(wave, CONFIG).mean(0).argmax()]
        spacing = np.diff(centres)[np.searchsorted(centres, hz) - 1]
        assert abs(peak - hz) <= max(spacing, 16_000 / 512)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (1, 1), (511, 1), (512, 1), (671, 1), (672, 2), (16_000, 97)]
)
def test_frame_count(samples: int, frames: int):
    assert sp.frame_count(samples, CONFIG) == frames
    assert sp.log_mel(np.zeros(samples, np.float32), CONFIG).shape == (frames, 80)


def test_silence_is_zeros_after_normalisation():
    frames = sp.log_mel(np.zeros(16_000, np.float32), CONFIG)
    assert np.all(frames == np.float32(np.log(1e-6)))
    config = CONFIG.model_copy(update={"mean": (1.0,) * 80, "deviation": (2.0,) * 80})
    assert np.array_equal(sp.normalise(frames, config), np.zeros((97, 80), np.float32))
    assert sp.normalise(np.zeros((0, 80), np.float32), config).shape == (0, 80)


def test_normalisation_is_the_corpus_then_the_segment():
    frames = np.random.default_rng(1).normal(3, 2, (50, 80)).astype(np.float32)
    config = CONFIG.model_copy(update={"mean": (3.0,) * 80, "deviation": (2.0,) * 80})
    out = sp.normalise(frames, config)
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(0), frames.std(0) / 2, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9_000), st.lists(st.integers(1, 3_000), min_size=1, max_size=20))
def test_blocks_of_any_size_give_the_whole_files_frames(samples: int, sizes: list[int]):
    wave = noise(samples)
    stream = sp.LogMelStream(CONFIG)
    parts, at, i = [], 0, 0
    while at < samples:
        size = sizes[i % len(sizes)]
        parts.append(stream.push(wave[at : at + size]))
        at, i = at + size, i + 1
    parts.append(stream.flush())
    whole = sp.log_mel(wave, CONFIG)
    joined = np.concatenate(parts)
    assert joined.shape == whole.shape
    np.testing.assert_allclose(joined, whole, atol=1e-5)


def test_slowed_frames_lie_between_the_old_ones():
    frames = np.stack([np.arange(10.0), np.full(10, 3.0)], 1).astype(np.float32)
    slow = sp.time_stretch(frames, 1.5)
    assert slow.shape == (15, 2) and slow.dtype == np.float32 and np.all(slow[:, 1] == 3.0)
    assert slow[7, 0] == pytest.approx(4.5) and slow[0, 0] == 0.0 and slow[-1, 0] == 9.0
    assert np.diff(slow[1:-1, 0]) == pytest.approx(1 / 1.5, abs=1e-5)
    assert sp.time_stretch(frames, 1.0) is frames and sp.time_stretch(frames[:0], 1.5).shape == (
        0,
        2,
    )
    assert sp.time_stretch(frames[:1], 1.3).shape == (1, 2)
