"""Each channel of a recording has its own transcript, whatever container and track it is in."""

import io
import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

import recog
from recog.errors import UserError
from recog.formats import WRITERS
from recog.formats import json as json_format
from recog.formats.timed import ctm as ctm_format
from recog.formats.timed import textgrid as textgrid_format
from recog.media.audio.reader import open_sound, read_sound
from recog.media.errors import MediaError
from recog.transcript import Line, Transcript, Word

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
RATE = 16_000


@pytest.fixture(scope="module")
def call(tmp_path_factory) -> Path:
    """Two people, one on the left and one, a second later, on the right."""
    left, right = read_sound(SAMPLES / "weather.wav"), read_sound(SAMPLES / "numbers.wav")
    both = np.zeros((max(len(left), len(right) + RATE), 2), np.float32)
    both[: len(left), 0], both[RATE : RATE + len(right), 1] = left, right
    path = tmp_path_factory.mktemp("call") / "call.wav"
    soundfile.write(path, both, RATE)
    return path


def test_each_channel_reads_as_it_does_alone(call, tmp_path):
    found = recog.load("english-speech", channels="each", threads=1).transcribe(call)
    assert {line.channel for line in found.lines} == {1, 2}
    starts = [line.start for line in found.lines]
    assert starts == sorted(starts)
    for channel in (1, 2):
        soundfile.write(tmp_path / "one.wav", soundfile.read(call)[0][:, channel - 1], RATE)
        alone = recog.load("english-speech", threads=1).transcribe(tmp_path / "one.wav")
        ours = [line.text for line in found.lines if line.channel == channel]
        assert ours == [line.text for line in alone.lines] and ours
        one = recog.load("english-speech", channels=channel, threads=1).transcribe(call)
        assert [(line.text, line.channel) for line in one.lines] == [
            (text, channel) for text in ours
        ]
    with pytest.raises(UserError, match="has no channel 3: it has 2"):
        recog.load("english-speech", channels=3, threads=1).transcribe(call)


def test_lines_of_all_channels_stand_in_the_order_of_time(tmp_path):
    word = read_sound(SAMPLES / "weather.wav")
    slot = len(word) + 2 * RATE
    both = np.zeros((3 * slot, 2), np.float32)
    for k, channel in enumerate((0, 1, 0)):
        both[k * slot : k * slot + len(word), channel] = word
    soundfile.write(tmp_path / "call.wav", both, RATE)
    found = recog.load("english-speech", channels="each", beam=0, threads=1).transcribe(
        tmp_path / "call.wav"
    )
    assert [line.channel for line in found.lines] == [1, 2, 1]


def test_the_command(call):
    command = [sys.executable, "-m", "recog", "transcribe", "--channels"]
    done = subprocess.run([*command, "each", call, "-f", "json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {line["channel"] for line in json.loads(done.stdout)["lines"]} == {1, 2}
    done = subprocess.run([*command, "each", "-"], input=call.read_bytes(), capture_output=True)
    rows = done.stdout.decode().splitlines()
    assert done.returncode == 0 and {row[:4] for row in rows} == {"[1] ", "[2] "}
    for wrong in ("0", "left", "-1", "9999"):
        done = subprocess.run([*command, wrong, call], capture_output=True, text=True)
        assert done.returncode == 2 and "Traceback" not in done.stderr


def spoken(text: str, start: float, channel: int) -> Line:
    words = tuple(Word(word, start + k, start + k + 0.9) for k, word in enumerate(text.split()))
    return Line(text, words, start=start, end=words[-1].end, channel=channel)


TALK = Transcript(
    "talk.wav", (spoken("good morning", 0.0, 1), spoken("hello there", 1.5, 2)), duration=5.0
)


@pytest.mark.parametrize("name", ["txt", "srt", "vtt", "tsv"])
def test_formats_without_channels_name_them(name):
    text = WRITERS[name](TALK)
    assert "[1] good morning" in text and "[2] hello there" in text
    one = Transcript("talk.wav", TALK.lines[:1], duration=5.0)
    assert "[1]" not in WRITERS[name](one)


def test_formats_with_channels_keep_them():
    assert json_format.read(json_format.write(TALK)) == TALK
    rows = [row.split() for row in ctm_format.write(TALK).splitlines()]
    assert [(row[1], row[4]) for row in rows] == [
        ("1", "good"),
        ("1", "morning"),
        ("2", "hello"),
        ("2", "there"),
    ]
    grid = textgrid_format.write(TALK)
    assert [
        f'name = "{name}"' in grid for name in ("lines 1", "words 1", "lines 2", "words 2")
    ] == [True] * 4
    assert textgrid_format.read(grid).lines[0].text == "good morning"


def tracks(container: str, parts: list[tuple[int, list[float]]]) -> io.BytesIO:
    """A video of two seconds with an audio track each of (rate, Hz of each channel)."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        pictures = out.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        streams = [
            out.add_stream("aac", rate=r, layout={1: "mono", 2: "stereo"}[len(hz)])
            for r, hz in parts
        ]
        for k in range(20):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = k
            out.mux(pictures.encode(frame))
        for stream, (rate, frequencies) in zip(streams, parts, strict=True):
            time = np.arange(2 * rate) / rate
            sound = np.stack([0.5 * np.sin(2 * np.pi * hz * time) for hz in frequencies]).astype(
                np.float32
            )
            for at in range(0, sound.shape[1], 1024):
                block = np.ascontiguousarray(sound[:, at : at + 1024])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=stream.layout.name)
                frame.sample_rate, frame.pts = rate, at
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        out.mux(pictures.encode(None))
    file.seek(0)
    return file


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_tracks_of_a_video_are_counted_on(container):
    file = tracks(container, [(16_000, [300.0]), (48_000, [500.0, 700.0])])
    with open_sound(file) as sound:
        assert sound.channels == 3
        for channel, expected in enumerate((300.0, 500.0, 700.0)):
            sound.select(channel)
            wave = np.concatenate(list(sound.blocks()))
            assert len(wave) / RATE == pytest.approx(2.0, abs=0.15)
            middle = wave[RATE // 2 : 3 * RATE // 2]
            assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(expected, abs=2)
        sound.select(None)
        assert len(np.concatenate(list(sound.blocks()))) / RATE == pytest.approx(2.0, abs=0.15)
        with pytest.raises(MediaError, match="no channel 3"):
            sound.select(3)
