"""Voice activity detection: which 20 ms frames of a sound hold speech, without look-ahead.

The power of each of 16 bands is compared with its noise floor: the minimum over the last seconds
(minimum statistics: Martin 2001, IEEE Trans. Speech Audio Process. 9(5)). Level, hum and steady
noise therefore do not matter, and the floor follows changes of the noise. A frame is speech where
the bands that stand out most do so clearly. Whatever changes faster than noise passes for speech,
music included; the recogniser decides in the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recog.features.log_mel import hz_to_mel, mel_to_hz

FRAME_SECONDS = 0.02
# frames analysed together: always as many, so that the result does not depend on the blocks
CHUNK_FRAMES = 10
BANDS = 16
LOWEST, HIGHEST = 100.0, 7000.0  # Hz
# The floor is the minimum of so long: longer than anyone speaks without a dip in some band.
MEMORY_SECONDS = 6.0
# At the start there is no floor yet: whatever is not digital silence counts as speech.
LEARNING_SECONDS = 0.6
# mean power of a sample below which it is rounding; rounding to 16 bits has 8e-11
QUIETEST = 10 ** (-9.0)
LOUD = 20.0  # dB above the floor at which a band's level is clipped
THRESHOLD = 5.0  # dB: the mean of the upper half of the bands over the floor


class SpeechDetector:
    """Detects speech in chunks of :attr:`chunk` samples, fed in order.

    Args:
        sample_rate: samples a second.
    """

    def __init__(self, sample_rate: int) -> None:
        self.hop = max(1, round(FRAME_SECONDS * sample_rate))
        self.chunk = CHUNK_FRAMES * self.hop
        window = np.hanning(2 * self.hop + 1)[:-1]
        # float64, lest loud samples overflow
        self._window = window / np.sqrt(np.square(window).sum() * 2 * self.hop)
        edges = mel_to_hz(
            np.linspace(hz_to_mel(LOWEST), hz_to_mel(min(HIGHEST, 0.45 * sample_rate)), BANDS + 1)
        )
        bins = np.maximum(1, np.round(edges * 2 * self.hop / sample_rate).astype(np.int64))
        self._bins = np.unique(np.minimum(bins, self.hop))
        self._bands = len(self._bins) - 1
        self._sound = np.zeros(
            (CHUNK_FRAMES + 1, self.hop), np.float32
        )  # the last hop of the chunk before, and this one
        # likewise: two hops of the chunk before
        self._power = np.zeros((CHUNK_FRAMES + 2, self._bands))
        self._rounding = QUIETEST / self._bands
        chunk_seconds = CHUNK_FRAMES * FRAME_SECONDS
        # a ring of levels
        self._past = np.full((round(MEMORY_SECONDS / chunk_seconds), self._bands), np.inf)
        self._chunks = 0
        self._learning = round(LEARNING_SECONDS / chunk_seconds)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(frames,) whether each frame of a chunk is speech."""
        return self.levels(samples) > THRESHOLD

    def levels(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """(frames,) dB by which the upper half of the bands stands above the floor."""
        sound, power = self._sound, self._power
        sound[0] = sound[-1]
        sound[1:] = samples.reshape(CHUNK_FRAMES, self.hop)
        spectrum = np.fft.rfft(
            np.concatenate((sound[:-1], sound[1:]), axis=1) * self._window, axis=1
        )
        squares = (spectrum.real**2 + spectrum.imag**2)[:, : self._bins[-1]]
        power[:2] = power[-2:]
        power[2:] = np.add.reduceat(squares, self._bins[:-1], axis=1)
        level = 10.0 * np.log10((power[2:] + power[1:-1] + power[:-2]) / 3.0 + self._rounding)
        self._past[self._chunks % len(self._past)] = level.sum(axis=0) / CHUNK_FRAMES
        floor = (
            self._past.min(axis=0)
            if self._chunks >= self._learning
            else 10.0 * np.log10(self._rounding)
        )
        self._chunks += 1
        above = np.minimum(np.maximum(level - floor, 0.0), LOUD)
        above.sort(axis=1)
        return np.asarray(above[:, self._bands // 2 :].mean(axis=1))
