"""How loud a recording is: can it be recognised as it is, made louder, or not at all?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FRAME_SECONDS = 0.02
FRAMES = 5  # the level is what so many frames, 0.1 s, reach: a click says nothing of the rest
# Peak of full scale 1, -40 dBFS, from which a recording is left as it is: made quieter, three
# sentences keep their words down to there, and lose 5 in 100 at -45, 34 at -55 and all at -75,
# where log-mel energies have their floor.
QUIET = 0.01
TARGET = 0.3  # what the peak of a quieter recording becomes
INAUDIBLE = 3e-6  # -110 dBFS: the noise of the best converters
# Values that the magnitude of a sample takes up to the level. Of three sentences rounded to so many
# steps 30 keep 95 words in 100, 20 keep 84, 15 keep 66, 10 keep 37, 4 keep 5.
STEPS, NO_STEPS = 20, 4
MAX_STEPS = 64  # counted


class LevelMeter:
    """Feed a recording from its start, until it is loud enough or ends."""

    def __init__(self) -> None:
        self._peaks = np.zeros(0)  # of the loudest frames, in order
        self._frames = 0
        # the smallest magnitudes of samples, each once
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
        """Whether nothing more need be heard: the recording is loud enough as it is."""
        return len(self._peaks) == FRAMES and bool(self._peaks[0] >= QUIET)

    @property
    def steps(self) -> int:
        """How many values the magnitude of a sample takes up to the level, counted up to 64."""
        return int(np.searchsorted(self._values, self.level, side="right"))

    @property
    def is_silent(self) -> bool:
        """Whether nothing in it can be heard."""
        return self.level < INAUDIBLE or (self.level < QUIET and self.steps <= NO_STEPS)

    @property
    def gain(self) -> float:
        """What to multiply samples by."""
        return 1.0 if self.level >= QUIET or self.is_silent else TARGET / self.level

    def warning(self) -> str | None:
        """What to say of the recording, to be put after its name; None where it can be heard."""
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
        """Whether there was sound, and a recogniser would not hear it as it is."""
        return self._frames > 0 and self.level < QUIET

    @property
    def decibels(self) -> str:
        """The level, for people."""
        return (
            f"its level is {20 * math.log10(self.level):.0f} dBFS"
            if self.level > 0.0
            else "every sample is 0"
        )
