"""Decode sound with libsndfile (soundfile): WAV, FLAC, AIFF and their relatives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog.media.audio.data_extent import is_rest
from recog.media.audio.decoder import CHUNK_SAMPLES, NamelessFile, check_shape, select_channel
from recog.media.audio.downmix import AudioBlock, sanitise
from recog.media.audio.ffmpeg import FfmpegDecoder
from recog.media.audio.file_kind import Kind
from recog.media.errors import MediaError

FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "AIFF", "AU", "CAF", "W64", "NIST"})
# Frames from which a count says nothing: FLAC's counter has 36 bits, and libsndfile's unknown
# length is 2^63 - 1.
UNCOUNTED = 1 << 36


def _open(file: BinaryIO) -> Any:
    import soundfile

    file.seek(0)
    return soundfile.SoundFile(NamelessFile(file))


def sndfile_info(file: BinaryIO) -> dict[str, Any] | None:
    """Rate, channels and number of frames; None where libsndfile does not read the file."""
    import soundfile

    try:
        with _open(file) as sound:
            if sound.format not in FORMATS or sound.subtype.startswith("MPEG"):
                return None
            # for such a file libsndfile takes the end for damage
            if sound.format == "FLAC" and sound.frames >= UNCOUNTED:
                return None
            return {"rate": sound.samplerate, "channels": sound.channels, "frames": sound.frames}
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        return None


@dataclass
class SndfileDecoder:
    """Decodes with libsndfile. `frames` is the count of the header; nothing is allocated by it."""

    file: BinaryIO
    name: str
    channel: int | None
    rate: int
    channels: int
    frames: int
    kind: Kind
    is_cut: bool
    remark: str | None = None
    duration: float | None = field(init=False)
    damage: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        check_shape(self.name, self.rate, self.channels, self.channel)
        if self.frames <= 0:
            raise MediaError(f"{self.name} holds no sound")
        self.duration = self.frames / self.rate if self.frames < UNCOUNTED else None

    def decode(self, first: int, stop: int | None) -> Iterator[AudioBlock]:
        import soundfile

        self.damage = "is cut short" if self.is_cut else None
        buffer = np.empty((CHUNK_SAMPLES // self.channels, self.channels), dtype=np.float32)
        with _open(self.file) as sound:
            position = min(first, self.frames)
            try:
                if position:
                    sound.seek(position)
            except (soundfile.SoundFileError, OSError):
                self.damage = "is cut short"
                return
            # what follows the last frame may be no sound
            last = self.frames if stop is None else min(stop, self.frames)
            while position < last:
                want = min(len(buffer), last - position)
                samples, is_broken = _read_into(sound, buffer[:want])
                position += len(samples)
                if len(samples):
                    yield AudioBlock(self.rate, sanitise(select_channel(samples, self.channel)))
                if is_broken:
                    self.damage = "is cut short or damaged"
                    return
                if len(samples) < want:
                    break
            if (
                self.duration is not None
                and position < self.frames
                and (stop is None or position < stop)
            ):
                self.damage = "is cut short"
        if self.kind is Kind.FLAC and position >= self.frames and (stop is None or position < stop):
            yield from self._uncounted(max(first, position), stop)

    def _uncounted(self, first: int, stop: int | None) -> Iterator[AudioBlock]:
        """Samples of a FLAC file beyond the number in its header, at which libsndfile stops."""
        if is_rest(self.file, self.file.tell()):
            return
        with suppress(MediaError):
            rest = FfmpegDecoder(self.file, self.name, self.channel, kind=self.kind, is_cut=False)
            for piece in rest.decode(first, stop):
                yield piece
                self.remark = (
                    f"has a header that states {self.frames:,} samples, and there are "
                    "more: all of them were read"
                )


def _read_into(sound: Any, buffer: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """Read frames; with whether the decoder failed on the way.

    soundfile does not say how many frames came before an error. The buffer is filled with NaN
    before, so that they can be counted.
    """
    import soundfile

    buffer.fill(np.nan)
    try:
        return sound.read(out=buffer), False
    except (soundfile.SoundFileError, OSError):
        written = np.flatnonzero(~np.isnan(buffer).all(axis=1))
        return buffer[: written[-1] + 1 if len(written) else 0], True


# ---- FFmpeg ----
