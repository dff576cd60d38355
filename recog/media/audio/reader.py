"""Read any sound file as a mono float32 waveform at one rate, in blocks or whole::

    with open_sound("meeting.m4a") as sound:
        for block in sound.blocks():
            ...
    if sound.warning: print(sound.warning)

The content of a file decides how it is read, not its extension. Sound that starts late, or has
gaps, has silence there. Channels are averaged (:mod:`recog.media.audio.downmix`), and the rate is
changed (:mod:`recog.media.audio.resampling`). Only a few blocks are in memory at a time.
"""

from __future__ import annotations

import logging
import math
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.media.audio.decoder import Decoder
from recog.media.audio.downmix import Mixer
from recog.media.audio.level import LevelMeter
from recog.media.audio.open_decoder import open_decoder
from recog.media.audio.resampling import rebuffered, resample
from recog.media.errors import MediaError
from recog.media.source import Source, is_array, sound_file

MAX_STREAM_BYTES = 8 << 30  # limit for the copy of a pipe: 10 hours of CD sound are 6.4 GB
MARGIN = 0.1  # seconds read beyond both ends of a part: longer than the resampling filter

# files whose level is cached: a corpus may have many rows in one long recording
MAX_LEVELS = 100_000

_levels: dict[tuple[int, ...], tuple[float, str | None]] = {}

logger = logging.getLogger(__name__)


class SoundReader:
    """An open sound file. Use it as a context manager; one pass at a time.

    Attributes:
        name: name of the file, for messages.
        channels: number of channels, over all audio tracks.
        duration: seconds of sound by the header; None where the header does not state it or cannot
            be trusted.
        warnings: after a pass, sentences on the file.
        damage: those warnings that say that sound is missing.
    """

    def __init__(
        self, decoder: Decoder, file: BinaryIO, name: str, sample_rate: int, resources: ExitStack
    ) -> None:
        self.name = name
        self._file = file
        self.sample_rate = sample_rate
        self.duration = decoder.duration
        self.warnings: list[str] = []
        self.damage: list[str] = []
        self._gain = 1.0
        self._quiet: str | None = None  # remark on its level
        self.channels = decoder.channels
        self._decoder = decoder
        self._resources = resources

    def __enter__(self) -> SoundReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def warning(self) -> str | None:
        """The warnings as one text; None without warnings."""
        return "; ".join(self.warnings) or None

    def close(self) -> None:
        """Close the file, unless the caller opened it, and delete the copy of a stream."""
        self._resources.close()

    def select(self, channel: int | None) -> None:
        """Read one channel, counted from 0, or with None the mean of all, from now on.

        Raises:
            MediaError: there is no such channel.
        """
        self._decoder = open_decoder(self._file, self.name, channel)
        self.duration = self._decoder.duration

    def amplify(self) -> None:
        """Measure the level of the recording over all channels, and amplify it if it is quiet.

        Measuring stops as soon as the recording is known to be loud enough.
        """
        key = _identity(self._file)
        measured = _levels.get(key) if key is not None else None
        if measured is None:
            meter = LevelMeter()
            for block in open_decoder(self._file, self.name, None).decode(0, None):
                meter.feed(block.samples, block.rate)
                if meter.is_loud:
                    break
            measured = meter.gain, meter.warning()
            if key is not None and len(_levels) < MAX_LEVELS:
                _levels[key] = measured
        self._gain, self._quiet = measured

    def blocks(self, seconds: float = 30.0) -> Iterator[NDArray[np.float32]]:
        """The whole sound in blocks of `round(seconds * sample_rate)` samples; the last has fewer.

        Yields:
            float32 arrays of shape (samples,), full scale 1. Joined, they do not depend on the
            block size.

        Raises:
            MediaError: not one sample could be decoded.
        """
        size = round(seconds * self.sample_rate) if math.isfinite(seconds) else 0
        if size < 1:
            raise ValueError(f"a block of {seconds} s holds no sample")
        return rebuffered(self._pass(0, None), size)

    def read(self, *, start: float | None = None, end: float | None = None) -> NDArray[np.float32]:
        """The whole sound, or the part from `start` to `end` in seconds.

        A part is `whole[round(start * sample_rate) : round(end * sample_rate)]`. It is decoded from
        `start` if the format can seek, and to 0.1 s after `end`.

        Raises:
            MediaError: there is no sound, or none in this part.
            UserError: `end` is not after `start`, or one of them is no time.
        """
        begin = 0.0 if start is None else float(start)
        if not (math.isfinite(begin) and begin >= 0) or (
            end is not None and not (math.isfinite(end) and end > begin)
        ):
            raise UserError(f"{self.name}: {start} to {end} seconds is not a stretch of sound")
        first = round(begin * self.sample_rate)
        stop = None if end is None else max(first + 1, round(end * self.sample_rate))
        parts = list(self._pass(first, stop))
        if not parts:
            raise MediaError(f"{self.name} holds no sound after {begin:g} seconds")
        return np.concatenate(parts)

    def _pass(self, first: int, stop: int | None) -> Iterator[NDArray[np.float32]]:
        """Samples `first` to `stop` (None: the end) in blocks; sets the warnings at the end."""
        self.warnings, self.damage = [], []
        rate, decoder, mixer = self.sample_rate, self._decoder, Mixer()
        # Start where an input and an output sample coincide: a part is sampled at the same instants
        # as the whole.
        divisor = math.gcd(rate, decoder.rate)
        periods = max(0, first - math.ceil(MARGIN * rate)) // (rate // divisor)
        blocks = decoder.decode(
            periods * (decoder.rate // divisor),
            None if stop is None else math.ceil((stop / rate + MARGIN) * decoder.rate),
        )
        position = periods * (rate // divisor)
        for block in resample(mixer.mix(blocks), rate):
            part = block[
                max(0, first - position) : None if stop is None else max(0, stop - position)
            ]
            position += len(block)
            if len(part):
                yield part if self._gain == 1.0 else part * np.float32(self._gain)
            if stop is not None and position >= stop:
                return
        if position == 0:
            raise MediaError(f"{self.name} holds no sound")
        if decoder.damage is not None:
            self.damage = [
                f"{self.name} {decoder.damage}: it was read up to second {position / rate:.1f}"
            ]
        remarks = [*filter(None, [decoder.remark, self._quiet]), *mixer.warnings()]
        self.warnings = [*self.damage, *(f"{self.name} {remark}" for remark in remarks)]


def open_sound(
    source: Source,
    *,
    sample_rate: int = 16_000,
    channel: int | None = None,
    array_rate: float | None = None,
) -> SoundReader:
    """Open a recording, to read it at `sample_rate`.

    Args:
        source: see :func:`recog.media.source.sound_file`. A stream that cannot seek (a pipe) is
            copied to a temporary file.
        sample_rate: samples a second of the waveform.
        channel: the channel to read, counted from 0; by default the mean of all.
        array_rate: samples a second of `source`, if it is an array.

    Raises:
        UserError: the file cannot be read as sound; the sentence says why.
    """
    with ExitStack() as resources:
        opened = sound_file(source, array_rate)
        if isinstance(opened, str | Path):
            name = str(opened)
            file = resources.enter_context(_open_path(Path(opened)))
        else:
            name = "the array" if is_array(source) else _stream_name(opened)
            file = opened if opened is source else resources.enter_context(opened)
        if not (hasattr(file, "seekable") and file.seekable()):
            file = resources.enter_context(_spooled(file, name))
        try:
            decoder = open_decoder(file, name, channel)
        except OSError as error:
            raise MediaError(f"{name} cannot be read: {error.strerror or error}") from error
        return SoundReader(decoder, file, name, sample_rate, resources.pop_all())


def read_sound(
    source: Source,
    *,
    sample_rate: int = 16_000,
    start: float | None = None,
    end: float | None = None,
    channel: int | None = None,
    amplify: bool = False,
) -> NDArray[np.float32]:
    """Read a whole recording, or the part from `start` to `end` seconds.

    Warnings are logged; a recording that is cut short is read up to the cut. With `amplify` a quiet
    recording is amplified, see :meth:`SoundReader.amplify`.

    Returns:
        float32 of shape (samples,), full scale 1.

    Raises:
        MediaError: the file cannot be read as sound, or holds no sound in this part.
    """
    with open_sound(source, sample_rate=sample_rate, channel=channel) as sound:
        if amplify:
            sound.amplify()
        samples = sound.read(start=start, end=end)
        if sound.warning is not None:
            logger.warning("%s", sound.warning)
        return samples


def _open_path(path: Path) -> BinaryIO:
    """Open a regular file or a pipe. Devices are refused, for they never end."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise MediaError(f"{path} is a folder, not a sound file")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise MediaError(f"{path} is not a file")
        return path.open("rb")
    except FileNotFoundError as error:
        raise MediaError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise MediaError(
            f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}"
        ) from error


def _identity(file: BinaryIO) -> tuple[int, ...] | None:
    """A key that identifies a file and its state; None for a stream that is no file."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, AttributeError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _stream_name(stream: Any) -> str:
    name = getattr(stream, "name", None)
    if name == "<stdin>" or name == 0:
        return "standard input"
    return name if isinstance(name, str) else "the sound stream"


def _spooled(stream: BinaryIO, name: str) -> BinaryIO:
    """Copy the rest of a stream to a temporary file without a name."""
    copy: Any = tempfile.TemporaryFile(prefix="recog-")  # noqa: SIM115 - the caller closes it
    try:
        total = 0
        while data := stream.read(1 << 20):
            total += len(data)
            if total > MAX_STREAM_BYTES:
                raise MediaError(
                    f"{name} is longer than {MAX_STREAM_BYTES >> 30} GiB: save it to a file first"
                )
            copy.write(data)
        copy.seek(0, os.SEEK_SET)
    except OSError as error:
        copy.close()
        raise MediaError(
            f"{name} cannot be copied to a temporary file: {error.strerror or error}"
        ) from error
    except BaseException:
        copy.close()
        raise
    return copy
