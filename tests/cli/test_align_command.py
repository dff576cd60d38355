"""``recog align`` and what stands behind it, on the project's samples and on planted recordings."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import recog
from recog.cli.align import read_text_lines, training_rows
from recog.corpora.manifest import read_manifest
from recog.corpora.rows import Row
from recog.decoding.ctc.word_spans import Timing
from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.errors import UserError
from recog.formats.timed import textgrid
from recog.recognition.forced_alignment import align_text
from recog.transcript import Line, Transcript, Word

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
FRAME = 0.04


def command(*arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "recog", *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )


@pytest.fixture(scope="module")
def speech():
    return recog.load("english-speech", threads=1)


@pytest.fixture(scope="module")
def handwriting():
    return recog.load("latin-handwriting", threads=1)


@pytest.fixture
def saying(speech, tmp_path):
    """A recording in which the model hears given words, each with the second at which it begins."""
    import soundfile

    def make(said: list[tuple[float, str]], seconds: float) -> tuple[object, Path]:
        path = tmp_path / "planted.wav"
        soundfile.write(path, np.zeros(round(seconds * 16_000), np.int16), 16_000)
        symbols = list(speech.config.symbols)
        heard = np.full(round(seconds / FRAME), 0)
        for start, word in said:
            first = round(start / FRAME)
            for k, letter in enumerate(word):
                heard[first + 2 * k] = symbols.index(letter)
            heard[first + 2 * len(word)] = symbols.index(" ")
        done = 0

        def log_probs(wave):
            nonlocal done
            frames = round(len(wave) / 16_000 / FRAME)
            here = heard[done : done + frames]
            done += frames
            probs = np.full((frames, len(symbols)), 0.001)
            probs[np.arange(len(here)), here] = 1.0
            return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)

        model = type(speech)(speech.model_folder, replace(speech.options, threads=1))
        model.posteriors = lambda wave: Posteriors(log_probs(wave))
        return model, path

    return make


def test_planted_words_get_their_times(saying):
    model, path = saying([(1.0, "good"), (2.0, "morning"), (5.0, "friends")], 8.0)
    transcript = align_text(
        model, path, ["Good morning,", "", "friends!"], timing=Timing(offset=0, reach=2)
    )
    assert [(w.text, w.start) for line in transcript.lines for w in line.words] == [
        ("Good", 1.0),
        ("morning,", 2.0),
        ("friends!", 5.0),
    ]
    first, second = transcript.lines
    assert first.words[0].end == pytest.approx(1.0 + 7 * FRAME + 2 * FRAME)
    assert (first.text, first.start, first.end) == ("Good morning,", 1.0, first.words[1].end)
    assert (second.text, transcript.duration) == ("friends!", 8.0)
    assert all(word.confidence > 0.8 for line in transcript.lines for word in line.words)
    shifted = align_text(*saying([(1.0, "good")], 3.0), ["good"], timing=Timing(offset=-2))
    assert shifted.lines[0].start == pytest.approx(1.0 - 2 * FRAME)


def test_words_that_cannot_be_spelled_keep_their_place(saying):
    model, path = saying([(1.0, "in"), (4.0, "we"), (5.0, "came")], 8.0)
    [line] = align_text(model, path, ["In дом — we came 字"], timing=Timing()).lines
    texts, starts = [w.text for w in line.words], [w.start for w in line.words]
    assert texts == ["In", "дом", "—", "we", "came", "字"] and line.text == "In дом — we came 字"
    assert starts == sorted(starts) and line.words[1].end == 4.0 and line.words[5].end == 8.0
    assert [w.confidence is None for w in line.words] == [False, True, True, False, False, True]
    assert line.confidence > 0.8


def test_a_number_is_where_its_words_are_said(saying):
    model, path = saying([(1.0, "for"), (2.0, "twenty"), (3.0, "five"), (5.0, "years")], 8.0)
    [line] = align_text(model, path, ["For 25 years"], timing=Timing()).lines
    assert [word.start for word in line.words] == [1.0, 2.0, 5.0]
    assert line.words[1].end > 3.0 and line.words[1].confidence > 0.8


def test_a_passage_that_nobody_says_is_marked(saying):
    words = ["the", "quick", "brown", "fox", "jumps", "over", "every", "lazy", "dog"]
    said = [(1.0 + k + 4 * (k > 3), word) for k, word in enumerate(words)]
    model, path = saying(said, 16.0)
    lines = [
        "the quick brown fox",
        "unheard sentences of nothing at all",
        "jumps over every lazy dog",
    ]
    first, unheard, last = align_text(model, path, lines, timing=Timing()).lines
    assert [w.start for w in first.words] == [1.0, 2.0, 3.0, 4.0] and first.confidence > 0.8
    assert [w.start for w in last.words] == [9.0, 10.0, 11.0, 12.0, 13.0] and last.confidence > 0.8
    assert unheard.confidence < 0.1 and 4.0 <= unheard.start <= unheard.end <= 9.0


def test_longer_text_than_sound(saying):
    model, path = saying([(0.2, "yes")], 1.0)
    transcript = align_text(model, path, ["yes " * 200])
    times = [t for w in transcript.lines[0].words for t in (w.start, w.end)]
    assert len(times) == 400 and times == sorted(times) and times[-1] <= 1.0


def test_texts_that_cannot_be_aligned(speech, handwriting):
    with pytest.raises(UserError, match="no text"):
        align_text(speech, SAMPLES / "weather.wav", ["", "  "])
    with pytest.raises(UserError, match=r"cannot spell .* 'д' \(U\+0434\)"):
        align_text(speech, SAMPLES / "weather.wav", ["дд дд"])
    with pytest.raises(UserError, match="image of one line"):
        align_text(handwriting, SAMPLES / "garden.png", ["one", "two"])


def test_a_sample_with_its_own_text(speech):
    text = (SAMPLES / "weather.txt").read_text(encoding="utf-8")
    transcript = align_text(speech, SAMPLES / "weather.wav", [text])
    times = [t for w in transcript.lines[0].words for t in (w.start, w.end)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= transcript.duration
    assert transcript.lines[0].confidence > 0.2
    middle = next(w for w in transcript.lines[0].words if w.text == "today")
    assert 1.0 < middle.start < 1.6


def test_words_that_are_known_start_where_they_are_heard(speech):
    heard = speech.transcribe("data/samples/weather.wav")
    given = align_text(speech, "data/samples/weather.wav", [heard.text])
    for one, other in zip(heard.lines[0].words, given.lines[0].words, strict=True):
        assert abs(one.start - other.start) <= 0.05, one.text
    assert speech.timing.offset != 0.0
    assert align_text(speech, "data/samples/weather.wav", [heard.text], timing=Timing()) != given


def test_boxes_in_a_line_image(handwriting):
    text = (SAMPLES / "garden.gt.txt").read_text(encoding="utf-8").strip()
    transcript = align_text(handwriting, SAMPLES / "garden.png", [text])
    [line] = transcript.lines
    assert [w.text for w in line.words] == text.split() and transcript.size[0] > 0
    edges = [x for w in line.words for x in (w.box[0], w.box[2])]
    assert edges == sorted(edges) and edges[-1] <= transcript.size[0] and line.confidence > 0.5
    assert all(w.box[0] < w.box[2] for w in line.words)


def sentence(texts: str, times: list[tuple[float, float]], confidence: float = 0.9) -> Line:
    words = tuple(
        Word(t, a, b, confidence=confidence) for t, (a, b) in zip(texts.split(), times, strict=True)
    )
    return Line(texts, words, start=times[0][0], end=times[-1][1], confidence=confidence)


def test_training_rows():
    lines = (
        sentence("a b", [(1.0, 2.0), (2.0, 3.0)]),
        sentence("bad", [(3.0, 3.1)], 0.01),
        sentence("c d e", [(3.2, 10.0), (12.0, 22.0), (22.5, 30.0)]),
    )
    rows = training_rows(
        Transcript("x.wav", lines, duration=30.1), Path("x.wav"), min_confidence=0.2, max_seconds=20
    )
    assert [(row.text, row.start, row.end) for row in rows] == [
        ("a b", 0.85, 3.0),  # no silence before the next word
        ("c", 3.15, 10.15),
        ("d e", 11.85, 30.05),
    ]
    image = Transcript("p.png", (Line("x y", confidence=0.9),), size=(9, 9))
    assert training_rows(image, Path("p.png"), min_confidence=0.2) == [Row(Path("p.png"), "x y")]


def test_texts_are_read_by_their_suffix(tmp_path):
    (tmp_path / "a.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\n<i>one</i>\ntwo\n\n", encoding="utf-8"
    )
    (tmp_path / "a.txt").write_text("\ufeffone two\r\n\r\nthree\n", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"caf\xe9")
    assert read_text_lines(tmp_path / "a.srt") == ["one two"]
    assert read_text_lines(tmp_path / "a.txt") == ["one two", "three"]
    with pytest.raises(UserError, match="not UTF-8"):
        read_text_lines(tmp_path / "b.txt")


def test_the_command_writes_what_it_is_asked_for(tmp_path):
    media = Path(shutil.copy(SAMPLES / "weather.wav", tmp_path))
    (tmp_path / "t.txt").write_text(
        "The weather is fine today,\nand we are going to walk along the river.\n"
    )
    done = command(
        "align",
        media,
        tmp_path / "t.txt",
        "--format",
        "textgrid",
        "--output",
        tmp_path / "o.TextGrid",
    )
    assert done.returncode == 0, done.stderr
    lines = textgrid.read((tmp_path / "o.TextGrid").read_text(encoding="utf-8")).lines
    assert [line.text for line in lines] == (tmp_path / "t.txt").read_text().splitlines()
    done = command(
        "align", media, tmp_path / "o.TextGrid", "--format", "manifest", "-o", tmp_path / "m.jsonl"
    )
    assert done.returncode == 0, done.stderr
    rows = read_manifest(tmp_path / "m.jsonl")
    assert [row.text for row in rows] == [line.text for line in lines] and rows[0].media == media
    assert 0 < rows[0].end <= rows[1].start + 0.01
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "m.jsonl",
        "o.TextGrid",
        "t.txt",
        "weather.wav",
    ]


def test_a_remark_on_the_recording_is_no_failure_and_damage_is(tmp_path):
    import soundfile

    samples, rate = soundfile.read(SAMPLES / "weather.wav", dtype="int16")
    soundfile.write(tmp_path / "inverse.wav", np.stack((samples, -samples), axis=1), rate)
    whole = (tmp_path / "inverse.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) * 3 // 4])
    for name, code in (("inverse.wav", 0), ("cut.wav", 1)):
        done = command("align", tmp_path / name, SAMPLES / "weather.txt")
        assert done.returncode == code and "each other's inverse" in done.stderr
        assert ("is cut short" in done.stderr) == bool(code)
        assert len(json.loads(done.stdout)["warnings"]) == 1 + code


def test_a_text_of_something_else_is_told(tmp_path):
    text = "quarterly figures exceeded expectations\n"
    out = tmp_path / "m.jsonl"
    done = command(
        "align", SAMPLES / "weather.wav", "-", "--format", "manifest", "--output", out, input=text
    )
    assert (
        done.returncode == 1
        and "1 of 1 lines do not fit" in done.stderr
        and "No line of -" in done.stderr
    )
    assert not out.exists()


def test_page_of_a_line_image(tmp_path):
    from recog.corpora import importer

    out = tmp_path / "garden.xml"
    done = command(
        "align",
        SAMPLES / "garden.png",
        SAMPLES / "garden.gt.txt",
        "--format",
        "page",
        "--output",
        out,
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "garden.png").write_bytes((SAMPLES / "garden.png").read_bytes())
    (row,) = importer("page")(out)
    assert row.text == (SAMPLES / "garden.gt.txt").read_text().strip()
    assert out.read_text().count("<Word ") == len(row.text.split())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("weather.wav",), 2, "TEXT"),
        (("weather.wav", "weather.txt", "--format", "manifest"), 2, "--output"),
        (("weather.wav", "weather.txt", "--output", "weather.txt"), 2, "is among the inputs"),
        (("absent.wav", "weather.txt"), 1, "absent.wav"),
        (("weather.wav", "absent.txt"), 1, "absent.txt"),
        (("garden.png", "garden.gt.txt", "--format", "srt"), 2, "is an image"),
        (("weather.wav", "weather.txt", "--format", "page"), 2, "is sound"),
    ],
)
def test_wrong_usage(arguments, code, message):
    done = command("align", *arguments, cwd=SAMPLES, env=None)
    assert done.returncode == code, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr


def test_every_source_of_the_interface_can_be_aligned(speech, handwriting):
    import soundfile

    wave, rate = soundfile.read(SAMPLES / "weather.wav")
    text = (SAMPLES / "weather.txt").read_text().strip()
    expected = align_text(speech, SAMPLES / "weather.wav", [text])
    found = align_text(speech, wave, [text], sample_rate=rate)
    assert found.lines == expected.lines and found.source == "<array>"
    content = (SAMPLES / "garden.png").read_bytes()
    text = (SAMPLES / "garden.gt.txt").read_text().strip()
    assert (
        align_text(handwriting, content, [text]).lines
        == align_text(handwriting, SAMPLES / "garden.png", [text]).lines
    )
