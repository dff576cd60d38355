"""Sound that is still coming in: raw samples of a pipe or a microphone -> blocks of a mono float32
waveform."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.media.audio.downmix import MonoBlock
from recog.media.audio.level import LevelMeter
from recog.media.audio.resampling import resample
from recog.media.errors import MediaError

READ_BYTES = 1 << 16
WAITING = 64  # pieces read of a pipe before anyone has taken them; then the writer waits
PATIENCE = 0.1  # seconds after which a source that is silent is asked again whether to stop
FILES = {
    b"RIFF": "WAV",
    b"OggS": "Ogg",
    b"fLaC": "FLAC",
    b"ID3": "MP3",
    b"FORM": "AIFF",
    b"\x1aE\xdf\xa3": "Matroska",
}

BlockQueue = queue.Queue[bytes | None]


class LiveSource:
    """Raw 16-bit little-endian mono samples that arrive in pieces.

    Attributes:
        rate: samples a second.
        damage: after the end, one sentence where something is missing; else None.
        remark: after the end, one sentence on what else there is to say of the sound; else None.
    """

    def __init__(self, pieces: BlockQueue, rate: int) -> None:
        self.rate = rate
        self.damage: str | None = None
        self.remark: str | None = None
        self._pieces = pieces
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Take what has arrived as the end. May be called by a signal handler."""
        self._stopped.set()

    def blocks(self, sample_rate: int) -> Iterator[NDArray[np.float32]]:
        """All samples at ``sample_rate``, full scale 1, as soon as they are there; together the
        same however they came."""
        return resample(self._chunks(), sample_rate)

    def _chunks(self) -> Iterator[MonoBlock]:
        half, meter = b"", LevelMeter()
        for data in self._arriving():
            data = half + data
            whole = len(data) // 2 * 2
            half = data[whole:]
            if whole:
                samples = np.frombuffer(data, "<i2", whole // 2).astype(np.float32) / np.float32(
                    32_768
                )
                if not meter.is_loud:
                    meter.feed(samples, self.rate)
                yield MonoBlock(self.rate, samples)
        if half:
            self.damage = "The sound ends within a sample: its last byte was left out."
        if meter.is_quiet:
            self.remark = (
                f"The sound is too quiet to be heard ({meter.decibels}): check the "
                "microphone and its level."
            )

    def _arriving(self) -> Iterator[bytes]:
        """What has arrived since the last time, at once."""
        ended = False
        while not ended:
            ended = self._stopped.is_set()
            parts: list[bytes | None] = []
            with suppress(queue.Empty):
                if not ended:
                    parts.append(self._pieces.get(timeout=PATIENCE))
                for _ in range(self._pieces.qsize()):  # who fell behind catches up in large steps
                    parts.append(self._pieces.get_nowait())
            ended = ended or None in parts
            yield b"".join(filter(None, parts))


@contextmanager
def pipe(descriptor: int, rate: int) -> Iterator[LiveSource]:
    """Raw samples of an open file descriptor.

    Raises:
        MediaError: it is a sound file and no raw samples.
    """
    pieces: BlockQueue = queue.Queue(WAITING)
    head = b""
    while len(head) < 4 and (data := os.read(descriptor, READ_BYTES)):
        head += data
    for magic, kind in FILES.items():
        if head.startswith(magic):
            raise MediaError(
                f"standard input is a file of the kind {kind}, and --live hears raw samples: "
                "leave out --live, or decode it"
            )
    pieces.put(head)
    left = threading.Event()

    # by the descriptor: a thread that holds Python's standard input at exit would abort it
    def read() -> None:
        try:
            while not left.is_set() and (data := os.read(descriptor, READ_BYTES)):
                pieces.put(data)
        except OSError:  # the other side is gone
            pass
        pieces.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        yield LiveSource(pieces, rate)
    finally:
        left.set()


@contextmanager
def microphone(rate: int | None = None, device: str | None = None) -> Iterator[LiveSource]:
    """Samples of a microphone, until it is told to stop.

    Args:
        rate: samples a second; by default the device's own.
        device: number of a device, or a part of its name; by default the system's.

    Raises:
        UserError: sounddevice or PortAudio is not installed, or there is no such device.
    """
    sounddevice = _sounddevice()
    name: int | str | None = int(device) if device is not None and device.isdecimal() else device
    pieces: BlockQueue = queue.Queue()
    source = LiveSource(pieces, rate or 0)

    def receive(data: Any, frames: int, time: Any, status: Any) -> None:
        if status:
            source.damage = (
                "Some sound was lost: this machine was too busy to take it from the microphone."
            )
        pieces.put(bytes(data))

    try:
        source.rate = rate or round(sounddevice.query_devices(name, "input")["default_samplerate"])
        stream = sounddevice.RawInputStream(
            samplerate=source.rate,
            channels=1,
            dtype="int16",
            device=name,
            callback=receive,
            latency="low",
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"The microphone cannot be heard ({reason}); see `python -m sounddevice` for devices."
        ) from None
    with stream:
        yield source


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise UserError('The microphone needs sounddevice: pip install "recog[live]".') from None
    except OSError:  # it looks for PortAudio as it is imported
        raise UserError(
            "The microphone needs the PortAudio library; on Debian and Ubuntu: apt install "
            "libportaudio2."
        ) from None
    return sounddevice
