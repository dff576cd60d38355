"""Decode sound with FFmpeg (PyAV), at the times that its container states.

Time 0 is where the container's presentation begins. A track may start later, as in a video, and
may have gaps between its packets. Both become silence, so that a sample's number gives its time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog.media.audio.data_extent import TAGS
from recog.media.audio.decoder import (
    CHUNK_SAMPLES,
    MAX_CHANNELS,
    RATES,
    NamelessFile,
    check_shape,
    select_channel,
)
from recog.media.audio.downmix import AudioBlock, sanitise
from recog.media.audio.file_kind import Kind, file_size, mpeg_states_length, ogg_is_joined
from recog.media.errors import MediaError

# Containers of sound. Playlists and scripts are left out, for they open other files and addresses;
# so are images and text.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,avi,flv,mpegts,mpeg,ogg,wav,w64,flac,aiff,caf,au,"
    "amr,amrnb,amrwb,ape,wv,tta,tak,mpc,mpc8,dsf,voc,nistsphere"
)
# Bare frames: allowed only where a sync word stands, lest noise pass for sound.
MPEG_CONTAINERS = "mp3,aac,ac3,eac3"
# formats in which FFmpeg seeks by time exactly
SEEKABLE = ("mov", "matroska", "ogg", "wav", "flac", "aiff", "w64", "caf")
# formats whose files hold time stamps, rather than FFmpeg counting them
TIMED = ("mov", "matroska", "asf", "flv", "mpeg", "ogg")
FROM_ZERO = ("mov", "matroska")  # timed formats whose time line starts at 0
TRACK_LENGTHS = ("mov", "avi", "mpegts")  # formats of which FFmpeg knows each track's length
# FFmpeg's sample formats as NumPy types
SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
MAX_PLANES = 8
READABLE = "wav, flac, ogg, opus, mp3, aiff, m4a, webm, wma, mp4, mkv"
# seconds decoded before the start, for codecs that need their past (AAC, Opus, Vorbis)
PRE_ROLL = 0.5
LENGTH_TOLERANCE = 0.1  # seconds that a file may be too short: codec delay and padding
# seconds that time stamps may be off: rounding, priming, clocks that drift
JITTER = 0.1
# Stamps that go back by so many seconds begin a new time line: files that were joined.
BACKWARDS = 10.0
# Seconds of silence that time stamps may ask for, and one more for so many bytes of the file:
# 8 kbit a second is less than any sound or picture has that the file may hold meanwhile.
MAX_SILENCE, SILENT_BYTES = 3_600.0, 1_000


@dataclass
class FfmpegDecoder:
    """Decodes with FFmpeg: the default audio track, or the track of the channel asked for.

    Channels are counted over all tracks.
    """

    file: BinaryIO
    name: str
    channel: int | None
    kind: Kind
    is_cut: bool
    header_remark: str | None = None  # what is wrong in the header
    rate: int = field(init=False)
    channels: int = field(init=False)
    duration: float | None = field(init=False)
    damage: str | None = field(init=False, default=None)
    remark: str | None = field(init=False, default=None)
    _track: int = field(init=False)  # index among the audio tracks
    _track_channel: int | None = field(init=False)  # channel in that track
    # time stamp at which the presentation begins, in seconds
    _origin: float | None = field(init=False, default=None)
    # time stamp of the first packet, in seconds
    _packet: float | None = field(init=False, default=None)
    _max_silence: float = field(init=False)  # seconds of silence that time stamps may ask for
    _container: str = field(init=False)  # FFmpeg's names of the format
    _codec: str = field(init=False)
    _is_joined: bool = field(init=False)  # whether it is several files, one after another

    def __post_init__(self) -> None:
        self._max_silence = MAX_SILENCE + file_size(self.file) / SILENT_BYTES
        self._is_joined = self.kind is Kind.OGG and ogg_is_joined(self.file)
        with self._open() as container:
            if not container.streams.audio:
                what = "is a video without sound" if container.streams.video else "holds no sound"
                raise MediaError(f"{self.name} {what}")
            self._choose(container)
            self._container = container.format.name
            codec = container.streams.audio[self._track].codec_context
            self._codec = codec.name if codec else ""
            beginning = self._presentation_start(container)
            start, end = self._stated_span(container)
            frame = next(self._frames(container), None)
        if frame is None:
            raise MediaError(f"{self.name} holds no sound that can be decoded")
        self.rate = frame.sample_rate
        check_shape(self.name, self.rate, frame.layout.nb_channels, None)
        late = 0.0
        if frame.time is not None:
            # By its packet: some decoders give the first frame the time of a later frame.
            is_late = (frame.time if self._packet is None else self._packet) - beginning > JITTER
            late = max(0.0, frame.time - beginning) if is_late and self._is_timed else 0.0
            if late > self._max_silence:
                self.header_remark, late = _jump(late, 0.0), 0.0
            self._origin = frame.time - late
        self.duration = (
            None
            if end is None
            else end - (beginning if late or beginning > start + JITTER else start)
        )

    def decode(self, first: int, stop: int | None) -> Iterator[AudioBlock]:
        self.remark = self.header_remark
        with self._open() as container:
            position = self._seek(container, first)
            pending = _Pending()
            max_silence, shift = self._max_silence, 0
            for frame in self._frames(container):
                stamp = self._stamp(frame)
                if position is None:  # the first frame after a seek gives the position
                    if stamp is None:
                        continue
                    position = min(first, stamp)
                missing = 0 if stamp is None else stamp + shift - position
                # beyond that it is another time line
                if missing > max_silence * self.rate or missing < -BACKWARDS * self.rate:
                    if missing > 0:
                        self.remark = _jump(missing / self.rate, position / self.rate)
                    shift -= missing
                elif missing > JITTER * self.rate:
                    max_silence -= missing / self.rate
                    yield from pending.flush()
                    after = position + missing
                    yield from _silence(
                        self.rate, max(first, position), after if stop is None else min(stop, after)
                    )
                    position = after
                    if stop is not None and position >= stop:
                        return
                skip = max(0, first - position)
                position += round(frame.samples * (self.rate / frame.sample_rate))
                if skip >= frame.samples:
                    continue
                samples = select_channel(_frame_samples(frame)[skip:], self.channel_of(frame))
                yield from pending.add(frame.sample_rate, sanitise(samples))
                if stop is not None and position >= stop:
                    yield from pending.flush()
                    return
            yield from pending.flush()
        length = (position or 0) / self.rate
        # The duration includes jumps that were left out, and the empty packets that AVI has instead
        # of times.
        is_telling = self.duration is not None and self.remark is None and self.kind is not Kind.AVI
        if is_telling and length < (self.duration or 0.0) - LENGTH_TOLERANCE:
            self.damage = "is cut short"

    @property
    def _is_timed(self) -> bool:
        return self._container.startswith(TIMED)

    def _stamp(self, frame: Any) -> int | None:
        """The sample number of a frame by its time stamp; None where it cannot be trusted."""
        if frame.time is None or self._origin is None or not (self._is_timed or self._can_seek):
            return None
        return round((frame.time - self._origin) * self.rate)

    def _presentation_start(self, container: Any) -> float:
        """The time stamp at which the presentation begins, in seconds.

        As in players, it is that of the track that begins first. For a file of sound alone it is 0
        if the time line of the container starts at 0.
        """
        start = 0.0 if container.start_time is None else container.start_time / 1e6
        is_sound = not container.streams.video and self._container.startswith(FROM_ZERO)
        return 0.0 if is_sound and 0.0 <= start <= self._max_silence else start

    def channel_of(self, frame: Any) -> int | None:
        """The channel asked for, within those of this frame: a stream may change its layout."""
        return (
            None
            if self._track_channel is None
            else min(self._track_channel, frame.layout.nb_channels - 1)
        )

    def _choose(self, container: Any) -> None:
        """Choose the track to read, and its channel."""
        tracks = container.streams.audio
        codecs = [track.codec_context for track in tracks]  # None where FFmpeg has no decoder
        counts = [
            min(MAX_CHANNELS, max(1, codec.layout.nb_channels)) if codec else 1 for codec in codecs
        ]
        self.channels = sum(counts)
        if self.channel is None:
            best = container.streams.best("audio") or tracks[0]
            self._track, self._track_channel = (
                next(k for k, track in enumerate(tracks) if track.index == best.index),
                None,
            )
            return
        check_shape(self.name, RATES[0], min(MAX_CHANNELS, self.channels), self.channel)
        self._track, self._track_channel = 0, self.channel
        while self._track_channel >= counts[self._track]:
            self._track_channel -= counts[self._track]
            self._track += 1

    def _open(self) -> Any:
        import av

        allowed = f"{CONTAINERS},{MPEG_CONTAINERS}" if self.kind is Kind.MPEG else CONTAINERS
        self.file.seek(0)
        try:
            options = {"format_whitelist": allowed, "protocol_whitelist": "none"}
            return av.open(
                NamelessFile(self.file), container_options=options, metadata_errors="replace"
            )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            if self.kind is Kind.OTHER and not self._looks_like_mp4():
                raise MediaError(
                    f"{self.name} is not a sound file that recog can read: {READABLE}"
                ) from error
            raise MediaError(
                f"{self.name} is cut short or damaged: nothing in it can be read as sound"
            ) from error

    def _looks_like_mp4(self) -> bool:
        self.file.seek(4)
        return self.file.read(4) == b"ftyp"

    def _stated_span(self, container: Any) -> tuple[float, float | None]:
        """Time stamps of the start and end of the track by the header, in seconds.

        The end is None where FFmpeg guesses it, takes it from another track, or counts it from
        another start.
        """
        stream = container.streams.audio[self._track]
        start = 0.0 if stream.start_time is None else float(stream.start_time * stream.time_base)
        if self.kind is Kind.MPEG and not mpeg_states_length(self.file):
            return start, None
        # A WAV gets here if its header is useless. For CAF, FFmpeg counts the padding of the last
        # packet.
        if self.is_cut or self.kind in (Kind.WAV, Kind.CAF) or self._is_joined:
            return start, None
        if self.kind is Kind.OGG and start > JITTER:
            return start, None
        alone = len(container.streams) == 1
        if stream.duration is not None and (alone or self._container.startswith(TRACK_LENGTHS)):
            return start, start + float(stream.duration * stream.time_base)
        # Matroska, as FFmpeg writes it: 00:00:04.008000000
        tag = stream.metadata.get("DURATION", "")
        with suppress(ValueError):
            hours, minutes, seconds = tag.split(":")
            end = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            return 0.0, end if math.isfinite(end) else None
        if alone and container.duration is not None:
            return start, start + float(container.duration / 1e6)
        return start, None

    @property
    def _can_seek(self) -> bool:
        # In a WAV with a useless header FFmpeg seeks if all samples have one size.
        is_lost = self.kind is Kind.WAV and not self._codec.startswith("pcm")
        return self._container.startswith(SEEKABLE) and not self._is_joined and not is_lost

    def _seek(self, container: Any, first: int) -> int | None:
        """Seek to before sample `first`.

        Returns:
            The position: 0 at the start, None where the time of the next frame gives it.
        """
        import av

        seconds = first / self.rate - PRE_ROLL
        if seconds <= PRE_ROLL or self._origin is None or not self._can_seek:
            return 0
        with suppress(av.error.FFmpegError, OSError):
            container.seek(int((seconds + self._origin) * 1e6))
            return None
        return 0

    def _frames(self, container: Any) -> Iterator[Any]:
        """Decoded frames.

        A packet that fails is skipped. It counts as damage, unless it is junk at the end of an MP3.
        """
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
            # a packet of a stream that began after the file was opened, unknown to PyAV
            except IndexError:
                packets = container.demux(stream)
                continue
            except (av.error.FFmpegError, OSError):
                failed = True
                break
            if self._packet is None and packet.pts is not None:
                self._packet = float(packet.pts * packet.time_base)
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, OSError, ValueError):
                # a tag may belong to another file that was joined to this one
                failed = failed or not bytes(packet).startswith(TAGS)
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
    """Whether a frame has samples that :func:`_frame_samples` can take, of at most 8 planes."""
    channels = frame.layout.nb_channels
    known = frame.format.name.removesuffix("p") in SAMPLE_TYPES
    return bool(frame.samples and frame.sample_rate and channels and known) and (
        channels <= MAX_PLANES or not frame.format.is_planar
    )


class _Pending:
    """Collects frames until they fill a block."""

    def __init__(self) -> None:
        self._rate = 0
        self._frames: list[NDArray[np.float32]] = []

    def add(self, rate: int, samples: NDArray[np.float32]) -> Iterator[AudioBlock]:
        if rate != self._rate or (self._frames and samples.shape[1] != self._frames[0].shape[1]):
            yield from self.flush()
        self._rate = rate
        self._frames.append(samples)
        if sum(map(np.size, self._frames)) >= CHUNK_SAMPLES // 8:
            yield from self.flush()

    def flush(self) -> Iterator[AudioBlock]:
        if self._frames:
            yield AudioBlock(self._rate, np.concatenate(self._frames))
        self._frames = []


def _silence(rate: int, first: int, stop: int) -> Iterator[AudioBlock]:
    """Blocks of silence from one sample to another."""
    for start in range(first, stop, CHUNK_SAMPLES):
        yield AudioBlock(rate, np.zeros((min(CHUNK_SAMPLES, stop - start), 1), np.float32))


def _jump(seconds: float, position: float) -> str:
    """The remark on time stamps that jump by an impossible time."""
    return (
        f"has time stamps that jump by {seconds:,.0f} seconds at second {position:.1f}: the jump "
        "was left out, and what "
        "comes after it has times as if there were none"
    )


def _frame_samples(frame: Any) -> NDArray[Any]:
    """The samples of a frame, floating point (samples, channels), full scale 1.

    PyAV 18's `to_ndarray` counts too many planes of 8 or more planar channels and reads beyond
    memory, so it is not used.
    """
    channels = frame.layout.nb_channels
    dtype = np.dtype(SAMPLE_TYPES[frame.format.name.removesuffix("p")])
    if frame.format.is_planar:
        planes = frame.planes[:channels]
        samples = np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes], axis=1)
    else:
        samples = np.frombuffer(frame.planes[0], dtype, frame.samples * channels).reshape(
            -1, channels
        )
    if samples.dtype.kind == "f":
        return samples
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    return samples.astype(np.float64) / -float(np.iinfo(samples.dtype).min)
