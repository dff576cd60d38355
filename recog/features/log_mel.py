"""Log-mel frames of a waveform.

The definition: a Hann window of 400 samples (periodic), centred in an FFT of 512, every
160 samples, frames that start in the signal and are not centred on it; power spectrum; 80
triangular filters on the HTK mel scale between 20 and 7,600 Hz without area normalisation;
``log(max(power, 1e-6))``; no dither. Each band is then normalised by the corpus mean and deviation,
and by the mean of the segment.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.model.config import SpectrogramConfig

FLOOR = 1e-6  # of mel power, before the logarithm
MAX_SEGMENT_SECONDS = 30.0  # longest segment, over which the mean is taken

Floats = NDArray[np.float32]


def hz_to_mel(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """HTK's mel scale, 2595 log10(1 + f / 700) (Young et al., The HTK Book)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of :func:`hz_to_mel`."""
    return 700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0)


def mel_filters(config: SpectrogramConfig) -> NDArray[np.float64]:
    """Triangular filters (bands, fft // 2 + 1), peak 1, equally spaced on the mel scale."""
    bins = np.fft.rfftfreq(config.fft, 1.0 / config.sample_rate)
    edges = mel_to_hz(np.linspace(hz_to_mel(config.low), hz_to_mel(config.high), config.bands + 2))
    width = np.diff(edges)
    slopes = edges[:, None] - bins[None, :]
    rising = -slopes[:-2] / width[:-1, None]
    falling = slopes[2:] / width[1:, None]
    return np.maximum(0.0, np.minimum(rising, falling))


@lru_cache(maxsize=8)
def _plan(config: SpectrogramConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The centred window (fft,), and the transposed mel filters."""
    n = np.arange(config.window)
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * n / config.window)
    window = np.zeros(config.fft)
    left = (config.fft - config.window) // 2
    window[left : left + config.window] = hann
    return window, mel_filters(config).T.copy()


def frame_count(samples: int, config: SpectrogramConfig) -> int:
    """Number of frames of so many samples: whole FFT frames, and at least 1 of any sound."""
    if samples <= 0:
        return 0
    return max(1, 1 + (samples - config.fft) // config.hop)


def mel_power(waveform: Floats, config: SpectrogramConfig) -> Floats:
    """Mel power (frames, bands), before the logarithm.

    Args:
        waveform: (samples,) float32 in [-1, 1] at ``config.sample_rate``. A waveform shorter than a
            frame is padded with zeros.
    """
    # in float64, lest quiet bands be lost beside loud bands
    wave = np.asarray(waveform).astype(np.float64)
    count = frame_count(len(wave), config)
    if count == 0:
        return np.zeros((0, config.bands), np.float32)
    if len(wave) < config.fft:
        wave = np.pad(wave, (0, config.fft - len(wave)))
    window, filters = _plan(config)
    out = np.empty((count, config.bands), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(wave, config.fft)[:: config.hop]
    for start in range(0, count, 1024):  # bounded memory, and a block that stays in the cache
        spectrum = np.fft.rfft(frames[start : start + 1024] * window, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        out[start : start + 1024] = power @ filters
    return out


def log_mel(waveform: Floats, config: SpectrogramConfig) -> Floats:
    """Log-mel frames (frames, bands) float32, natural logarithm, not normalised."""
    return np.log(np.maximum(mel_power(waveform, config), FLOOR))


class LogMelStream:
    """:func:`log_mel` of a waveform in blocks of any size: the same frames, as they complete."""

    def __init__(self, config: SpectrogramConfig) -> None:
        self._config = config
        self._rest = np.zeros(0, np.float32)
        self._frames = 0

    def push(self, block: Floats) -> Floats:
        """Frames (n, bands) that ``block`` (samples,) completes."""
        self._rest = np.concatenate((self._rest, np.asarray(block, np.float32)))
        if len(self._rest) < self._config.fft:
            return np.zeros((0, self._config.bands), np.float32)
        frames = log_mel(self._rest, self._config)
        self._rest = self._rest[len(frames) * self._config.hop :]
        self._frames += len(frames)
        return frames

    def flush(self) -> Floats:
        """The padded frame of a waveform shorter than a frame; no frames otherwise."""
        rest, self._rest = self._rest, np.zeros(0, np.float32)
        if self._frames:
            return np.zeros((0, self._config.bands), np.float32)
        return log_mel(rest, self._config)


def time_stretch(frames: Floats, times: float) -> Floats:
    """Stretch frames (frames, bands) in time by linear interpolation: (frames * times, bands)."""
    if times == 1.0 or not len(frames):
        return frames
    count = max(1, round(len(frames) * times))
    at = np.clip((np.arange(count) + 0.5) * len(frames) / count - 0.5, 0.0, len(frames) - 1.0)
    low = at.astype(np.int64)
    share = (at - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(frames) - 1)
    return np.asarray(frames[low] * (1.0 - share) + frames[high] * share, np.float32)


def normalise(frames: Floats, config: SpectrogramConfig) -> Floats:
    """Normalise by the corpus per band, then by the mean of this segment.

    Args:
        frames: (frames, bands) of one segment of at most 30 s.

    Returns:
        The same shape; a silent segment becomes zeros, never NaN.
    """
    x: NDArray[Any] = frames
    if config.mean:
        x = x - np.asarray(config.mean, np.float32)
    if config.deviation:
        x = x / np.maximum(np.asarray(config.deviation, np.float32), 1e-3)
    if len(x):
        x = x - x.mean(axis=0, dtype=np.float64).astype(np.float32)
    return x.astype(np.float32, copy=False)
