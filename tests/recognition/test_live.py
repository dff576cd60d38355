"""Live transcription: a pipe gives what its file gives, partial texts are cheap, and the end is
always reached."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

import recog
from recog.cli.live import _print_on_terminal
from recog.errors import UserError
from recog.formats import json as json_format
from recog.media.audio import capture as stream
from recog.media.audio.reader import read_sound
from recog.media.errors import MediaError
from recog.recognition.live import FUTURE, STEP, Listener, LiveResult
from recog.transcript import Line

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
RATE = 16_000


def recording(rate: int = RATE, *, repeats: int = 1) -> np.ndarray:
    """(samples,) int16: the samples with pauses and noise, then for 45 s without any pause."""
    rng = np.random.default_rng(4)
    spoken = {
        name: read_sound(SAMPLES / f"{name}.wav", sample_rate=rate)
        for name in ("weather", "numbers", "letter")
    }
    tight = [wave[np.abs(wave) > 0.02] for wave in spoken.values()]
    parts = [0.003 * rng.standard_normal(3 * rate)]
    for wave in spoken.values():
        parts += [wave, np.zeros(rng.integers(rate // 5, 2 * rate))]
    seconds = sum(map(len, tight)) / rate
    parts += tight * round(repeats * 45 / seconds) + [0.001 * rng.standard_normal(rate)]
    return (np.concatenate(parts).clip(-1, 1) * 32_000).astype("<i2")


@pytest.fixture(scope="module")
def model():
    return recog.load("english-speech", threads=1)


def row_posteriors(data: bytes, seed: int, largest: int) -> list[bytes]:
    cuts = np.cumsum(np.random.default_rng(seed).integers(1, largest, 2 * len(data) // largest + 2))
    edges = [0, *cuts[cuts < len(data)].tolist(), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def written(pieces: list[bytes], descriptor: int) -> None:
    for piece in pieces:
        os.write(descriptor, piece)
    os.close(descriptor)


def listen(
    model, data: bytes, rate: int, *, seed: int = 0, largest: int = 50_000, partials: bool = False
) -> list[LiveResult]:
    inlet, outlet = os.pipe()
    threading.Thread(
        target=written, args=(row_posteriors(data, seed, largest), outlet), daemon=True
    ).start()
    listener = Listener(model, partials=partials)
    found = []
    with stream.pipe(inlet, rate) as source:
        for block in source.blocks(RATE):
            found += listener.feed(block)
        found += listener.finish()
    os.close(inlet)
    return found


@pytest.mark.parametrize(("rate", "seed"), [(16_000, 0), (16_000, 1), (44_100, 2)])
def test_a_pipe_gives_to_the_bit_what_its_file_gives(model, rate, seed):
    samples = recording(rate)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    file.seek(0)
    expected = model.transcribe(file).lines
    assert len(expected) > 2
    found = listen(model, samples.tobytes(), rate, seed=seed, largest=20_000, partials=seed == 1)
    assert tuple(heard.line for heard in found if heard.is_final and heard.line.text) == expected


def test_threads_change_nothing(model, tmp_path):
    soundfile.write(tmp_path / "a.wav", recording(), RATE)
    parallel = recog.load("english-speech", threads=3)
    assert parallel.transcribe(tmp_path / "a.wav") == model.transcribe(tmp_path / "a.wav")


@pytest.mark.parametrize("beam", [0, 8])
def test_partial_texts_grow_and_their_cost_is_bounded(beam):
    model = recog.load("english-speech", beam=beam, lm="none", threads=1)
    heard_by_the_network = 0
    log_probs = model.log_probs

    def counted(wave):
        nonlocal heard_by_the_network
        heard_by_the_network += len(wave)
        return log_probs(wave)

    model.log_probs = counted
    wave = recording()[-15 * RATE :].astype(np.float32) / 32_768
    listener = Listener(model)
    texts: list[list[str]] = [[]]
    behind = []
    for start in range(0, len(wave), 1_600):
        for heard in listener.feed(wave[start : start + 1_600]):
            if heard.is_final:
                texts.append([])
            else:
                texts[-1].append(heard.line.text)
                behind.append(listener.seconds - heard.line.end)
    assert max(behind) <= FUTURE + STEP + 0.1 + 1e-6
    assert heard_by_the_network < 25 * len(wave)
    longest = max(texts, key=len)
    assert (
        len(longest) > 15 and len(longest[-1].split()) > len(longest[len(longest) // 4].split()) > 0
    )


def test_a_block_of_any_size_may_be_fed(model):
    wave = recording().astype(np.float32) / 32_768
    finals = []
    for size in (7, len(wave)):
        listener = Listener(model, partials=size > 7)
        part = wave[: 8 * RATE] if size == 7 else wave
        found = [
            heard for k in range(0, len(part), size) for heard in listener.feed(part[k : k + size])
        ]
        finals.append([heard.line for heard in [*found, *listener.finish()] if heard.is_final])
    assert finals[0] and finals[0][:1] == finals[1][:1]


def live(*arguments: object, data: bytes = b"", **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "recog", "transcribe", "--live", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, **options)


def test_the_command_prints_finals_or_json_lines(model):
    samples = read_sound(SAMPLES / "numbers.wav")
    pcm = (samples * 32_768).astype("<i2").tobytes()
    done = live("-", "--rate", 16_000, data=pcm)
    expected = model.transcribe(SAMPLES / "numbers.wav")
    assert done.returncode == 0 and done.stdout.decode().splitlines() == [
        line.text for line in expected.lines
    ]
    done = live("-", "--format", "json", data=pcm)
    rows = [json.loads(row) for row in done.stdout.decode().splitlines()]
    assert {row["type"] for row in rows} <= {"partial", "final"} and rows[-1]["type"] == "final"
    finals = [
        {k: v for k, v in row.items() if k != "type"} for row in rows if row["type"] == "final"
    ]
    assert finals == [json_format.line_fields(line) for line in expected.lines]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_finishes_what_was_begun(model):
    pcm = (read_sound(SAMPLES / "weather.wav") * 32_768).astype("<i2").tobytes()
    command = [sys.executable, "-m", "recog", "transcribe", "--live", "-", "--format", "json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(pcm)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["type"] == "partial"
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        last = json.loads(process.stdout.read().decode().splitlines()[-1])
        assert process.wait(timeout=60) == 0, process.stderr.read()
    assert (
        last["type"] == "final" and last["text"] == model.transcribe(SAMPLES / "weather.wav").text
    )


def test_a_pipe_with_half_a_sample_at_its_end():
    pcm = (read_sound(SAMPLES / "numbers.wav") * 32_768).astype("<i2").tobytes()
    whole, cut = live("-", data=pcm), live("-", data=pcm + b"x")
    assert (whole.returncode, whole.stderr) == (0, b"")
    assert cut.returncode == 1 and b"within a sample" in cut.stderr and cut.stdout == whole.stdout


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0", bytes(64_001), b"\xff\x7f" * 10])
def test_pipes_of_nothing(model, data):
    assert listen(model, data, RATE) == []


@pytest.mark.parametrize(
    ("data", "kind"), [(b"RIFF\0\0\0\0WAVEfmt ", "WAV"), (b"OggS" + bytes(100), "Ogg")]
)
def test_a_sound_file_is_no_pipe_of_samples(data, kind):
    done = live("-", data=data)
    assert (
        done.returncode == 1
        and f"is a file of the kind {kind}" in done.stderr.decode()
        and done.stdout == b""
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--live", "x.wav"), "no files"),
        (("--live", "-", "--format", "srt"), "txt or json"),
        (("--live", "-", "--device", "1"), "--device"),
        (("--live", "-", "--output", "out"), "--output and --live"),
        (("--live", "-", "--model", "latin-handwriting"), "not for speech"),
        (("x.wav", "--rate", "8000"), "belong to --live"),
        ((), "FILES"),
    ],
)
def test_wrong_usage(arguments, said):
    command = [sys.executable, "-m", "recog", "transcribe", *arguments]
    done = subprocess.run(command, input="", capture_output=True, text=True)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_without_sounddevice_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match=r'pip install "recog\[live\]"'), stream.microphone():
        pass


class FakeStream:
    """A microphone that says a sample and is quiet then."""

    said = b""

    def __init__(self, *, samplerate, channels, dtype, device, callback, latency):
        assert (channels, dtype) == (1, "int16")
        self.callback = callback

    def __enter__(self):
        for piece in row_posteriors(self.said, 5, 5_000):
            self.callback(memoryview(piece), len(piece) // 2, None, None)
        return self

    def __exit__(self, *_):
        pass


def fake_sounddevice(**parts) -> types.ModuleType:
    module = types.ModuleType("sounddevice")
    module.PortAudioError = type("PortAudioError", (Exception,), {})
    module.query_devices = lambda device, kind: {"default_samplerate": 44_100.0}
    module.RawInputStream = FakeStream
    for name, part in parts.items():
        setattr(module, name, part)
    return module


def test_a_microphone_at_its_own_rate(model, monkeypatch):
    samples = read_sound(SAMPLES / "weather.wav", sample_rate=44_100)
    monkeypatch.setattr(FakeStream, "said", (samples * 32_768).astype("<i2").tobytes())
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice())
    listener, found = Listener(model, partials=False), []
    with stream.microphone() as source:
        assert source.rate == 44_100
        for block in source.blocks(RATE):
            found += listener.feed(block)
            source.stop()
    found += listener.finish()
    assert [heard.line.text for heard in found] == [model.transcribe(SAMPLES / "weather.wav").text]


def test_no_microphone(monkeypatch):
    def nothing(device, kind):
        raise ValueError("No input device matching 'x'")

    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice(query_devices=nothing))
    with pytest.raises(UserError, match="cannot be heard"), stream.microphone(device="x"):
        pass


def test_a_partial_text_is_overwritten(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "11")
    _print_on_terminal(LiveResult(Line("the quick brown fox"), False))
    _print_on_terminal(LiveResult(Line("the quick brown fox"), True))
    shown = capsys.readouterr().out
    assert (
        "…brown fox" in shown
        and shown.count("\r\x1b[K") == 2
        and shown.endswith("\x1b[Kthe quick brown fox\n")
    )


def test_a_guess_of_which_nothing_is_left_is_taken_back(model, capsys, monkeypatch):
    listener = Listener(model)
    monkeypatch.setattr(listener._partial, "_decode", lambda log_probs: "a guess")
    monkeypatch.setattr(model, "decode", lambda seen: ("", [], ()))
    wave = np.concatenate([read_sound(SAMPLES / "weather.wav"), np.zeros(2 * RATE, np.float32)])
    found = [
        heard for at in range(0, len(wave), 8_000) for heard in listener.feed(wave[at : at + 8_000])
    ]
    assert found[0] == LiveResult(Line("a guess", start=0.0, end=found[0].line.end), False)
    assert found[-1].is_final and found[-1].line.text == ""
    _print_on_terminal(found[-1])
    assert capsys.readouterr().out == "\r\x1b[K"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
@pytest.mark.parametrize("how", ["| head -n 1", ">&-", "<&-"])
def test_closed_pipes_end_it_without_a_traceback(how, tmp_path):
    pcm = (read_sound(SAMPLES / "weather.wav") * 32_768).astype("<i2").tobytes() + bytes(3 * RATE)
    (tmp_path / "pcm").write_bytes(pcm * 2)
    source = "" if how == "<&-" else f"< {tmp_path / 'pcm'}"
    shell = f"{sys.executable} -m recog transcribe --live - {source} {how}"
    done = subprocess.run(
        shell, shell=True, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert "Traceback" not in done.stderr, done.stderr


def test_a_file_in_place_of_samples():
    inlet, outlet = os.pipe()
    written([b"fL", b"aC", bytes(100)], outlet)
    with pytest.raises(MediaError, match="FLAC"), stream.pipe(inlet, RATE):
        pass
    os.close(inlet)
