"""Downmix channels to their mean, without those that would cancel speech or add noise.

Some recordings have a channel that is the inverse of the other (a balanced cable plugged in as
stereo): the mean is silent, or holds the remains of noise and codec. Other recordings have a
channel of noise alone. Both are detected in windows of 5 seconds. Each window is judged by itself,
so that memory is bounded and the start of a recording does not matter. All other windows are
averaged.

An inverse channel is left out, not inverted: lossy codecs code high frequencies without their sign,
so that these would cancel instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 5.0
MAX_WINDOW = 1 << 21  # samples of a window, over all channels: 8 MiB
# Largest sample, for a full scale of 1. Some programs write floats as large as 32-bit integers; the
# square of larger samples is no float32.
LOUDEST = 1e9
# Power of the mean, as a share of its power for uncorrelated channels, below which channels cancel,
# and below which they still do after a window in which they did. For two channels of equal power it
# is 1 + their correlation.
CANCELS, STILL_CANCELS = 0.2, 0.5
FRAME_SECONDS = 0.02  # frame of the levels that detect noise
# Noise: the 90th percentile of frame powers is less than so many times the 10th; 3 dB.
STEADY = 2.0
LIVELY = 10.0  # speech: the 98th percentile is more than so many times the 10th; 10 dB
HARMFUL = 0.01  # share of the power of speech from which noise matters: 20 dB below it

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class AudioBlock:
    """Samples of every channel at the file's rate, float32, shape (samples, channels)."""

    rate: int
    samples: Samples


@dataclass(frozen=True)
class MonoBlock:
    """Mono samples at the file's rate, float32, shape (samples,)."""

    rate: int
    samples: Samples


def sanitise(samples: NDArray[np.floating]) -> Samples:
    """Samples as float32, NaN and infinite samples as 0, clipped to :data:`LOUDEST`."""
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, then 0
        samples = np.nan_to_num(
            samples.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0
        )
        if len(samples) and max(samples.max(), -samples.min()) > LOUDEST:
            samples = np.clip(samples, -LOUDEST, LOUDEST)
    return samples


class Mixer:
    """Downmixes the channels of one pass over a recording.

    Attributes:
        inverse: channels, from 0, left out somewhere because they cancel others.
        noise: channels left out somewhere because they hold noise alone.
    """

    def __init__(self) -> None:
        self.inverse: set[int] = set()
        self.noise: set[int] = set()
        # signs of the channels in the last window, where they cancelled
        self._signs: NDArray[np.float64] | None = None
        self._noise: NDArray[np.bool_] | None = None  # channels of noise in the last window

    def mix(self, blocks: Iterable[AudioBlock]) -> Iterator[MonoBlock]:
        """Downmix blocks of any length; gives as many samples in the same order."""
        for rate, samples in _windows(blocks):
            if samples.shape[1] == 1:
                yield MonoBlock(rate, np.ascontiguousarray(samples[:, 0]))
            else:
                yield MonoBlock(rate, self._mean(samples, rate))

    def warnings(self) -> Iterator[str]:
        """Predicates on the recording, to follow its name."""
        if self.inverse:
            yield (
                "has channels that are each other's inverse: where they cancel, "
                f"{_named(self.inverse)} was left out"
            )
        if self.noise:
            yield (
                f"has only noise in {_named(self.noise)}: where another channel has speech, it "
                "was left out"
            )

    def _mean(self, samples: Samples, rate: int) -> Samples:
        """The mean of a window, without channels that cancel others or hold noise alone."""
        mean = samples.mean(axis=1, dtype=np.float64).astype(np.float32)
        count = samples.shape[1]
        powers = np.einsum("nc,nc->c", samples, samples, dtype=np.float64) / len(samples)
        left = float(np.einsum("n,n->", mean, mean, dtype=np.float64)) / len(samples)
        before = self._signs if self._signs is not None and len(self._signs) == count else None
        if left * count < (CANCELS if before is None else STILL_CANCELS) * powers.mean():
            self._noise = None
            self._signs = _signs(samples, powers, np.ones(count) if before is None else before)
            self.inverse |= set(np.flatnonzero(self._signs < 0).tolist())
            rest = self._signs > 0
            return np.asarray(samples[:, rest].mean(axis=1, dtype=np.float64), np.float32)
        self._signs = None
        self._noise = self._only_noise(samples, powers, rate)
        if self._noise.any():
            self.noise |= set(np.flatnonzero(self._noise).tolist())
            return np.asarray(
                samples[:, ~self._noise].sum(axis=1, dtype=np.float64) / count, np.float32
            )
        return mean

    def _only_noise(
        self, samples: Samples, powers: NDArray[np.float64], rate: int
    ) -> NDArray[np.bool_]:
        """(channels,) whether each holds loud noise alone while another holds speech."""
        count = samples.shape[1]
        before = (
            self._noise
            if self._noise is not None and len(self._noise) == count
            else np.zeros(count, np.bool_)
        )
        size = max(1, round(FRAME_SECONDS * rate))
        frames = len(samples) // size
        if frames < 50:
            return before
        squares = (
            np.square(samples[: frames * size], dtype=np.float64)
            .reshape(frames, size, count)
            .mean(axis=1)
        )
        low, high, top = np.quantile(squares, (0.1, 0.9, 0.98), axis=0)
        steady = (low > 0.0) & (high < STEADY * low)
        lively = top > LIVELY * low
        speech = powers[lively].max(initial=0.0)
        noise = steady & (before | (powers > HARMFUL * speech if speech > 0.0 else False))
        return noise if not noise.all() else np.zeros(count, np.bool_)


def _signs(
    samples: Samples, powers: NDArray[np.float64], before: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(channels,) 1 or -1: the sign of each channel's correlation with the loudest.

    All signs are flipped where that changes less against the window before.
    """
    loudest = samples[:, int(powers.argmax())]
    signs = np.where(np.einsum("nc,n->c", samples, loudest, dtype=np.float64) < 0.0, -1.0, 1.0)
    return -signs if signs.min() < 0.0 and (signs * before) @ powers < 0.0 else signs


def _windows(blocks: Iterable[AudioBlock]) -> Iterator[tuple[int, Samples]]:
    """Rate and samples of windows of equal length; a single channel is not cut.

    Windows begin anew where the rate or the number of channels changes.
    """
    pending: list[Samples] = []
    have = rate = channels = size = 0
    for block in blocks:
        samples = block.samples
        if (block.rate, samples.shape[1]) != (rate, channels):
            if have:
                yield rate, np.concatenate(pending)
            pending, have = [], 0
            rate, channels = block.rate, samples.shape[1]
            size = max(1, min(round(WINDOW_SECONDS * rate), MAX_WINDOW // channels))
        if channels == 1:
            yield rate, samples
            continue
        while have + len(samples) >= size:
            head, samples = samples[: size - have], samples[size - have :]
            yield rate, np.concatenate([*pending, head])
            pending, have = [], 0
        if len(samples):
            pending.append(samples)
            have += len(samples)
    if have:
        yield rate, np.concatenate(pending)


def _named(channels: set[int]) -> str:
    """Channels as people count them, from 1."""
    numbers = [str(channel + 1) for channel in sorted(channels)]
    if len(numbers) == 1:
        return f"channel {numbers[0]}"
    return f"channels {', '.join(numbers[:-1])} and {numbers[-1]}"
