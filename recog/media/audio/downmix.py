"""Several channels -> one: their mean, unless it would cancel speech or add noise to it.

Some recordings have a channel that is the other one upside down (a balanced cable plugged in as
stereo), so that the mean is silent, or holds what noise and codec left of the difference. Others
have a channel that nobody spoke into. Both are looked for in windows of 5 seconds, each judged by
itself: memory is bounded, and what a recording begins with does not matter. Where a window is
neither, the mean is taken as it is.

An inverse channel is left out, not turned over: lossy codecs code high frequencies without their
sign, and what they made alike would cancel instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 5.0
MAX_WINDOW = 1 << 21  # samples of a window over all channels: 8 MiB
# Of full scale 1: some write floats as large as integers of 32 bits. A power of more is no float32.
LOUDEST = 1e9
# Power of the mean, as a share of that of the same channels without any correlation, below which
# they cancel, and below which they still do where the window before did. Of two channels that are
# as loud it is 1 + their correlation.
CANCELS, STILL_CANCELS = 0.2, 0.5
FRAME_SECONDS = 0.02  # of the levels by which noise is known
# Noise: the power that 1 of 10 frames exceed is less than so many times what 9 of 10 do; 3 dB.
STEADY = 2.0
LIVELY = 10.0  # speech: the loudest of 50 frames have more than so many times that; 10 dB
HARMFUL = 0.01  # noise matters from this share of the power of the speech: 20 dB below it

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
    """Samples as float32: NaN and infinite ones are 0, absurd ones the loudest that are not."""
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, then 0
        samples = np.nan_to_num(
            samples.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0
        )
        if len(samples) and max(samples.max(), -samples.min()) > LOUDEST:
            samples = np.clip(samples, -LOUDEST, LOUDEST)
    return samples


class Mixer:
    """Mixes the channels of one pass over a recording.

    Attributes:
        inverse: channels, from 0, that were left out somewhere, for they would cancel others.
        noise: channels that were left out somewhere because they held noise alone.
    """

    def __init__(self) -> None:
        self.inverse: set[int] = set()
        self.noise: set[int] = set()
        # of the last window, where channels cancelled
        self._signs: NDArray[np.float64] | None = None
        self._noise: NDArray[np.bool_] | None = None  # channels that were left out of it

    def mix(self, pieces: Iterable[AudioBlock]) -> Iterator[MonoBlock]:
        """Pieces of any length -> as many samples, in the same order."""
        for rate, samples in _windows(pieces):
            if samples.shape[1] == 1:
                yield MonoBlock(rate, np.ascontiguousarray(samples[:, 0]))
            else:
                yield MonoBlock(rate, self._mixed(samples, rate))

    def warnings(self) -> Iterator[str]:
        """What to say of the pass, to be put after the name of the file."""
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

    def _mixed(self, samples: Samples, rate: int) -> Samples:
        mean = samples.mean(axis=1, dtype=np.float64).astype(np.float32)
        count = samples.shape[1]
        powers = np.einsum("nc,nc->c", samples, samples, dtype=np.float64) / len(samples)
        left = float(np.einsum("n,n->", mean, mean, dtype=np.float64)) / len(samples)
        was = self._signs if self._signs is not None and len(self._signs) == count else None
        if left * count < (CANCELS if was is None else STILL_CANCELS) * powers.mean():
            self._noise = None
            self._signs = _signs(samples, powers, np.ones(count) if was is None else was)
            self.inverse |= set(np.flatnonzero(self._signs < 0).tolist())
            kept = self._signs > 0
            return np.asarray(samples[:, kept].mean(axis=1, dtype=np.float64), np.float32)
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
        """(channels,) whether each holds noise, loud enough to matter, while another has speech."""
        count = samples.shape[1]
        was = (
            self._noise
            if self._noise is not None and len(self._noise) == count
            else np.zeros(count, np.bool_)
        )
        size = max(1, round(FRAME_SECONDS * rate))
        frames = len(samples) // size
        if frames < 50:
            return was
        squares = (
            np.square(samples[: frames * size], dtype=np.float64)
            .reshape(frames, size, count)
            .mean(axis=1)
        )
        low, high, top = np.quantile(squares, (0.1, 0.9, 0.98), axis=0)
        steady = (low > 0.0) & (high < STEADY * low)
        lively = top > LIVELY * low
        speech = powers[lively].max(initial=0.0)
        noise = steady & (was | (powers > HARMFUL * speech if speech > 0.0 else False))
        return noise if not noise.all() else np.zeros(count, np.bool_)


def _signs(
    samples: Samples, powers: NDArray[np.float64], was: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(channels,) 1 or -1: the sign of each channel's correlation with the loudest.

    Of the two ways to give them signs it is the one that changes less of what went before.
    """
    loudest = samples[:, int(powers.argmax())]
    signs = np.where(np.einsum("nc,n->c", samples, loudest, dtype=np.float64) < 0.0, -1.0, 1.0)
    return -signs if signs.min() < 0.0 and (signs * was) @ powers < 0.0 else signs


def _windows(pieces: Iterable[AudioBlock]) -> Iterator[tuple[int, Samples]]:
    """Rate and samples of windows on a grid from the start; a single channel comes as it is.

    Where rate or channels change, the grid begins anew.
    """
    pending: list[Samples] = []
    have = rate = channels = size = 0
    for piece in pieces:
        samples = piece.samples
        if (piece.rate, samples.shape[1]) != (rate, channels):
            if have:
                yield rate, np.concatenate(pending)
            pending, have = [], 0
            rate, channels = piece.rate, samples.shape[1]
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
    """As people count them, from 1."""
    numbers = [str(channel + 1) for channel in sorted(channels)]
    if len(numbers) == 1:
        return f"channel {numbers[0]}"
    return f"channels {', '.join(numbers[:-1])} and {numbers[-1]}"
