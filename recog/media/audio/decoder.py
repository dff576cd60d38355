"""The interface of sound decoders, and what both decoders share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from recog.media.audio.downmix import AudioBlock
from recog.media.errors import MediaError

RATES = (1_000, 1_000_000)  # Hz; any other rate is a damaged header, or no recording
MAX_CHANNELS = 1_024  # libsndfile's limit
CHUNK_SAMPLES = 1 << 18  # samples decoded at a time, over all channels: 1 MiB of float32


class Decoder(Protocol):
    """The interface of a decoder, whichever library it uses.

    Attributes:
        rate: samples a second of the file.
        channels: of all its audio tracks together.
        duration: seconds by the header; None where it cannot be trusted.
        damage: after a whole pass, a predicate such as "is cut short"; None where nothing is
            missing.
        remark: after a whole pass, another predicate to follow the file's name; or None.
    """

    rate: int
    channels: int
    duration: float | None
    damage: str | None
    remark: str | None

    def decode(self, first: int, stop: int | None) -> Iterator[AudioBlock]:
        """Decode samples `first` to about `stop` (None: the end), counted at `rate`.

        Blocks have all channels of the track, or the channel asked for. Each call is a new pass.
        """
        ...


def check_shape(name: str, rate: int, channels: int, channel: int | None) -> None:
    """Refuse impossible rates and numbers of channels, and a channel that does not exist.

    Raises:
        MediaError: naming them.
    """
    if not RATES[0] <= rate <= RATES[1] or not 1 <= channels <= MAX_CHANNELS:
        raise MediaError(
            f"{name} is damaged: its header says {channels} channels at {rate} samples a second"
        )
    if channel is not None and not 0 <= channel < channels:
        raise MediaError(f"{name} has no channel {channel}: it has {channels}, counted from 0")


# ---- libsndfile ----


class NamelessFile:
    """A file without its name: soundfile would let the extension overrule the content.

    Nothing is raised through the callbacks of the libraries, which would print a traceback: a seek
    to nowhere moves nothing, and a failing disk ends the file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell = file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with suppress(ValueError, OSError, OverflowError):
            return self._file.seek(offset, whence)
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        with suppress(OSError):
            return self._file.read(size)
        return b""


def select_channel(samples: NDArray[Any], channel: int | None) -> NDArray[Any]:
    """Copy all channels (samples, channels), or one (samples, 1), out of a decoder's buffer."""
    return np.array(samples if channel is None else samples[:, channel : channel + 1])
