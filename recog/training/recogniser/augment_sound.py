"""Augmentation of log-mel frames. Every function is a pure function of its random generator."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.features.log_mel import hz_to_mel, mel_to_hz, normalise
from recog.model.config import SpectrogramConfig
from recog.training.recogniser.recipe import SoundAugmentation

Frames = NDArray[np.float32]
MAX_REMAPPED = 16_000  # frames at once: OpenCV takes fewer than 32,767 rows of the source


def draw_stretch(rng: np.random.Generator) -> float:
    """Draw the factor of a clip's length; batches are planned with it."""
    return float(rng.uniform(0.88, 1.14))


def perturb_speed(
    frames: Frames, config: SpectrogramConfig, stretch: float, pitch: float
) -> Frames:
    """Scale the duration by ``stretch`` and all frequencies by ``pitch``, on the log-mel image.

    Playing a recording ``s`` times faster (Ko et al. 2015) divides its time axis by ``s`` and
    multiplies its frequency axis by ``s``: two changes of scale of the spectrogram, done here by
    one bilinear resampling, about fifty times cheaper than resampling the waveform. The two factors
    may differ, which gives tempo and vocal-tract-length perturbation.

    Args:
        frames: (frames, bands), log-mel before normalisation.
    """
    count, bands = frames.shape
    low, high = hz_to_mel(config.low), hz_to_mel(config.high)
    step = (high - low) / (bands + 1)
    centres = mel_to_hz(low + step * np.arange(1, bands + 1))
    source = np.clip((hz_to_mel(centres / pitch) - low) / step - 1.0, 0, bands - 1)
    out = max(1, round(count * stretch))
    time = np.minimum(np.arange(out) / stretch, count - 1)
    x, y = np.meshgrid(source.astype(np.float32), time.astype(np.float32))
    parts = []
    for first in range(0, out, MAX_REMAPPED):
        part = slice(first, first + MAX_REMAPPED)
        low_row = int(y[first, 0])
        rows = frames[low_row : int(y[part][-1, 0]) + 2]
        parts.append(
            cv2.remap(
                rows, x[part], y[part] - low_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        )
    return np.concatenate(parts)


def add_room(frames: Frames, rng: np.random.Generator, hop: float) -> Frames:
    """Add late reverberation, on the log-mel image.

    Energy in a room decays exponentially, by 60 dB in the reverberation time, so the power of the
    tail is the power of the direct sound through a one-pole filter over frames (the late part of
    Polack's model, 1988). Per cell it fluctuates as a sum of random phases does. High bands decay
    faster, as air and curtains make them.

    Args:
        frames: (frames, bands), natural logarithm of mel power.
        hop: seconds from frame to frame.
    """
    count, bands = frames.shape
    seconds = float(rng.uniform(0.15, 0.8)) * np.linspace(1.0, rng.uniform(0.4, 1.0), bands)
    decay = (10.0 ** (-6.0 * hop / seconds)).astype(np.float32)
    tail_gain = np.float32(10.0 ** (-rng.uniform(0.0, 15.0) / 10.0))
    power = np.exp(frames)
    tail = np.zeros((count, bands), np.float32)
    for i in range(1, count):
        tail[i] = decay * tail[i - 1] + (1.0 - decay) * power[i - 1]
    tail *= rng.standard_gamma(3.0, tail.shape, np.float32) / 3.0
    return np.log(power + tail_gain * tail)  # type: ignore[no-any-return]


def add_noise(frames: Frames, rng: np.random.Generator) -> Frames:
    """Add noise of a smooth random spectrum, 3 to 35 dB below the speech, on the log-mel image.

    The noise swells and fades. Powers of independent sounds add up, and in each cell the noise's
    power fluctuates as that of a band of noise does.

    Args:
        frames: (frames, bands), natural logarithm of mel power.
    """
    count, bands = frames.shape
    power = np.exp(frames)
    points = rng.normal(0.0, 1.3, (1, 6)).astype(np.float32) + np.linspace(
        0.0, rng.normal(0.0, 2.0), 6, dtype=np.float32
    )
    spectrum = cv2.resize(points, (bands, 1), interpolation=cv2.INTER_CUBIC)
    swell = rng.normal(0.0, rng.uniform(0.0, 0.8), (max(2, count // 40), 1)).astype(np.float32)
    level = np.exp(spectrum + cv2.resize(swell, (1, count), interpolation=cv2.INTER_LINEAR))
    below = 10.0 ** (-rng.uniform(3.0, 35.0) / 10.0)
    level *= np.float32(below * float(power.mean()) / max(float(level.mean()), 1e-20))
    level *= rng.standard_gamma(3.0, level.shape, np.float32) / 3.0
    return np.log(power + level)  # type: ignore[no-any-return]


def spec_augment(frames: Frames, rng: np.random.Generator, options: SoundAugmentation) -> Frames:
    """Mask bands and frames as SpecAugment does (Park et al. 2019); 0 is the mean.

    The number of time masks grows with the clip (Park et al. 2020).

    Args:
        frames: (frames, bands); changed in place.
    """
    count, bands = frames.shape
    for _ in range(options.band_masks):
        width = int(rng.integers(0, min(options.band_width, bands - 1) + 1))
        start = int(rng.integers(0, bands - width))
        frames[:, start : start + width] = 0.0
    for _ in range(round(count * options.time_masks / 100)):
        length = int(rng.integers(0, options.time_width + 1))
        start = int(rng.integers(0, max(1, count - length)))
        frames[start : start + length] = 0.0
    return frames


def augment(
    frames: Frames,
    rng: np.random.Generator,
    config: SpectrogramConfig,
    options: SoundAugmentation,
    stretch: float = 1.0,
) -> Frames:
    """Apply the whole chain to log-mel frames before normalisation.

    Returns:
        ``round(len(frames) * stretch)`` normalised frames.
    """
    pitch = float(stretch**-0.5 * np.exp(np.clip(rng.normal(0.0, options.pitch), -0.16, 0.16)))
    frames = perturb_speed(frames, config, stretch, pitch)
    if rng.random() < options.rooms:
        frames = add_room(frames, rng, config.hop / config.sample_rate)
    if rng.random() < options.noise:
        frames = add_noise(frames, rng)
    return spec_augment(normalise(frames, config), rng, options)
