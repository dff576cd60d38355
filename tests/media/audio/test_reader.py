"""Any sound file becomes the tone that was planted in it; damaged ones give what is left, or one
sentence."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from recog.errors import UserError
from recog.media.audio.reader import SoundReader, open_sound, read_sound
from recog.media.errors import MediaError

TONE = 440.0  # Hz
LEVEL = 0.5
SNDFILE = {
    "u8.wav": ("WAV", "PCM_U8"),
    "s16.wav": ("WAV", "PCM_16"),
    "s24.wav": ("WAV", "PCM_24"),
    "s32.wav": ("WAV", "PCM_32"),
    "float.wav": ("WAV", "FLOAT"),
    "double.wav": ("WAV", "DOUBLE"),
    "mulaw.wav": ("WAV", "ULAW"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
}
FFMPEG = {
    "m4a": ("ipod", "aac"),
    "mp4": ("mp4", "aac"),
    "webm": ("webm", "libopus"),
    "wma": ("asf", "wmav2"),
}


def tone(
    seconds: float, rate: int, channels: int = 1, frequency: float = TONE
) -> NDArray[np.float32]:
    """(samples, channels): a sine at LEVEL in every channel."""
    time = np.arange(round(seconds * rate)) / rate
    wave = LEVEL * np.sin(2 * np.pi * frequency * time)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def sndfile_bytes(samples: NDArray[np.float32], rate: int, kind: str) -> bytes:
    container, subtype = SNDFILE[kind]
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def ffmpeg_bytes(
    samples: NDArray[np.float32],
    rate: int,
    kind: str,
    *,
    options: dict[str, str] | None = None,
    video: bool = False,
) -> bytes:
    container_name, codec = FFMPEG[kind]
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[samples.shape[1]]
    with av.open(file, "w", format=container_name, options=options or {}) as container:
        pictures = container.add_stream("mpeg4", rate=10) if video else None
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 96_000 * samples.shape[1]
        resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate)
        if pictures is not None:
            pictures.width = pictures.height = 64
            container.mux(pictures.encode(av.VideoFrame(64, 64, "yuv420p")))
        for start in range(0, len(samples), 4_096):
            block = np.ascontiguousarray(samples[start : start + 4_096]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        for resampled in resampler.resample(None):
            container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
        if pictures is not None:
            container.mux(pictures.encode(None))
    return file.getvalue()


def whole(reader: SoundReader, seconds: float = 30.0) -> NDArray[np.float32]:
    return np.concatenate(list(reader.blocks(seconds)))


def assert_is_tone(
    samples: NDArray[np.float32], seconds: float, *, slack: float = 0.0, level: float = LEVEL
) -> None:
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert len(samples) / 16_000 == pytest.approx(seconds, abs=slack + 1e-4)
    middle = samples[len(samples) // 4 : -len(samples) // 4].astype(np.float64)
    # 400 samples are 11 periods of 440 Hz at 16 kHz: no leakage
    middle = middle[: len(middle) // 400 * 400]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    peak = int(power.argmax())
    assert peak * 16_000 / len(middle) == pytest.approx(TONE, abs=8)
    assert power[max(0, peak - 4) : peak + 5].sum() > 0.99 * power.sum()
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(level, rel=0.06)


@pytest.mark.parametrize("kind", SNDFILE)
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 6), (16_000, 1)])
def test_sndfile_formats(kind: str, rate: int, channels: int) -> None:
    if (kind == "opus" and rate == 44_100) or (kind == "mp3" and channels > 2):
        pytest.skip("the format has no such sound")
    with open_sound(io.BytesIO(sndfile_bytes(tone(1.0, rate, channels), rate, kind))) as sound:
        samples = whole(sound)
        slack, level = (0.06 if kind in ("mp3", "opus", "ogg") else 0.0), LEVEL
        if channels == 6 and kind in ("ogg", "opus"):
            level *= 5 / 6  # the codec keeps no middle frequencies in the bass channel
        assert_is_tone(samples, 1.0, slack=slack, level=level)
        assert sound.warning is None
        assert sound.duration is None or sound.duration == pytest.approx(1.0, abs=0.06)
    if kind in ("s24.wav", "s32.wav", "float.wav", "double.wav") and rate == 16_000:
        np.testing.assert_allclose(samples, tone(1.0, rate)[:, 0], atol=2e-7)


@pytest.mark.parametrize("kind", FFMPEG)
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (44_100, 2), (48_000, 6)])
def test_ffmpeg_formats(kind: str, rate: int, channels: int) -> None:
    if (kind == "webm" and rate == 44_100) or (kind == "wma" and channels > 2):
        pytest.skip("the codec has no such sound")
    data = ffmpeg_bytes(tone(1.0, rate, channels), rate, kind, video=kind == "mp4")
    with open_sound(io.BytesIO(data)) as sound:
        assert_is_tone(
            whole(sound),
            1.0,
            slack=0.1,
            level=LEVEL if channels < 6 or kind == "webm" else LEVEL * 5 / 6,
        )
        assert sound.warning is None


def test_eight_planes() -> None:
    sound = tone(1.0, 48_000, 8)
    sound[:, 1:] = 0
    assert_is_tone(
        read_sound(io.BytesIO(ffmpeg_bytes(sound, 48_000, "m4a")), channel=0), 1.0, slack=0.1
    )


def test_a_damaged_header_of_more_planes_is_refused() -> None:
    data = bytearray(sndfile_bytes(tone(1.0, 48_000), 48_000, "double.wav"))
    data[20:22] = b"\xff\0"  # says AAC: the decoder makes frames of dozens of channels of it
    check_untrusted(bytes(data), "damaged")


def test_channels() -> None:
    samples = np.hstack([tone(0.5, 16_000), 0 * tone(0.5, 16_000)])
    data = sndfile_bytes(samples, 16_000, "s16.wav")
    assert_is_tone(read_sound(io.BytesIO(data)), 0.5, level=LEVEL / 2)
    assert_is_tone(read_sound(io.BytesIO(data), channel=0), 0.5)
    assert not read_sound(io.BytesIO(data), channel=1).any()
    with pytest.raises(MediaError, match="no channel 2: it has 2"):
        read_sound(io.BytesIO(data), channel=2)
    ogg = io.BytesIO(ffmpeg_bytes(samples.repeat(3, axis=0), 48_000, "webm"))
    assert np.abs(read_sound(ogg, channel=1)).max() < 0.01


@pytest.mark.parametrize("kind", ["s16.wav", "flac", "ogg", "mp3", "m4a"])
def test_blocks_of_any_size_are_the_same_sound(kind: str) -> None:
    noise = (
        (0.3 * np.random.default_rng(3).standard_normal((80_000, 2))).clip(-1, 1).astype(np.float32)
    )
    data = (ffmpeg_bytes if kind in FFMPEG else sndfile_bytes)(noise, 44_100, kind)
    with open_sound(io.BytesIO(data)) as sound:
        reference = whole(sound)
        for seconds in (0.01, 0.333, 1.0, 7.0):
            blocks = list(sound.blocks(seconds))
            assert {len(block) for block in blocks[:-1]} <= {round(seconds * 16_000)}
            assert 0 < len(blocks[-1]) <= round(seconds * 16_000)
            np.testing.assert_array_equal(np.concatenate(blocks), reference)


@pytest.mark.parametrize("kind", ["s16.wav", "flac", "ogg", "mp3", "m4a", "webm"])
def test_a_stretch_is_a_slice_of_the_whole(kind: str) -> None:
    rate = 48_000 if kind == "webm" else 44_100
    seconds = np.arange(rate * 6) / rate
    chirp = (0.4 * np.sin(2 * np.pi * (200 + 100 * seconds) * seconds)).astype(np.float32)[:, None]
    data = (ffmpeg_bytes if kind in FFMPEG else sndfile_bytes)(chirp, rate, kind)
    reference = read_sound(io.BytesIO(data))
    for start, end in ((0.0, 0.5), (0.7, 1.9), (3.21, 4.0), (4.5, None), (5.48, 60.0)):
        stretch = read_sound(io.BytesIO(data), start=start, end=end)
        expected = reference[round(start * 16_000) : None if end is None else round(end * 16_000)]
        assert len(stretch) == pytest.approx(len(expected), abs=16)
        if kind == "webm":  # its time stamps are whole milliseconds
            shift = range(-16, 17)
            errors = [
                np.abs(stretch[100:4_000] - expected[100 + s : 4_000 + s]).max() for s in shift
            ]
            assert min(errors) < 0.05
        else:
            np.testing.assert_allclose(stretch, expected, atol=2e-3)


def test_stretches_that_are_none() -> None:
    data = sndfile_bytes(tone(1.0, 16_000), 16_000, "s16.wav")
    for start, end in ((-1, None), (1, 0.5), (0.5, 0.5), (float("nan"), None)):
        with pytest.raises(UserError, match="not a stretch"):
            read_sound(io.BytesIO(data), start=start, end=end)
    with pytest.raises(MediaError, match="no sound after 2 seconds"):
        read_sound(io.BytesIO(data), start=2)


@pytest.mark.parametrize("kind", ["s16.wav", "flac", "ogg", "mp3", "m4a"])
@pytest.mark.parametrize("extension", ["raw", "txt", "flac", "wav", "mp3"])
def test_content_decides_not_the_extension(tmp_path: Path, kind: str, extension: str) -> None:
    path = tmp_path / f"renamed.{extension}"
    path.write_bytes(
        (ffmpeg_bytes if kind in FFMPEG else sndfile_bytes)(tone(0.5, 44_100), 44_100, kind)
    )
    assert_is_tone(read_sound(path), 0.5, slack=0.1)


@pytest.mark.parametrize("kind", ["s16.wav", "flac", "ogg", "opus", "mp3", "aiff", "m4a", "webm"])
def test_a_cut_file_is_read_up_to_the_cut(tmp_path: Path, kind: str) -> None:
    # an Ogg page may hold three seconds
    seconds, slack = (20.0, 3.5) if kind in ("ogg", "opus") else (4.0, 0.25)
    wave = tone(seconds, 48_000)
    data = (
        ffmpeg_bytes(
            wave,
            48_000,
            kind,
            options={"movflags": "frag_keyframe+empty_moov"} if kind == "m4a" else None,
        )
        if kind in FFMPEG
        else sndfile_bytes(wave, 48_000, kind)
    )
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: int(len(data) * 0.6)])
    with open_sound(path) as sound:
        samples = whole(sound)
        assert_is_tone(samples, 0.6 * seconds, slack=slack)
        assert sound.warning is not None and str(path) in sound.warning
        assert f"up to second {len(samples) / 16_000:.1f}" in sound.warning
        assert sound.damage == sound.warnings[:1]
        sound.read(start=0.5, end=1.0)
        assert sound.warning is None and not sound.damage  # nothing is missing in the stretch


def test_truncation_anywhere_gives_samples_or_one_sentence() -> None:
    random = np.random.default_rng(11)
    for kind in [*SNDFILE, *FFMPEG]:
        data = (ffmpeg_bytes if kind in FFMPEG else sndfile_bytes)(tone(0.7, 48_000), 48_000, kind)
        for length in [*random.integers(0, len(data), 8), 0, 1, 12, 44, len(data) - 1]:
            check_untrusted(data[:length], "cut")


def test_flipped_bytes_give_samples_or_one_sentence() -> None:
    random = np.random.default_rng(12)
    for kind in [*SNDFILE, *FFMPEG]:
        data = (ffmpeg_bytes if kind in FFMPEG else sndfile_bytes)(tone(0.7, 48_000), 48_000, kind)
        for limit in (60, 60, 60, len(data), len(data)):
            damaged = bytearray(data)
            for place in random.integers(0, limit, 4):
                damaged[place] = random.integers(256)
            check_untrusted(bytes(damaged), "damaged")


def check_untrusted(data: bytes, name: str) -> None:
    file = io.BytesIO(data)
    file.name = name
    try:
        with open_sound(file) as sound:
            for block in sound.blocks():
                assert np.isfinite(block).all()
    except MediaError as error:
        assert name in str(error) and "\n" not in str(error)


def wav(
    data: bytes,
    *,
    size: int | None = None,
    riff: int | None = None,
    channels: int = 1,
    rate: int = 16_000,
) -> bytes:
    size = len(data) if size is None else size
    riff = (36 + len(data)) if riff is None else riff
    fmt = struct.pack(
        "<HHIIHH", 1, channels, rate, (rate * channels * 2) & 0xFFFFFFFF, channels * 2 & 0xFFFF, 16
    )
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", size)
        + data
    )


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_streamed_wav_sizes_are_no_damage(size: int) -> None:
    pcm = (tone(1.0, 16_000)[:, 0] * 32_767).astype("<i2")
    with open_sound(io.BytesIO(wav(pcm.tobytes(), size=size, riff=size))) as sound:
        samples = whole(sound)
        assert sound.warning is None
    np.testing.assert_allclose(samples, pcm / 32_768, atol=1e-6)


def test_lying_headers_allocate_nothing() -> None:
    pcm = (tone(0.5, 16_000)[:, 0] * 32_767).astype("<i2").tobytes()
    flac = bytearray(sndfile_bytes(tone(0.5, 16_000), 16_000, "flac"))
    flac[21] |= 0x0F
    flac[22:26] = b"\xff" * 4  # 2^36 - 1 samples
    warned = 0
    whole(open_sound(io.BytesIO(wav(pcm))))  # the libraries are loaded
    tracemalloc.start()
    for data in (wav(pcm, size=0x7FF00000), wav(pcm, size=0xFFFFFFF0, riff=10), bytes(flac)):
        with open_sound(io.BytesIO(data)) as sound:
            assert_is_tone(whole(sound), 0.5)
            warned += sound.warning is not None
    for data in (
        wav(pcm, channels=60_000),
        wav(pcm, rate=0xFFFFFFFF),
        wav(pcm, rate=1),
        wav(pcm, channels=0),
    ):
        with pytest.raises(MediaError):
            read_sound(io.BytesIO(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20
    assert warned == 2  # 0xFFFFFFF0 stands for an unknown size


def test_a_long_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    seconds = 3 * 3_600
    with path.open("wb") as file:
        file.write(wav(b"", size=seconds * 8_000 * 2, riff=36 + seconds * 8_000 * 2, rate=8_000))
        file.truncate(44 + seconds * 8_000 * 2)  # a sparse file: three hours of silence
    with open_sound(path, sample_rate=8_000) as sound:
        assert sound.duration == seconds
        tracemalloc.start()
        total = sum(map(len, sound.blocks(60.0)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert total == seconds * 8_000
    assert peak < 20 << 20


def test_bad_samples_become_silence() -> None:
    samples = tone(0.5, 16_000)
    samples[100:110] = np.nan
    samples[200] = np.inf
    samples[300] = -np.inf
    samples[400] = 1.75  # above full scale, and left alone
    read = read_sound(io.BytesIO(sndfile_bytes(samples, 16_000, "float.wav")))
    assert not read[100:110].any() and read[200] == 0 and read[300] == 0
    assert read[400] == 1.75
    samples[1_000:2_000] = 3e38
    assert np.isfinite(
        read_sound(io.BytesIO(sndfile_bytes(samples, 16_000, "float.wav")), sample_rate=8_000)
    ).all()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"Good morning, this is a letter.\n" * 200, "is not a sound file"),
        ("Good morning\n".encode("utf-16") * 200, "is not a sound file"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "is not a sound file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(3_000), "is not a sound file"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(range(256)) * 40, "is not a sound file"),
        (b"%PDF-1.7\n" + b"1 0 obj\n" * 500, "is not a sound file"),
        (bytes(100_000), "is not a sound file"),
        (wav(b""), "holds no sound"),
        (sndfile_bytes(np.zeros((0, 1), np.float32), 16_000, "aiff"), "holds no sound"),
    ],
)
def test_what_is_no_sound_gives_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "odd.wav"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=says) as caught:
        read_sound(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_random_bytes_are_no_sound() -> None:
    for seed in range(20):
        with pytest.raises(MediaError):
            read_sound(io.BytesIO(np.random.default_rng(seed).bytes(20_000)))


def test_folders_devices_and_absent_files(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.wav", "does not exist"),
        ("/dev/zero", "not a file"),
    ):
        with pytest.raises(MediaError, match=says):
            read_sound(path)


def test_a_video_without_sound() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="video without sound"):
        read_sound(file)


@pytest.mark.parametrize("kind", ["s16.wav", "mp3", "m4a"])
def test_a_pipe(kind: str) -> None:
    data = (ffmpeg_bytes if kind in FFMPEG else sndfile_bytes)(tone(1.0, 48_000), 48_000, kind)
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as pipe:
        assert_is_tone(read_sound(pipe), 1.0, slack=0.1)
    writer.join()


def test_the_libraries_keep_the_terminal_clean_and_load_late(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for number, kind in enumerate(["mp3", "flac", "ogg", "m4a"]):
        data = bytearray(
            (ffmpeg_bytes if kind in FFMPEG else sndfile_bytes)(tone(2.0, 48_000), 48_000, kind)
        )
        for place in random.integers(len(data) // 4, len(data), 30):
            data[place] = random.integers(256)
        (tmp_path / f"{number}.bin").write_bytes(data)
    code = (
        "import sys, pathlib, recog.media.audio.reader as s, recog.media.errors as e\n"
        "assert not {'av', 'soundfile', 'soxr'} & set(sys.modules)\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try:\n        with s.open_sound(path) as r: sum(map(len, r.blocks()))\n"
        "    except e.MediaError: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == "" and done.stdout == ""
