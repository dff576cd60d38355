"""Sound stands where its container presents it: late starts and gaps are silence, jumps that cannot
be meant are left out."""

from __future__ import annotations

import io
import time
import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from recog.media.audio.reader import open_sound, read_sound

RATE = 48_000
YEAR = 365 * 86_400.0
TIMED = [
    ("mp4", "aac"),
    ("matroska", "libopus"),
    ("mpegts", "aac"),
    ("flv", "aac"),
    ("asf", "wmav2"),
]
Spans = list[tuple[float, float]]  # seconds at which sound begins, and how long it is


def container(format: str, codec: str, *tracks: Spans, picture: float = 0.0) -> bytes:
    """A file with a track of a tone for each list of spans, and black pictures of so many
    seconds."""
    file = io.BytesIO()
    rate = 44_100 if format in ("flv", "asf") else RATE
    with av.open(file, "w", format=format) as out:
        pictures = (
            out.add_stream("flv" if format == "flv" else "mpeg4", rate=10) if picture else None
        )
        streams = [out.add_stream(codec, rate=rate, layout="mono", bit_rate=96_000) for _ in tracks]
        frames: list[tuple[float, av.stream.Stream, av.frame.Frame]] = []
        if pictures is not None:
            pictures.width = pictures.height = 64
            for k in range(round(10 * picture)):
                image = av.VideoFrame(64, 64, "yuv420p")
                image.pts, image.time_base = k, Fraction(1, 10)
                frames.append((k / 10, pictures, image))
        for stream, spans in zip(streams, tracks, strict=True):
            size = stream.codec_context.frame_size or 2_048
            for start, seconds in spans:
                wave = 0.5 * np.sin(
                    2 * np.pi * 440 * np.arange(round(seconds * rate) // size * size) / rate
                )
                for at in range(0, len(wave), size):
                    form, block = stream.codec_context.format.name, wave[None, at : at + size]
                    samples = (
                        (block * 32_767).astype(np.int16)
                        if form.startswith("s16")
                        else block.astype(np.float32)
                    )
                    frame = av.AudioFrame.from_ndarray(samples, format=form, layout="mono")
                    frame.sample_rate, frame.pts = rate, round(start * rate) + at
                    frame.time_base = Fraction(1, rate)
                    frames.append((start + at / rate, stream, frame))
        for _, stream, frame in sorted(frames, key=lambda entry: entry[0]):
            out.mux(stream.encode(frame))
        for stream in [*streams, *([pictures] if pictures is not None else [])]:
            out.mux(stream.encode(None))
    return file.getvalue()


def word_spans(wave: NDArray[np.float32], rate: int = 16_000) -> Spans:
    """Where the tone is, in seconds: start and length; pauses of less than 0.2 s are none."""
    loud = np.flatnonzero(np.abs(wave) > 0.1)
    breaks = np.flatnonzero(np.diff(loud) > 0.2 * rate)
    starts = [loud[0], *loud[breaks + 1]]
    ends = [*loud[breaks], loud[-1]]
    return [(start / rate, (end - start) / rate) for start, end in zip(starts, ends, strict=True)]


def assert_spans(wave: NDArray[np.float32], expected: Spans) -> None:
    spans = word_spans(wave)
    assert len(spans) == len(expected)
    for (start, length), (begin, seconds) in zip(spans, expected, strict=True):
        # Encoders hold back what lies before a gap, and players show it after: up to two frames.
        assert start == pytest.approx(begin, abs=0.1) and start + length == pytest.approx(
            begin + seconds, abs=0.15
        )


@pytest.mark.parametrize(("format", "codec"), TIMED)
def test_a_late_start_is_silence(format: str, codec: str) -> None:
    data = container(format, codec, [(5.0, 2.0)], picture=8.0)
    with open_sound(io.BytesIO(data)) as sound:
        assert_spans(np.concatenate(list(sound.blocks())), [(5.0, 2.0)])
        assert sound.warnings == []  # the pictures go on, and nothing is cut short
        assert_spans(sound.read(start=4.5, end=6.0), [(0.5, 1.0)])
        assert not sound.read(start=1.0, end=2.0).any()
        assert_spans(sound.read(start=6.0), [(0.0, 1.0)])


@pytest.mark.parametrize(("format", "codec"), TIMED)
@pytest.mark.parametrize("picture", [0.0, 12.0])
def test_a_gap_is_silence(format: str, codec: str, picture: float) -> None:
    data = container(format, codec, [(0.0, 2.0), (8.0, 2.0)], picture=picture)
    with open_sound(io.BytesIO(data)) as sound:
        wave = np.concatenate(list(sound.blocks()))
        late = word_spans(wave)[1][0]
        assert len(word_spans(wave)) == 2 and late == pytest.approx(8.0, abs=0.1)
        assert sound.warnings == []
        for start, end in ((1.5, 3.0), (3.0, 5.0), (7.0, 9.0), (8.5, 9.5)):
            part, whole = (
                sound.read(start=start, end=end),
                wave[round(start * 16_000) : round(end * 16_000)],
            )
            assert len(part) == len(whole)
            # Opus is silent for its first milliseconds after a seek.
            assert (np.abs(part) > 0.1).mean() == pytest.approx(
                (np.abs(whole) > 0.1).mean(), abs=0.02
            )


def test_tracks_that_start_at_different_times() -> None:
    data = container("mp4", "aac", [(0.0, 3.0)], [(4.0, 2.0)])
    with open_sound(io.BytesIO(data)) as sound:
        for channel, expected in ((0, (0.0, 3.0)), (1, (4.0, 2.0)), (None, (0.0, 3.0))):
            sound.select(channel)
            assert_spans(np.concatenate(list(sound.blocks())), [expected])
            assert sound.warnings == []


def test_sound_alone_begins_where_its_time_line_does() -> None:
    assert_spans(read_sound(io.BytesIO(container("mp4", "aac", [(5.0, 2.0)]))), [(5.0, 2.0)])
    # A transport stream begins anywhere: its first packet is the start.
    assert_spans(read_sound(io.BytesIO(container("mpegts", "aac", [(5.0, 2.0)]))), [(0.0, 2.0)])


@pytest.mark.parametrize(
    ("format", "codec"), [("matroska", "libopus"), ("ogg", "libopus"), ("flv", "aac")]
)
def test_a_jump_of_years_is_left_out_and_told(format: str, codec: str) -> None:
    data = container(format, codec, [(0.0, 2.0), (YEAR, 2.0)])
    tracemalloc.start()
    begin = time.process_time()
    with open_sound(io.BytesIO(data)) as sound:
        wave = np.concatenate(list(sound.blocks()))
        assert len(wave) / 16_000 == pytest.approx(4.0, abs=0.2)
        assert len(sound.warnings) == 1 and "time stamps that jump" in sound.warnings[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20 and time.process_time() - begin < 2.0


def test_a_start_after_years_is_the_start() -> None:
    with open_sound(io.BytesIO(container("matroska", "libopus", [(YEAR, 2.0)]))) as sound:
        assert_spans(np.concatenate(list(sound.blocks())), [(0.0, 2.0)])
        assert sound.warnings == []


def test_a_long_silence_is_cheap() -> None:
    data = container("matroska", "libopus", [(0.0, 1.0), (3_000.0, 1.0)])
    tracemalloc.start()
    with open_sound(io.BytesIO(data)) as sound:
        total = sum(map(len, sound.blocks(10.0)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total / 16_000 == pytest.approx(3_001.0, abs=0.1) and peak < 20 << 20


@pytest.mark.parametrize(("format", "codec"), [("mpegts", "aac"), ("ogg", "libopus")])
def test_joined_files_are_heard_one_after_the_other(format: str, codec: str) -> None:
    data = container(format, codec, [(0.0, 12.0)])
    with open_sound(io.BytesIO(data + data)) as sound:
        wave = np.concatenate(list(sound.blocks()))
        assert len(wave) / 16_000 == pytest.approx(24.0, abs=0.2) and len(word_spans(wave)) == 1
        assert sound.warnings == []


def test_a_track_that_appears_on_the_way_is_passed_over() -> None:
    # In the middle: FFmpeg looks at the first megabytes and at the last to find out what is in a
    # file.
    one, two = (
        container("mpegts", "aac", [(0.0, 3.0)]),
        container("mpegts", "aac", [(0.0, 2.0)], [(0.0, 2.0)]),
    )
    data = one * 180 + two + one * 60
    with open_sound(io.BytesIO(data)) as sound:
        wave = np.concatenate(list(sound.blocks()))
        assert sound.channels == 1 and len(wave) / 16_000 == pytest.approx(722.0, abs=8.0)


def tone(hertz: float, seconds: float, suffix: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=suffix) as out:
        stream = out.add_stream(codec, rate=RATE, layout="mono")
        size = stream.codec_context.frame_size or 4_096
        wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
        for at in range(0, len(wave), size):
            form = stream.codec_context.format.name
            kind, scale = {"s16": (np.int16, 1 << 15), "s32p": (np.int32, 1 << 31)}.get(
                form, (np.float32, 1)
            )
            samples = (wave[None, at : at + size] * scale).astype(kind)
            frame = av.AudioFrame.from_ndarray(samples, format=form, layout="mono")
            frame.sample_rate, frame.pts = RATE, at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("suffix", "codec"), [("ogg", "libopus"), ("mp3", "libmp3lame")])
def test_files_that_were_joined_are_one_recording(suffix: str, codec: str) -> None:
    parts = [
        tone(400, 4, suffix, codec),
        tone(800, 3, suffix, codec),
        tone(1_200, 4, suffix, codec),
    ]
    with open_sound(io.BytesIO(b"".join(parts))) as sound:
        whole = sound.read()
        assert len(whole) / 16_000 == pytest.approx(11, abs=0.3)
        assert sound.warnings == []
        for start, hertz in ((1.0, 400), (5.0, 800), (8.5, 1_200)):
            stretch = sound.read(start=start, end=start + 1)
            assert np.abs(np.fft.rfft(stretch)).argmax() == pytest.approx(hertz, abs=2)
            assert (
                np.abs(stretch - whole[round(start * 16_000) : round((start + 1) * 16_000)]).max()
                < 0.01
            )


def test_a_core_audio_file_whose_last_packet_is_padded_is_whole() -> None:
    with open_sound(io.BytesIO(tone(400, 4.05, "caf", "alac"))) as sound:
        assert len(sound.read()) / 16_000 == pytest.approx(4.05, abs=0.01)
        assert sound.warnings == []
