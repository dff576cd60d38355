"""Features of a recogniser: log-mel bands of sound, or strips of line images."""

from __future__ import annotations

from math import isfinite
from typing import Literal

from pydantic import Field, model_validator

from recog.model.config.base import Strict


class SpectrogramConfig(Strict):
    """Options of log-mel features; see :mod:`recog.features.log_mel`.

    ``mean`` and ``deviation`` are those of the training corpus, per band.
    """

    kind: Literal["log-mel"] = "log-mel"
    sample_rate: int = Field(16_000, ge=4_000, le=96_000)
    window: int = Field(400, ge=16, le=16_384)
    hop: int = Field(160, ge=1, le=16_384)
    fft: int = Field(512, ge=16, le=65_536)
    bands: int = Field(80, ge=1, le=512)
    low: float = 20.0
    high: float = 7_600.0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _possible(self) -> SpectrogramConfig:
        if self.window > self.fft:
            raise ValueError(f"a window of {self.window} samples does not fit an FFT of {self.fft}")
        if not 0.0 <= self.low < self.high <= self.sample_rate / 2:
            raise ValueError(
                "the mel filters must lie between 0 Hz and half the sample rate, low below high"
            )
        if not all(map(isfinite, (*self.mean, *self.deviation))):
            raise ValueError("mean and deviation must be finite numbers")
        return self


class StripConfig(Strict):
    """Options of line strips; see :mod:`recog.features.line_strip`.

    ``even`` makes dense writing wider and sparse writing narrower, relative to Latin script.
    """

    kind: Literal["strip"] = "strip"
    height: int = Field(48, ge=8, le=512)
    even: bool = True
