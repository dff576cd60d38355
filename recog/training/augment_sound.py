"""Augmentation of log-mel frames. Every function is a pure function of its random generator."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.features.spectrogram import hz_to_mel, mel_to_hz
from recog.model.config import SpectrogramConfig

Frames = NDArray[np.float32]


def draw_stretch(rng: np.random.Generator) -> float:
    """Factor of a clip's length. Drawn apart from the rest, so that batches are cut by the lengths they will have."""
    return float(rng.uniform(0.88, 1.14))


def perturb_speed(frames: Frames, config: SpectrogramConfig, stretch: float, pitch: float) -> Frames:
    """Change the duration by ``stretch`` and every frequency by the factor ``pitch``, on the log-mel image itself.

    Playing a recording ``s`` times faster (Ko et al. 2015) divides its time axis by ``s`` and multiplies its frequency
    axis by ``s``: two changes of scale of the spectrogram, done here by one bilinear resampling, about fifty times cheaper
    than resampling the waveform. The two factors may differ, which gives tempo and vocal-tract-length perturbation.

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
    return cv2.remap(frames, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def spec_augment(
    frames: Frames,
    rng: np.random.Generator,
    *,
    masks: int = 2,
    max_bands: int = 15,
    max_frames: int = 40,
    share: float = 0.05,
) -> Frames:
    """SpecAugment's masks in frequency and time (Park et al. 2019) on normalised frames, where 0 is the mean.

    Args:
        frames: (frames, bands); changed in place.
        masks: number of masks of each kind.
        max_bands: widest frequency mask.
        max_frames: longest time mask, at most ``share`` of the clip.
    """
    count, bands = frames.shape
    for _ in range(masks):
        width = int(rng.integers(0, min(max_bands, bands - 1) + 1))
        start = int(rng.integers(0, bands - width))
        frames[:, start : start + width] = 0.0
        length = int(rng.integers(0, max(0, min(max_frames, int(count * share))) + 1))
        start = int(rng.integers(0, max(1, count - length)))
        frames[start : start + length] = 0.0
    return frames


def augment_raw(frames: Frames, rng: np.random.Generator, config: SpectrogramConfig, stretch: float = 1.0) -> Frames:
    """Speed, tempo and pitch, before normalisation; the result has ``round(len(frames) * stretch)`` frames."""
    pitch = float(stretch**-0.5 * np.exp(np.clip(rng.normal(0.0, 0.05), -0.12, 0.12)))
    return perturb_speed(frames, config, stretch, pitch)
