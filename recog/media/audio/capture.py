"""Capture sound from a pipe or a microphone, in blocks of a mono float32 waveform."""

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
WAITING = 64  # blocks of a pipe that may wait in the queue; then the writer waits
PATIENCE = 0.1  # seconds to wait for sound before the next check whether to stop
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
    """Raw 16-bit little-endian mono samples that arrive in blocks.

    Attributes:
        rate: samples a second.
        damage: after the end, a sentence if sound is missing; else None.
        remark: after the end, another sentence on the sound; or None.
    """

    def __init__(self, waiting: BlockQueue, rate: int) -> None:
        self.rate = rate
        self.damage: str | None = None
        self.remark: str | None = None
        self._queue = waiting
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the sound with what has arrived. A signal handler may call it."""
        self._stopped.set()

    def blocks(self, sample_rate: int) -> Iterator[NDArray[np.float32]]:
        """All samples at ``sample_rate``, full scale 1, as soon as they arrive.

        Joined, the blocks do not depend on how they arrived.
        """
        return resample(self._samples(), sample_rate)

    def _samples(self) -> Iterator[MonoBlock]:
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
        """All bytes that have arrived since the last time."""
        ended = False
        while not ended:
            ended = self._stopped.is_set()
            parts: list[bytes | None] = []
            with suppress(queue.Empty):
                if not ended:
                    parts.append(self._queue.get(timeout=PATIENCE))
                for _ in range(self._queue.qsize()):  # after a delay, catch up in large steps
                    parts.append(self._queue.get_nowait())
            ended = ended or None in parts
            yield b"".join(filter(None, parts))


@contextmanager
def pipe(descriptor: int, rate: int) -> Iterator[LiveSource]:
    """Capture raw samples from an open file descriptor.

    Raises:
        MediaError: it is a sound file, not raw samples.
    """
    waiting: BlockQueue = queue.Queue(WAITING)
    head = b""
    while len(head) < 4 and (data := os.read(descriptor, READ_BYTES)):
        head += data
    for magic, kind in FILES.items():
        if head.startswith(magic):
            raise MediaError(
                f"standard input is a file of the kind {kind}, and --live hears raw samples: "
                "leave out --live, or decode it"
            )
    waiting.put(head)
    closed = threading.Event()

    # by the descriptor: a thread that holds Python's standard input would abort it at exit
    def read() -> None:
        try:
            while not closed.is_set() and (data := os.read(descriptor, READ_BYTES)):
                waiting.put(data)
        except OSError:  # the writer is gone
            pass
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    try:
        yield LiveSource(waiting, rate)
    finally:
        closed.set()


@contextmanager
def microphone(rate: int | None = None, device: str | None = None) -> Iterator[LiveSource]:
    """Capture samples from a microphone, until it is stopped.

    Args:
        rate: samples a second; by default the device's.
        device: number of a device, or a part of its name; by default the default device.

    Raises:
        UserError: sounddevice or PortAudio is not installed, or there is no such device.
    """
    sounddevice = _sounddevice()
    name: int | str | None = int(device) if device is not None and device.isdecimal() else device
    waiting: BlockQueue = queue.Queue()
    source = LiveSource(waiting, rate or 0)

    def receive(data: Any, frames: int, time: Any, status: Any) -> None:
        if status:
            source.damage = (
                "Some sound was lost: this machine was too busy to take it from the microphone."
            )
        waiting.put(bytes(data))

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
    except OSError:  # its import looks for PortAudio
        raise UserError(
            "The microphone needs the PortAudio library; on Debian and Ubuntu: apt install "
            "libportaudio2."
        ) from None
    return sounddevice
