"""The Python interface: what ``import recog`` gives, options, sources, streaming, pickling."""

import inspect
import io
import logging
import multiprocessing
import pickle
import subprocess
import sys
import typing
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

import recog
from recog.media.image.reader import read_image
from recog.model.recogniser_folder import DEFAULTS, shipped
from recog.recognition.options import (
    AllKeywords,
    HandwritingKeywords,
    HandwritingOptions,
    SpeechKeywords,
    SpeechOptions,
)

SAMPLES = Path(__file__).parent.parent / "data" / "samples"


@pytest.fixture(scope="module")
def speech() -> recog.SpeechRecogniser:
    return recog.load("english-speech", threads=1)


@pytest.fixture(scope="module")
def hand() -> recog.HandwritingRecogniser:
    return recog.load("latin-handwriting", threads=1)


def test_public_names_are_listed_and_come_when_they_are_used():
    script = (
        "import sys, recog\n"
        "heavy = {'torch', 'numba', 'onnxruntime', 'cv2', 'numpy', 'av', 'pydantic'}\n"
        "assert set(recog.__all__) <= set(dir(recog)), dir(recog)\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from recog import *\n"
        "print(load.__name__, wer.__name__, cer.__name__, Decoder.__name__, Line.__name__, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["load", "wer", "cer", "Decoder", "Line", "False"], done.stderr
    assert set(recog._PLACES) == set(recog.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        recog.lod  # noqa: B018


def test_type_checkers_and_editors_see_the_options_that_there_are():
    parameters = inspect.signature(recog.load).parameters
    assert inspect.Parameter.VAR_KEYWORD not in {
        parameter.kind for parameter in parameters.values()
    }
    assert set(parameters) - {"name"} == set(typing.get_type_hints(AllKeywords))
    for options, keywords in (
        (SpeechOptions, SpeechKeywords),
        (HandwritingOptions, HandwritingKeywords),
    ):
        assert {field.name for field in fields(options)} == set(typing.get_type_hints(keywords))
    first, second, _ = typing.get_overloads(recog.recognition.load.load)
    named = {typing.get_args(typing.get_type_hints(each)["name"])[0] for each in (first, second)}
    assert named == set(shipped()) == set(DEFAULTS.values())
    assert (SpeechOptions().channels, HandwritingOptions().layout) == ("mix", "auto")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_best": 0}, "n_best is 0; it must be a whole number from 1 to 1000."),
        ({"n_best": True}, "n_best is True; it must be a whole number from 1 to 1000."),
        ({"beam": -1}, "beam is -1; it must be a whole number from 0 to 10000."),
        ({"threads": 1.5}, "threads is 1.5; it must be a whole number from 0 to 1024."),
        ({"looks": "never"}, "looks is 'never'; it must be 'auto', 'once' or 'all'."),
        ({"looks": ["auto"]}, r"looks is \['auto'\]; it must be"),
        ({"alpha": "1"}, "alpha is '1'; it must be a number."),
        ({"beta": float("nan")}, "beta is nan; it must lie between -100 and 100."),
        ({"rescore_weight": -0.1}, "rescore_weight is -0.1; it must lie between 0 and 100."),
        ({"language": 3}, "language is 3; it must be the name of a language"),
        ({"lm": 3}, "lm is 3; it must be a path."),
        ({"hotwords": "recog"}, "hotwords must be a list of words and phrases"),
        ({"hotwords": [["recog"]]}, "hotwords must be words and phrases."),
        ({"hotwords": {"recog": 51}}, "the boost of 'recog' is 51; it must lie between 0 and 50."),
        (
            {"channels": "left"},
            "channels is 'left'; it must be 'mix', 'each' or the number of a channel, from 1.",
        ),
        (
            {"channels": 0},
            "channels is 0; it must be 'mix', 'each' or the number of a channel, from 1.",
        ),
        (
            {"layout": "page"},
            "layout is for handwriting, and the model english-speech is for speech.",
        ),
        ({"layout": "auto", "notes": False}, "layout and notes are for handwriting, and the model"),
    ],
)
def test_wrong_options_are_told_with_what_is_allowed(options: dict, sentence: str):
    with pytest.raises(recog.UserError, match=sentence):
        recog.load("english-speech", **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"layout": "pages"},
            "layout is 'pages'; it must be 'auto', 'line', 'page', 'table' or 'xml'.",
        ),
        ({"notes": "yes"}, "notes is 'yes'; it must be True or False."),
        ({"page_model": "nowhere"}, "nowhere"),
        (
            {"channels": "mix"},
            "channels is for speech, and the model latin-handwriting is for handwriting.",
        ),
    ],
)
def test_wrong_options_of_handwriting(options: dict, sentence: str):
    with pytest.raises(recog.UserError, match=sentence):
        recog.load("latin-handwriting", **options)


def test_an_option_that_does_not_exist_and_a_model_that_is_no_name():
    with pytest.raises(TypeError, match="lay_out"):
        recog.load("latin-handwriting", lay_out="page")
    with pytest.raises(
        recog.UserError, match="The model is 3; it must be the name of a shipped model"
    ):
        recog.load(3)


def test_hotwords_may_be_a_list_and_paths_of_any_kind(tmp_path: Path):
    class Place:
        def __fspath__(self) -> str:
            return str(shipped()["english-speech"])

    model = recog.load(Place(), hotwords=["Ouse", "weather"], threads=1, lm="none")
    assert model.options.hotwords == {"ouse": 5.0, "weather": 5.0}
    assert (
        repr(model)
        == "<SpeechRecogniser english-speech: 28 symbols, threads=1, lm='none', hotwords={'Ouse': 5.0, 'weather': 5.0}>"
    )


def test_the_layout_is_found_out_as_in_the_command(hand: recog.HandwritingRecogniser):
    assert len(hand.transcribe(SAMPLES / "page.jpg").lines) > 5
    assert len(hand.transcribe(SAMPLES / "garden.png").lines) == 1


# ---- sources ----


def test_every_kind_of_recording_gives_the_same(speech: recog.SpeechRecogniser):
    path = SAMPLES / "weather.wav"
    wave, rate = soundfile.read(path, dtype="int16")
    content = path.read_bytes()
    expected = speech.transcribe(path)
    assert "weather" in expected.text and expected.source == str(path)
    named = io.BytesIO(content)
    named.name = "call.wav"
    for source, name in (
        (str(path), str(path)), (content, "<bytes>"), (bytearray(content), "<bytes>"), (memoryview(content), "<bytes>"),
        (io.BytesIO(content), "<stream>"), (named, "call.wav"), (path.open("rb"), str(path)),
    ):  # fmt: skip
        found = speech.transcribe(source)
        assert (found.lines, found.duration, found.source) == (
            expected.lines,
            expected.duration,
            name,
        )
    for array in (wave, wave[:, None], np.stack([wave, wave], axis=1), wave.astype(">i2"), wave.astype(np.int32) << 16,
                  (wave / 32768).astype(np.float32), wave / 32768):  # fmt: skip
        found = speech.transcribe(array, sample_rate=rate)
        assert (found.lines, found.duration, found.source) == (
            expected.lines,
            expected.duration,
            "<array>",
        )
    assert speech.transcribe(content, name="mine").source == "mine"


def test_the_channels_of_an_array_are_those_of_its_file(tmp_path: Path):
    first, rate = soundfile.read(SAMPLES / "weather.wav", dtype="int16")
    second, _ = soundfile.read(SAMPLES / "numbers.wav", dtype="int16")
    both = np.zeros((max(len(first), len(second)), 2), np.int16)
    both[: len(first), 0], both[: len(second), 1] = first, second
    soundfile.write(tmp_path / "both.wav", both, rate)
    each = recog.load("english-speech", channels="each", threads=1)
    found = each.transcribe(both, sample_rate=np.int64(rate))
    assert found.lines == each.transcribe(tmp_path / "both.wav").lines
    assert {line.channel for line in found.lines} == {1, 2}
    assert sorted(each.stream(both, sample_rate=rate), key=lambda line: line.start) == list(
        found.lines
    )


def test_an_array_without_samples_has_no_lines(speech: recog.SpeechRecogniser):
    for empty in (np.zeros(0), np.zeros((0, 2), np.int16)):
        found = speech.transcribe(empty, sample_rate=8000)
        assert (found.lines, found.duration, found.text, found.warnings) == ((), 0.0, "", ())
        assert list(speech.stream(empty, sample_rate=8000)) == []


def test_every_kind_of_image_gives_the_same(hand: recog.HandwritingRecogniser):
    path = SAMPLES / "garden.png"
    colour = cv2.imread(str(path))[..., ::-1]
    content = path.read_bytes()
    expected = hand.transcribe(path)
    assert "garden" in expected.text
    for source, name in (
        (content, "<bytes>"), (io.BytesIO(content), "<stream>"), (colour, "<array>"), (colour / 255, "<array>"),
        (read_image(path), "<array>"),
    ):  # fmt: skip
        found = hand.transcribe(source)
        assert (found.lines, found.size, found.source) == (expected.lines, expected.size, name)
    clear = np.dstack([colour, np.full(colour.shape[:2], 255, np.uint8)])
    for array in (
        colour[..., ::-1],
        colour.astype(np.uint16) * 257,
        clear,
    ):  # rounded another way, as files of these are
        assert hand.transcribe(array).text == expected.text


def test_lines_of_an_xml_file_need_a_file(hand: recog.HandwritingRecogniser):
    reader = recog.load("latin-handwriting", layout="xml", beam=0, threads=1)
    with pytest.raises(
        recog.UserError, match="<array> has no PAGE or ALTO file beside it; give a file"
    ):
        reader.transcribe(np.full((500, 400), 255, np.uint8))


# ---- lines as they come ----


def test_streams_give_the_lines_of_the_transcript(speech, hand, tmp_path: Path):
    wave, rate = soundfile.read(SAMPLES / "weather.wav")
    pause = np.zeros(2 * rate)
    long = np.concatenate([wave, pause, wave, pause, wave])
    assert (
        tuple(speech.stream(long, sample_rate=rate))
        == speech.transcribe(long, sample_rate=rate).lines
    )
    assert tuple(hand.stream(SAMPLES / "page.jpg")) == hand.transcribe(SAMPLES / "page.jpg").lines
    pages = [
        cv2.imread(str(SAMPLES / name), cv2.IMREAD_GRAYSCALE)
        for name in ("garden.png", "maison.png")
    ]
    cv2.imwritemulti(str(tmp_path / "two.tiff"), pages)
    assert tuple(hand.stream(tmp_path / "two.tiff")) == hand.transcribe(tmp_path / "two.tiff").lines


def test_a_stream_begins_before_the_recording_is_done_and_closes_what_it_opened(
    speech: recog.SpeechRecogniser,
):
    class Counted(io.BytesIO):
        most = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.most = max(self.most, self.tell())
            return data

        def readinto(self, buffer) -> int:
            count = super().readinto(buffer)
            self.most = max(self.most, self.tell())
            return count

    wave, rate = soundfile.read(SAMPLES / "weather.wav", dtype="int16")
    long = np.concatenate([wave, np.zeros(2 * rate, np.int16)] * 40)
    content = io.BytesIO()
    soundfile.write(content, long, rate, format="WAV")
    source = Counted(content.getvalue())
    with closing(speech.stream(source)) as lines:
        assert next(lines).text == speech.transcribe(wave, sample_rate=rate).text
        assert source.most < len(content.getvalue()) / 2
    assert not source.closed, "a stream is the caller's to close"
    assert list(lines) == []


def test_an_abandoned_stream_closes_its_file(speech, hand, monkeypatch: pytest.MonkeyPatch):
    from recog.media.audio.reader import SoundReader
    from recog.media.document.base import Document

    closed: list[str] = []
    for kind in (SoundReader, Document):
        monkeypatch.setattr(
            kind, "close", lambda self, close=kind.close: (closed.append(self.name), close(self))
        )
    for model, name in ((speech, "letter.wav"), (hand, "page.jpg")):
        lines = model.stream(SAMPLES / name)
        assert next(lines).text and not closed
        lines.close()
        assert closed == [str(SAMPLES / name)]
        closed.clear()


def test_what_a_stream_warns_of_is_logged(speech, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    content = (SAMPLES / "weather.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: len(content) // 2])
    with caplog.at_level(logging.WARNING, logger="recog"):
        lines = list(speech.stream(tmp_path / "cut.wav"))
    assert lines and "cut.wav is cut short" in caplog.text


# ---- pickling ----


def test_models_pickle_by_their_place(
    speech, hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = speech.transcribe(SAMPLES / "letter.wav")
    content = pickle.dumps(speech)
    assert len(content) < 2000 and str(shipped()["english-speech"]).encode() not in content, (
        "a shipped model goes by name"
    )
    again = pickle.loads(content)
    assert again.options == speech.options and again.transcribe(SAMPLES / "letter.wav") == text
    (tmp_path / "here").symlink_to(shipped()["latin-handwriting"])
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(
        recog.load("here", n_best=2, layout="line", hotwords={"Garden": 3.0}, threads=1)
    )
    monkeypatch.chdir(SAMPLES)
    reader = pickle.loads(content)
    assert isinstance(reader, recog.HandwritingRecogniser)
    assert (reader.options.n_best, reader.options.layout, reader.options.hotwords) == (
        2,
        "line",
        {"Garden": 3.0},
    )


def test_a_model_works_in_processes_that_are_spawned(hand: recog.HandwritingRecogniser):
    paths = [SAMPLES / "garden.png", SAMPLES / "maison.png"]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(hand.transcribe, paths)) == [hand.transcribe(path) for path in paths]


def test_former_names_stay():
    from recog.recognition.handwriting import LineReader
    from recog.recognition.speech import Transcriber

    assert (Transcriber, LineReader) == (recog.SpeechRecogniser, recog.HandwritingRecogniser)
