"""Decoders: a seekable file of sound -> chunks of mono samples at the file's own rate.

Two libraries share the work. libsndfile (soundfile) reads wav, flac and aiff, with exact seeking. FFmpeg (PyAV) reads
everything else: m4a, webm, wma, the sound of videos; and two kinds that libsndfile 1.2 knows but does not serve well:
MP3 (libmpg123 writes to the terminal) and Ogg (a file without its end is empty; seeks in the last page go astray).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from recog.media import sound_headers as headers
from recog.media.errors import MediaError
from recog.media.sound_headers import Kind

RATES = (1_000, 1_000_000)  # Hz: anything else is a damaged header, or no sound of this world
MAX_CHANNELS = 1_024  # libsndfile's own limit
CHUNK_SAMPLES = 1 << 18  # samples decoded at a time, over all channels: 1 MiB of float32
SNDFILE_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "AIFF", "AU", "CAF", "W64", "NIST"})
# Containers of sound. Left out on purpose: playlists and scripts (they open other files and addresses), images, text.
FFMPEG_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,avi,flv,mpegts,mpeg,ogg,wav,w64,flac,aiff,caf,au,amr,amrnb,amrwb,"
    "ape,wv,tta,tak,mpc,mpc8,dsf,voc,nistsphere"
)
FFMPEG_MPEG = "mp3,aac,ac3,eac3"  # bare frames: allowed only where a sync word stands, lest noise pass for sound
SEEKABLE = ("mov", "matroska", "ogg", "wav", "flac", "aiff", "w64", "caf")  # where FFmpeg seeks by time exactly
SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # FFmpeg's names
MAX_PLANES = 8
INVERSE = 1e-6  # of the power of the channels: what is left where one is the other upside down
LOUDEST = 1e9  # of full scale 1: some write floats as large as integers of 32 bits; a power of more is no float32
READABLE = "wav, flac, ogg, opus, mp3, aiff, m4a, webm, wma, mp4, mkv"
PRE_ROLL = 0.5  # seconds decoded before a stretch, for codecs that need their past (AAC, Opus, Vorbis)
LENGTH_TOLERANCE = 0.1  # seconds a file may be shorter than it says: codec delay and padding


@dataclass(frozen=True)
class Chunk:
    """Mono samples at the file's rate, float32, shape (samples,)."""

    rate: int
    samples: NDArray[np.float32]


class Decoder(Protocol):
    """What the reader asks of either library.

    Attributes:
        rate: samples per second of the file.
        channels: of all its audio tracks together.
        duration: seconds by the header, None where it cannot be trusted.
        damage: after a whole pass, "is cut short" or "is damaged"; None where nothing is missing.
    """

    rate: int
    channels: int
    duration: float | None
    damage: str | None
    lost: int

    def chunks(self, first: int, stop: int | None) -> Iterator[Chunk]:
        """Samples `first` up to about `stop` (None: the end), counted at `rate`; a second call starts a new pass."""
        ...


def open_decoder(file: BinaryIO, name: str, channel: int | None) -> Decoder:
    """The decoder for a seekable file, by its content.

    Raises:
        MediaError: the file is empty or holds nothing that either library reads as sound.
    """
    if headers.file_size(file) == 0:
        raise MediaError(f"{name} is empty")
    kind = headers.sniff(file)
    extent = headers.wav_extent(file) if kind is Kind.WAV else headers.aiff_extent(file) if kind is Kind.AIFF else None
    if extent is not None and (extent.announced == 0 or extent.present == 0):
        raise MediaError(f"{name} holds no sound")
    streamed = kind is Kind.WAV and extent is not None and extent.announced is None
    is_cut = not headers.ogg_is_whole(file) if kind is Kind.OGG else extent is not None and extent.is_cut
    is_mpeg = kind is Kind.MPEG or (extent is not None and extent.is_mpeg)
    if not (is_mpeg or streamed or kind is Kind.OGG):
        info = _sndfile_info(file)
        if info is not None:
            return SndfileDecoder(file, name, channel, is_cut=is_cut, **info)
    return FfmpegDecoder(file, name, channel, kind=kind, is_cut=is_cut)


def check_shape(name: str, rate: int, channels: int, channel: int | None) -> None:
    """Refuse rates and channel counts that no recording has, and a channel that this one does not have."""
    if not RATES[0] <= rate <= RATES[1] or not 1 <= channels <= MAX_CHANNELS:
        raise MediaError(f"{name} is damaged: its header says {channels} channels at {rate} samples a second")
    if channel is not None and not 0 <= channel < channels:
        raise MediaError(f"{name} has no channel {channel}: it has {channels}, counted from 0")


def to_mono(samples: NDArray[Any], channel: int | None) -> NDArray[np.float32]:
    """(samples, channels) -> the mean of the channels or one of them; NaN and infinite samples become 0, and absurd ones
    the loudest that are not."""
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, then 0
        samples = np.nan_to_num(samples.astype(np.float32, copy=False), nan=0.0, posinf=0.0, neginf=0.0)
        if len(samples) and max(samples.max(), -samples.min()) > LOUDEST:
            samples = np.clip(samples, -LOUDEST, LOUDEST)
    if samples.shape[1] == 1 or channel is not None:
        return np.ascontiguousarray(samples[:, channel or 0])
    return samples.mean(axis=1, dtype=np.float64).astype(np.float32)


def lost_in(samples: NDArray[Any], mono: NDArray[np.float32]) -> int:
    """How many samples their mean lost: all of them, where the channels are each other's inverse, or none."""
    if samples.shape[1] == 1:
        return 0
    left, had = (float(np.square(x, dtype=np.float64).mean()) for x in (mono, np.nan_to_num(samples)))
    return len(mono) if left < INVERSE * had else 0


# ---- libsndfile ----


class _Nameless:
    """A file without its name: soundfile would let the extension overrule the content.

    Nothing is raised through the libraries' callbacks, which would print a traceback: a seek to nowhere moves nothing
    and a failing disk ends the file there.
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


def _open_sndfile(file: BinaryIO) -> Any:
    import soundfile

    file.seek(0)
    return soundfile.SoundFile(_Nameless(file))


def _sndfile_info(file: BinaryIO) -> dict[str, Any] | None:
    """Rate, channels and frame count where libsndfile reads this file, else None."""
    import soundfile

    try:
        with _open_sndfile(file) as sound:
            if sound.format not in SNDFILE_FORMATS or sound.subtype.startswith("MPEG"):
                return None
            return {"rate": sound.samplerate, "channels": sound.channels, "frames": sound.frames}
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        return None


@dataclass
class SndfileDecoder:
    """Chunks through libsndfile. `frames` is the header's count and may lie: it sizes nothing."""

    file: BinaryIO
    name: str
    channel: int | None
    rate: int
    channels: int
    frames: int
    is_cut: bool
    duration: float | None = field(init=False)
    damage: str | None = field(init=False, default=None)
    lost: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        check_shape(self.name, self.rate, self.channels, self.channel)
        if self.frames <= 0:
            raise MediaError(f"{self.name} holds no sound")
        counted = self.frames < 1 << 36  # FLAC's counter has 36 bits; an unknown length is libsndfile's 2^63 - 1
        self.duration = self.frames / self.rate if counted else None

    def chunks(self, first: int, stop: int | None) -> Iterator[Chunk]:
        import soundfile

        self.damage, self.lost = "is cut short" if self.is_cut else None, 0
        buffer = np.empty((CHUNK_SAMPLES // self.channels, self.channels), dtype=np.float32)
        with _open_sndfile(self.file) as sound:
            position = min(first, self.frames)
            try:
                if position:
                    sound.seek(position)
            except (soundfile.SoundFileError, OSError):
                self.damage = "is cut short"
                return
            while stop is None or position < stop:
                want = len(buffer) if stop is None else min(len(buffer), stop - position)
                samples, is_broken = _read_into(sound, buffer[:want])
                position += len(samples)
                if len(samples):
                    mono = to_mono(samples, self.channel)
                    self.lost += lost_in(samples, mono) if self.channel is None else 0
                    yield Chunk(self.rate, mono)
                if is_broken:
                    self.damage = "is cut short or damaged"
                    return
                if len(samples) < want:
                    break
            if self.duration is not None and position < self.frames and (stop is None or position < stop):
                self.damage = "is cut short"


def _read_into(sound: Any, buffer: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """The frames read, and whether the decoder failed on the way.

    soundfile forgets how many frames came before an error; the NaN that the buffer was filled with tell.
    """
    import soundfile

    buffer.fill(np.nan)
    try:
        return sound.read(out=buffer), False
    except (soundfile.SoundFileError, OSError):
        written = np.flatnonzero(~np.isnan(buffer).all(axis=1))
        return buffer[: written[-1] + 1 if len(written) else 0], True


# ---- FFmpeg ----


@dataclass
class FfmpegDecoder:
    """Chunks through FFmpeg: the audio track that it would play, or the one that has the channel asked for.

    Channels are counted over all tracks. Timestamps only serve to seek; gaps between packets are closed.
    """

    file: BinaryIO
    name: str
    channel: int | None
    kind: Kind
    is_cut: bool
    rate: int = field(init=False)
    channels: int = field(init=False)
    duration: float | None = field(init=False)
    damage: str | None = field(init=False, default=None)
    lost: int = field(init=False, default=0)
    _track: int = field(init=False)  # index among the audio tracks,
    _own: int | None = field(init=False)  # and the channel in it
    _origin: float | None = field(init=False)  # seconds: time stamp of the first frame

    def __post_init__(self) -> None:
        with self._open() as container:
            if not container.streams.audio:
                what = "is a video without sound" if container.streams.video else "holds no sound"
                raise MediaError(f"{self.name} {what}")
            self._choose(container)
            self.duration = self._stated_duration(container)
            self._container = container.format.name
            frame = next(self._frames(container), None)
        if frame is None:
            raise MediaError(f"{self.name} holds no sound that can be decoded")
        self.rate, self._origin = frame.sample_rate, frame.time
        check_shape(self.name, self.rate, frame.layout.nb_channels, None)

    def chunks(self, first: int, stop: int | None) -> Iterator[Chunk]:
        with self._open() as container:
            position, self.lost = self._seek(container, first), 0
            pending: list[NDArray[np.float32]] = []
            rate = self.rate
            for frame in self._frames(container):
                if position is None:  # the first frame after a seek says where it stands
                    position = round((frame.time - self._origin) * self.rate)
                skip = max(0, first - position)
                position += frame.samples
                if skip >= frame.samples:
                    continue
                every, own = _frame_samples(frame), self.channel_of(frame)
                mono = to_mono(every, own)
                self.lost += lost_in(every, mono) if own is None else 0
                samples = mono[skip:]
                if frame.sample_rate != rate or sum(map(len, pending)) >= CHUNK_SAMPLES // 8:
                    yield from _joined(rate, pending)
                    pending, rate = [], frame.sample_rate
                pending.append(samples)
                if stop is not None and position >= stop:
                    yield from _joined(rate, pending)
                    return
            yield from _joined(rate, pending)
        length = (position or 0) / self.rate
        if self.duration is not None and length < self.duration - LENGTH_TOLERANCE:
            self.damage = "is cut short"

    def channel_of(self, frame: Any) -> int | None:
        """The channel asked for, if this frame has it: a stream may change its layout on the way."""
        return None if self._own is None else min(self._own, frame.layout.nb_channels - 1)

    def _choose(self, container: Any) -> None:
        """The track to read, and the channel of it."""
        tracks = container.streams.audio
        codecs = [track.codec_context for track in tracks]  # None where FFmpeg knows no decoder
        counts = [min(MAX_CHANNELS, max(1, codec.layout.nb_channels)) if codec else 1 for codec in codecs]
        self.channels = sum(counts)
        if self.channel is None:
            best = container.streams.best("audio") or tracks[0]
            self._track, self._own = next(k for k, track in enumerate(tracks) if track.index == best.index), None
            return
        check_shape(self.name, RATES[0], min(MAX_CHANNELS, self.channels), self.channel)
        self._track, self._own = 0, self.channel
        while self._own >= counts[self._track]:
            self._own -= counts[self._track]
            self._track += 1

    def _open(self) -> Any:
        import av

        allowed = f"{FFMPEG_CONTAINERS},{FFMPEG_MPEG}" if self.kind is Kind.MPEG else FFMPEG_CONTAINERS
        self.file.seek(0)
        try:
            options = {"format_whitelist": allowed, "protocol_whitelist": "none"}
            return av.open(_Nameless(self.file), container_options=options, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if self.kind is Kind.OTHER and not self._looks_like_mp4():
                raise MediaError(f"{self.name} is not a sound file that recog can read: {READABLE}") from error
            raise MediaError(f"{self.name} is cut short or damaged: nothing in it can be read as sound") from error

    def _looks_like_mp4(self) -> bool:
        self.file.seek(4)
        return self.file.read(4) == b"ftyp"

    def _stated_duration(self, container: Any) -> float | None:
        """Seconds by the header, None where FFmpeg only guesses from the file's size."""
        stream = container.streams.audio[self._track]
        if self.kind is Kind.MPEG and not headers.mpeg_states_length(self.file):
            return None
        if self.is_cut or self.kind is Kind.WAV:  # a WAV comes here with the header of a stream
            return None
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        tag = stream.metadata.get("DURATION", "")  # Matroska, as FFmpeg writes it: 00:00:04.008000000
        with suppress(ValueError):
            hours, minutes, seconds = tag.split(":")
            duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            return duration if math.isfinite(duration) else None
        if len(container.streams) == 1 and container.duration is not None:
            return float(container.duration / 1e6)
        return None

    def _seek(self, container: Any, first: int) -> int | None:
        """Move to before sample `first`: 0 where decoding starts over, None where the next frame's time tells."""
        import av

        seconds = first / self.rate - PRE_ROLL
        if seconds <= PRE_ROLL or self._origin is None or not self._container.startswith(SEEKABLE):
            return 0
        with suppress(av.error.FFmpegError, OSError):
            container.seek(int((seconds + self._origin) * 1e6))
            return None
        return 0

    def _frames(self, container: Any) -> Iterator[Any]:
        """Decoded frames. A packet that fails is skipped; it is damage unless it is junk at the end of an MP3."""
        import av

        self.damage = "is cut short" if self.is_cut else None
        stream = container.streams.audio[self._track]
        failed = False
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.error.FFmpegError, OSError):
                failed = True
                break
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, OSError, ValueError):
                failed = True
                continue
            for frame in frames:
                if not _is_readable(frame):
                    failed = True
                else:
                    if failed:
                        self.damage = "is damaged"
                    yield frame
        if failed and self.kind is not Kind.MPEG:
            self.damage = self.damage or "is cut short or damaged"


def _is_readable(frame: Any) -> bool:
    """Whether the frame holds samples that can be had: `_frame_samples` says why 8 planes are the most."""
    channels = frame.layout.nb_channels
    known = frame.format.name.removesuffix("p") in SAMPLE_TYPES
    return bool(frame.samples and frame.sample_rate and channels and known) and (
        channels <= MAX_PLANES or not frame.format.is_planar
    )


def _joined(rate: int, pending: list[NDArray[np.float32]]) -> Iterator[Chunk]:
    if sum(map(len, pending)):
        yield Chunk(rate, np.concatenate(pending))


def _frame_samples(frame: Any) -> NDArray[Any]:
    """A frame as floating-point (samples, channels), full scale 1.

    Not by `to_ndarray`: of 8 or more channels, one plane each, PyAV 18 counts too many planes and reads beyond memory.
    """
    channels = frame.layout.nb_channels
    dtype = np.dtype(SAMPLE_TYPES[frame.format.name.removesuffix("p")])
    if frame.format.is_planar:
        planes = frame.planes[:channels]
        samples = np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes], axis=1)
    else:
        samples = np.frombuffer(frame.planes[0], dtype, frame.samples * channels).reshape(-1, channels)
    if samples.dtype.kind == "f":
        return samples
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    return samples.astype(np.float64) / -float(np.iinfo(samples.dtype).min)
