"""Decoders: a seekable file of sound -> samples of its channels at the file's own rate, at the
file's own times.

Two libraries share the work. libsndfile (soundfile) reads wav, flac and aiff, with exact seeking.
FFmpeg (PyAV) reads everything else: m4a, webm, wma, the sound of videos; and two kinds that
libsndfile 1.2 knows but does not serve well: MP3 (libmpg123 writes to the terminal) and Ogg (a file
without its end is empty; seeks in the last page go astray).

Time 0 is where the container's presentation begins. Sound that starts later, as a track of a video
may, and sound with gaps between its packets, has silence there, so that sample number and time are
the same thing everywhere.
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

from recog.media.audio import headers
from recog.media.audio.downmix import AudioBlock, sanitise
from recog.media.audio.headers import Kind
from recog.media.errors import MediaError

RATES = (1_000, 1_000_000)  # Hz: anything else is a damaged header, or no sound of this world
MAX_CHANNELS = 1_024  # libsndfile's own limit
CHUNK_SAMPLES = 1 << 18  # samples decoded at a time, over all channels: 1 MiB of float32
SNDFILE_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "AIFF", "AU", "CAF", "W64", "NIST"})
# Containers of sound. Left out on purpose: playlists and scripts (they open other files and
# addresses), images, text.
FFMPEG_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,avi,flv,mpegts,mpeg,ogg,wav,w64,flac,aiff,caf,au,amr,amrnb,amrwb,"
    "ape,wv,tta,tak,mpc,mpc8,dsf,voc,nistsphere"
)
# bare frames: allowed only where a sync word stands, lest noise pass for sound
FFMPEG_MPEG = "mp3,aac,ac3,eac3"
# where FFmpeg seeks by time exactly
SEEKABLE = ("mov", "matroska", "ogg", "wav", "flac", "aiff", "w64", "caf")
# FFmpeg's names
SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
MAX_PLANES = 8
READABLE = "wav, flac, ogg, opus, mp3, aiff, m4a, webm, wma, mp4, mkv"
# seconds decoded before a stretch, for codecs that need their past (AAC, Opus, Vorbis)
PRE_ROLL = 0.5
LENGTH_TOLERANCE = 0.1  # seconds a file may be shorter than it says: codec delay and padding
# frames: FLAC's counter has 36 bits; an unknown length is libsndfile's 2^63 - 1
UNCOUNTED = 1 << 36
# where time stamps are in the file, and no count of FFmpeg's
TIMED = ("mov", "matroska", "asf", "flv", "mpeg", "ogg")
FROM_ZERO = ("mov", "matroska")  # of these, with a time line that starts at 0
OWN_LENGTHS = ("mov", "avi", "mpegts")  # where FFmpeg has the length of each track
# seconds that time stamps may be away from where the sound is: rounding, priming, clocks that drift
JITTER = 0.1
# seconds; from here on stamps that go back begin a new time line: files that were joined Seconds of
# silence that time stamps may ask for, and one more for so many bytes of the file: 8 kbit a second
# is less than any sound or picture has that the file may hold meanwhile.
BACKWARDS = 10.0
MAX_SILENCE, SILENT_BYTES = 3_600.0, 1_000


class Decoder(Protocol):
    """What the reader asks of either library.

    Attributes:
        rate: samples per second of the file.
        channels: of all its audio tracks together.
        duration: seconds by the header, None where it cannot be trusted.
        damage: after a whole pass, "is cut short" or "is damaged"; None where nothing is missing.
        remark: after a whole pass, what else to say of the file, to be put after its name; or None.
    """

    rate: int
    channels: int
    duration: float | None
    damage: str | None
    remark: str | None

    def decode(self, first: int, stop: int | None) -> Iterator[AudioBlock]:
        """Samples `first` up to about `stop` (None: the end), counted at `rate`; a second call
        starts a new pass.

        They have all channels of the track, or only that asked for.
        """
        ...


def open_decoder(file: BinaryIO, name: str, channel: int | None) -> Decoder:
    """The decoder for a seekable file, by its content.

    Raises:
        MediaError: the file is empty or holds nothing that either library reads as sound.
    """
    if headers.file_size(file) == 0:
        raise MediaError(f"{name} is empty")
    kind = headers.sniff(file)
    extent = headers.extent_of(file, kind)
    remark = None
    if extent is not None:
        if extent.announced == 0 or extent.present <= 0:
            raise MediaError(f"{name} holds no sound")
        if extent.is_contradicted:
            remark = (
                f"has a header that states {extent.announced:,} bytes of sound, and there are {extent.present:,}: "
                "all of them were read"
            )
    # What has another size than its header states: libsndfile goes by the file for all but WAV.
    patched = extent is not None and extent.patch is not None
    shown: Any = (
        file
        if extent is None or extent.patch is None
        else headers.PatchedFile(file, extent.end, extent.patch)
    )
    is_cut = not headers.is_whole(file, kind) or (extent is not None and extent.is_cut)
    is_mpeg = kind is Kind.MPEG or (extent is not None and extent.is_mpeg)
    if not (is_mpeg or (patched and kind is Kind.WAV) or kind is Kind.OGG):
        info = _sndfile_info(shown)
        if info is not None:
            return SndfileDecoder(
                shown, name, channel, kind=kind, is_cut=is_cut, remark=remark, **info
            )
    return FfmpegDecoder(shown, name, channel, kind=kind, is_cut=is_cut, header_remark=remark)


def check_shape(name: str, rate: int, channels: int, channel: int | None) -> None:
    """Refuse rates and channel counts that no recording has, and a channel that this one does not
    have."""
    if not RATES[0] <= rate <= RATES[1] or not 1 <= channels <= MAX_CHANNELS:
        raise MediaError(
            f"{name} is damaged: its header says {channels} channels at {rate} samples a second"
        )
    if channel is not None and not 0 <= channel < channels:
        raise MediaError(f"{name} has no channel {channel}: it has {channels}, counted from 0")


# ---- libsndfile ----


class NamelessFile:
    """A file without its name: soundfile would let the extension overrule the content.

    Nothing is raised through the libraries' callbacks, which would print a traceback: a seek to
    nowhere moves nothing and a failing disk ends the file there.
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
    return soundfile.SoundFile(NamelessFile(file))


def _sndfile_info(file: BinaryIO) -> dict[str, Any] | None:
    """Rate, channels and frame count where libsndfile reads this file, else None."""
    import soundfile

    try:
        with _open_sndfile(file) as sound:
            if sound.format not in SNDFILE_FORMATS or sound.subtype.startswith("MPEG"):
                return None
            # libsndfile takes the end of the file for damage
            if sound.format == "FLAC" and sound.frames >= UNCOUNTED:
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
        with _open_sndfile(self.file) as sound:
            position = min(first, self.frames)
            try:
                if position:
                    sound.seek(position)
            except (soundfile.SoundFileError, OSError):
                self.damage = "is cut short"
                return
            # what follows the last may be no sound
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
        """What a FLAC file has beyond the number of samples in its header, at which libsndfile
        stops."""
        if headers.is_rest(self.file, self.file.tell()):
            return
        with suppress(MediaError):
            rest = FfmpegDecoder(self.file, self.name, self.channel, kind=self.kind, is_cut=False)
            for piece in rest.decode(first, stop):
                yield piece
                self.remark = f"has a header that states {self.frames:,} samples, and there are more: all of them were read"


def select_channel(samples: NDArray[Any], channel: int | None) -> NDArray[Any]:
    """(samples, channels), or (samples, 1) of the channel asked for. A copy: what it is of may be a
    buffer."""
    return np.array(samples if channel is None else samples[:, channel : channel + 1])


def _read_into(sound: Any, buffer: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """The frames read, and whether the decoder failed on the way.

    soundfile forgets how many frames came before an error; the NaN that the buffer was filled with
    tell.
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
    """Samples through FFmpeg: of the audio track that it would play, or the one that has the
    channel asked for.

    Channels are counted over all tracks.
    """

    file: BinaryIO
    name: str
    channel: int | None
    kind: Kind
    is_cut: bool
    header_remark: str | None = None  # what the header gets wrong
    rate: int = field(init=False)
    channels: int = field(init=False)
    duration: float | None = field(init=False)
    damage: str | None = field(init=False, default=None)
    remark: str | None = field(init=False, default=None)
    _track: int = field(init=False)  # index among the audio tracks,
    _track_channel: int | None = field(init=False)  # and the channel in it
    # time stamp at which the presentation begins, in seconds
    _origin: float | None = field(init=False, default=None)
    _packet: float | None = field(init=False, default=None)  # that of the first packet
    _max_silence: float = field(init=False)  # seconds of silence that the file may ask for
    _container: str = field(init=False)  # its format's names
    _codec: str = field(init=False)
    _is_joined: bool = field(init=False)  # whether it is several files, one behind the other

    def __post_init__(self) -> None:
        self._max_silence = MAX_SILENCE + headers.file_size(self.file) / SILENT_BYTES
        self._is_joined = self.kind is Kind.OGG and headers.ogg_is_joined(self.file)
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
            # By its packet: some decoders give the first frame the time of a later one.
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
                if position is None:  # the first frame after a seek says where it stands
                    if stamp is None:
                        continue
                    position = min(first, stamp)
                missing = 0 if stamp is None else stamp + shift - position
                # another time line
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
        # A jump that was left out is in the duration, and so are the empty packets that AVI has in
        # place of times.
        is_telling = self.duration is not None and self.remark is None and self.kind is not Kind.AVI
        if is_telling and length < (self.duration or 0.0) - LENGTH_TOLERANCE:
            self.damage = "is cut short"

    @property
    def _is_timed(self) -> bool:
        return self._container.startswith(TIMED)

    def _stamp(self, frame: Any) -> int | None:
        """The sample at which a frame is to be heard, by its time stamp."""
        if frame.time is None or self._origin is None or not (self._is_timed or self._can_seek):
            return None
        return round((frame.time - self._origin) * self.rate)

    def _presentation_start(self, container: Any) -> float:
        """The time stamp that is presented first, in seconds: as players do, that of whichever
        track begins.

        A file of sound alone has nothing else that could begin before it: there it is 0, where the
        container has a time line that starts at 0.
        """
        start = 0.0 if container.start_time is None else container.start_time / 1e6
        alone = not container.streams.video and self._container.startswith(FROM_ZERO)
        return 0.0 if alone and 0.0 <= start <= self._max_silence else start

    def channel_of(self, frame: Any) -> int | None:
        """The channel asked for, if this frame has it: a stream may change its layout on the
        way."""
        return (
            None
            if self._track_channel is None
            else min(self._track_channel, frame.layout.nb_channels - 1)
        )

    def _choose(self, container: Any) -> None:
        """The track to read, and the channel of it."""
        tracks = container.streams.audio
        codecs = [track.codec_context for track in tracks]  # None where FFmpeg knows no decoder
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

        allowed = (
            f"{FFMPEG_CONTAINERS},{FFMPEG_MPEG}" if self.kind is Kind.MPEG else FFMPEG_CONTAINERS
        )
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
        """The time stamps of the track's start and end by the header, in seconds.

        The end is None where FFmpeg guesses it, takes that of another track, or counts it from
        elsewhere.
        """
        stream = container.streams.audio[self._track]
        start = 0.0 if stream.start_time is None else float(stream.start_time * stream.time_base)
        if self.kind is Kind.MPEG and not headers.mpeg_states_length(self.file):
            return start, None
        # A WAV comes here where its header is no help; of a CAF FFmpeg counts what pads its last
        # packet.
        if self.is_cut or self.kind in (Kind.WAV, Kind.CAF) or self._is_joined:
            return start, None
        if self.kind is Kind.OGG and start > JITTER:
            return start, None
        alone = len(container.streams) == 1
        if stream.duration is not None and (alone or self._container.startswith(OWN_LENGTHS)):
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
        # Of a WAV whose header is no help FFmpeg finds a time where samples are all of one size.
        is_lost = self.kind is Kind.WAV and not self._codec.startswith("pcm")
        return self._container.startswith(SEEKABLE) and not self._is_joined and not is_lost

    def _seek(self, container: Any, first: int) -> int | None:
        """Move to before sample `first`: 0 where decoding starts over, None where the next frame's
        time tells."""
        import av

        seconds = first / self.rate - PRE_ROLL
        if seconds <= PRE_ROLL or self._origin is None or not self._can_seek:
            return 0
        with suppress(av.error.FFmpegError, OSError):
            container.seek(int((seconds + self._origin) * 1e6))
            return None
        return 0

    def _frames(self, container: Any) -> Iterator[Any]:
        """Decoded frames. A packet that fails is skipped; it is damage unless it is junk at the end
        of an MP3."""
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
            # a packet of a stream that was not there when the file was opened: PyAV knows no such
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
                # of another file, joined to this one
                failed = failed or not bytes(packet).startswith(headers.TAGS)
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
    """Whether the frame holds samples that can be had: `_frame_samples` says why 8 planes are the
    most."""
    channels = frame.layout.nb_channels
    known = frame.format.name.removesuffix("p") in SAMPLE_TYPES
    return bool(frame.samples and frame.sample_rate and channels and known) and (
        channels <= MAX_PLANES or not frame.format.is_planar
    )


class _Pending:
    """Frames that wait until they are worth a piece."""

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
    """Silence from one sample to another, in pieces."""
    for start in range(first, stop, CHUNK_SAMPLES):
        yield AudioBlock(rate, np.zeros((min(CHUNK_SAMPLES, stop - start), 1), np.float32))


def _jump(seconds: float, position: float) -> str:
    """What to say of time stamps that cannot be meant."""
    return (
        f"has time stamps that jump by {seconds:,.0f} seconds at second {position:.1f}: the jump was left out, and what "
        "comes after it has times as if there were none"
    )


def _frame_samples(frame: Any) -> NDArray[Any]:
    """A frame as floating-point (samples, channels), full scale 1.

    Not by `to_ndarray`: of 8 or more channels, one plane each, PyAV 18 counts too many planes and
    reads beyond memory.
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
