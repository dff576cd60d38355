"""Measure how loud a recording is: recognisable as it is, to be amplified, or inaudible."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FRAME_SECONDS = 0.02
FRAMES = 5  # the level is the peak that so many frames, 0.1 s, reach: a click does not count
# Peak of full scale 1, -40 dBFS, from which a recording is not amplified. Three sentences that were
# made quieter keep their words down to there, and lose 5 in 100 at -45, 34 at -55 and all at -75,
# where log-mel energies have their floor.
QUIET = 0.01
TARGET = 0.3  # peak of a recording after amplification
INAUDIBLE = 3e-6  # -110 dBFS: the noise of the best converters
# Number of values that the magnitude of a sample takes up to the level. Three sentences rounded to
# 30 steps keep 95 words in 100, to 20 steps 84, to 15 steps 66, to 10 steps 37, to 4 steps 5.
STEPS, NO_STEPS = 20, 4
MAX_STEPS = 64  # counted at most


class LevelMeter:
    """Measures the level of a recording, fed from its start until it is loud enough or ends."""

    def __init__(self) -> None:
        self._peaks = np.zeros(0)  # of the loudest frames, in order
        self._frames = 0
        # the smallest magnitudes of samples, without repetition
        self._values: NDArray[np.float32] = np.zeros(0, np.float32)

    def feed(self, samples: NDArray[np.float32], rate: int) -> None:
        """Take the next samples, (samples,) or (samples, channels), full scale 1."""
        magnitudes = np.abs(samples.reshape(len(samples), -1))
        loudest = magnitudes.max(axis=1)
        starts = np.arange(0, len(loudest), max(1, round(FRAME_SECONDS * rate)))
        if not len(starts):
            return
        self._peaks = np.sort(np.concatenate((self._peaks, np.maximum.reduceat(loudest, starts))))[
            -FRAMES:
        ]
        self._frames += len(starts)
        if not self.is_loud and self.steps < MAX_STEPS:
            self._values = np.unique(np.concatenate((self._values, magnitudes.ravel())))[:MAX_STEPS]

    @property
    def level(self) -> float:
        """The peak that 0.1 s of the sound reach, or a tenth of a shorter one."""
        rank = min(FRAMES, max(1, self._frames // 10))
        return float(self._peaks[-rank]) if self._frames else 0.0

    @property
    def is_loud(self) -> bool:
        """Whether the recording is loud enough; then nothing more need be fed."""
        return len(self._peaks) == FRAMES and bool(self._peaks[0] >= QUIET)

    @property
    def steps(self) -> int:
        """Number of values that the magnitude of a sample takes up to the level, 64 at most."""
        return int(np.searchsorted(self._values, self.level, side="right"))

    @property
    def is_silent(self) -> bool:
        """Whether nothing in the recording can be heard."""
        return self.level < INAUDIBLE or (self.level < QUIET and self.steps <= NO_STEPS)

    @property
    def gain(self) -> float:
        """The factor that amplifies samples."""
        return 1.0 if self.level >= QUIET or self.is_silent else TARGET / self.level

    def warning(self) -> str | None:
        """A predicate to follow the name of the recording; None where it can be heard."""
        if self.level >= QUIET:
            return None
        if self.is_silent:
            return f"holds nothing that can be heard: {self.decibels}"
        if self.steps < STEPS:
            return (
                f"is so quiet that rounding covers what it holds ({self.decibels}): record it "
                "louder"
            )
        return None

    @property
    def is_quiet(self) -> bool:
        """Whether there was sound, but too quiet for a recogniser."""
        return self._frames > 0 and self.level < QUIET

    @property
    def decibels(self) -> str:
        """The level in words."""
        return (
            f"its level is {20 * math.log10(self.level):.0f} dBFS"
            if self.level > 0.0
            else "every sample is 0"
        )
