"""The shipped models on the project's own samples, through the Python interface and the command
line."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

import recog
from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.model.folder import pretrained
from recog.model.onnx_check import check_onnx
from recog.model.recogniser_folder import open_recogniser_folder, shipped

SAMPLES = Path(__file__).parent.parent / "data" / "samples"
MODELS = ("english-speech", "latin-handwriting")
PAIRS = [("english-speech", p) for p in sorted(SAMPLES.glob("*.wav"))]
PAIRS += [("latin-handwriting", p) for p in sorted(SAMPLES.glob("*.png"))]


def reference(media: Path) -> str:
    text = media.with_suffix(".txt" if media.suffix == ".wav" else ".gt.txt")
    return text.read_text(encoding="utf-8").strip()


def command(*arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "recog", *map(str, arguments)], capture_output=True, **options
    )


@pytest.fixture(scope="module")
def loaded():
    return {name: recog.load(name) for name in MODELS}


def test_both_models_are_shipped_and_small():
    assert tuple(shipped()) == MODELS
    for path in shipped().values():
        sizes = {file.name: file.stat().st_size for file in path.iterdir()}
        assert (
            sum(sizes.pop(name) for name in [*sizes] if name.startswith("lm")) <= 25e6
            and sum(sizes.values()) < 30e6
        )
        model_folder = open_recogniser_folder(path)
        check_onnx(model_folder.file("model.onnx"))
        assert model_folder.file("model.safetensors").stat().st_size > 1e6
        assert 0 < model_folder.config.dev["cer"] < 0.5
        assert model_folder.config.decoding.dev["cer"] < model_folder.config.dev["cer"]
        assert model_folder.config.confidence is not None
        assert "licence" in model_folder.card.lower()


@pytest.mark.parametrize(("model", "media"), PAIRS, ids=lambda value: getattr(value, "name", value))
def test_samples_are_read(loaded, model: str, media: Path):
    """Synthetic samples are far from the training data: most of the text must be right, not all."""
    expected = reference(media)
    text = loaded[model].transcribe(media).text
    assert Levenshtein.distance(text, expected) <= 0.6 * len(expected), text


def test_a_beam_is_at_least_as_probable(loaded):
    beam = recog.load("latin-handwriting", beam=8, n_best=3)
    line = beam.transcribe(SAMPLES / "garden.png").lines[0]
    assert 1 <= len(line.alternatives) <= 3
    assert line.alternatives[0].text == line.text
    scores = [a.score for a in line.alternatives]
    assert scores == sorted(scores, reverse=True)


def test_words_lie_inside_their_media(loaded):
    line = loaded["latin-handwriting"].transcribe(SAMPLES / "garden.png")
    for word in line.lines[0].words:
        assert 0 <= word.box[0] < word.box[2] <= line.size[0] and 0 <= word.confidence <= 1
    sound = loaded["english-speech"].transcribe(SAMPLES / "weather.wav")
    times = [t for line in sound.lines for word in line.words for t in (word.start, word.end)]
    assert times == sorted(times) and times[-1] <= sound.duration
    assert " ".join(word.text for line in sound.lines for word in line.words) == sound.text


def test_silence_gives_no_text(loaded, tmp_path):
    import soundfile

    soundfile.write(tmp_path / "silence.wav", np.zeros(48_000), 16_000)
    transcript = loaded["english-speech"].transcribe(tmp_path / "silence.wav")
    assert transcript.text == "" and transcript.duration == 3.0


@pytest.mark.parametrize("beam", [0, 4])
@pytest.mark.parametrize("frames", [0, 10])
def test_blanks_alone_decode_to_nothing(beam, frames):
    model = recog.load("english-speech", beam=beam)
    log_probs = np.full((frames, len(model.config.symbols)), -20.0, np.float32)
    log_probs[:, 0] = -1e-6
    assert model.decode(Posteriors(log_probs)) == ("", [], ())


@pytest.mark.parametrize(("model", "media"), PAIRS, ids=lambda value: getattr(value, "name", value))
def test_int8_reads_almost_what_float32_reads(loaded, model: str, media: Path):
    """On speech as far from its training as espeak's, the model is unsure, and rounding tips single
    letters."""
    torch = pytest.importorskip("torch")
    from recog.media.audio.reader import read_sound
    from recog.media.image.reader import read_image
    from recog.nn.weights import network_from

    recogniser = loaded[model]
    network = network_from(recogniser.model_folder).eval()
    recogniser = recog.load(model, beam=0)  # a language model would mend some of it

    def in_torch(features: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(features)[None], torch.tensor([len(features)]))[0][
                0
            ].numpy()

    twin = recog.load(model, beam=0)
    twin.runtime.log_probs = in_torch  # type: ignore[method-assign]
    content = read_sound(media) if media.suffix == ".wav" else read_image(media)
    exact, rounded = (r.decode(Posteriors(r.log_probs(content)))[0] for r in (twin, recogniser))
    allowed = 0.1 * len(exact) if model == "english-speech" else 0.03 * len(exact)
    assert Levenshtein.distance(exact, rounded) <= allowed, (exact, rounded)


def test_transcribe_command():
    done = command("transcribe", *sorted(SAMPLES.glob("*.wav")), "--names", text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [Path(name).name for name, _ in rows] == ["letter.wav", "numbers.wav", "weather.wav"]
    assert all(text for _, text in rows)


def test_standard_input_gives_the_files_text(loaded):
    media = SAMPLES / "numbers.wav"
    done = command("transcribe", "-", input=media.read_bytes())
    assert done.stdout.decode().strip() == loaded["english-speech"].transcribe(media).text


def test_formats_and_folders(tmp_path):
    for format in ("json", "srt", "vtt"):
        done = command("transcribe", SAMPLES, "--output", tmp_path, "--format", format, text=True)
        assert done.returncode == 0, done.stderr
        assert sorted(p.name for p in tmp_path.glob(f"*.{format}")) == [
            f"{n}.{format}" for n in ("letter", "numbers", "weather")
        ]
    assert (tmp_path / "weather.vtt").read_text().startswith("WEBVTT")
    assert "-->" in (tmp_path / "weather.srt").read_text()


def test_evaluate_command_scores_what_the_model_reads(loaded, tmp_path):
    images = sorted(SAMPLES.glob("*.png"))
    for media in images:
        shutil.copy(media, tmp_path)
        shutil.copy(media.with_suffix(".gt.txt"), tmp_path)
    done = command(
        "evaluate",
        "--model",
        "latin-handwriting",
        tmp_path,
        "--normalise",
        "none",
        "--json",
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    texts = [
        (reference(media), loaded["latin-handwriting"].transcribe(media).text) for media in images
    ]
    assert result["n"] == len(images) and result["missing"] == 0
    assert result["cer"]["errors"] == sum(Levenshtein.distance(*pair) for pair in texts)
    assert result["cer"]["reference"] == sum(len(text) for text, _ in texts)


def test_a_page_is_read_line_by_line_in_order(tmp_path: Path):
    from recog.corpora import importer

    expected = (SAMPLES / "page.txt").read_text(encoding="utf-8").strip()
    done = command("ocr", SAMPLES / "page.jpg", text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().split("\n")
    assert len(lines) == len(expected.split("\n"))
    assert Levenshtein.distance(done.stdout.strip(), expected) <= 0.1 * len(expected), done.stdout
    (tmp_path / "page.jpg").write_bytes((SAMPLES / "page.jpg").read_bytes())
    done = command(
        "ocr", tmp_path / "page.jpg", "--format", "page", "--output", tmp_path, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = list(importer("page")(tmp_path / "page.xml"))
    assert [row.text for row in rows] == lines
    assert all(row.line.baseline[0][0] < row.line.baseline[-1][0] for row in rows)
    tops = [row.line.baseline[0][1] for row in rows]
    assert tops == sorted(tops)


def test_words_of_a_page_lie_in_their_lines():
    transcript = recog.load("latin-handwriting", layout="auto").transcribe(SAMPLES / "page.jpg")
    width, height = transcript.size
    for line in transcript.lines:
        xs, ys = [x for x, _ in line.polygon], [y for _, y in line.polygon]
        for word in line.words:
            left, top, right, bottom = word.box
            assert 0 <= left < right <= width and 0 <= top < bottom <= height
            assert left >= min(xs) - 20 and right <= max(xs) + 20
            assert top >= min(ys) - 20 and bottom <= max(ys) + 20
        lefts = [word.box[0] for word in line.words]
        assert lefts == sorted(lefts)


def test_the_page_model_is_listed_and_small():
    assert "pages\tpage" in command("models", text=True).stdout
    assert "F1" in command("models", "pages", text=True).stdout


def test_the_list_says_how_well_models_do_as_they_are_used():
    listed = {
        line.split("\t")[0]: line for line in command("models", text=True).stdout.splitlines()
    }
    for name in ("english-speech", "latin-handwriting"):
        tuned = json.loads((pretrained()[name] / "config.json").read_text())["decoding"]["dev"]
        assert listed[name].endswith(
            f"dev CER {100 * tuned['cer']:.1f} %, dev WER {100 * tuned['wer']:.1f} %"
        )


def test_the_page_model_is_small():
    assert sum(file.stat().st_size for file in pretrained()["pages"].iterdir()) < 8e6


def test_a_blank_page_has_no_text(tmp_path: Path):
    import cv2

    cv2.imwrite(str(tmp_path / "blank.png"), np.full((1200, 900), 235, np.uint8))
    done = command("ocr", tmp_path / "blank.png", text=True)
    assert done.returncode == 0 and done.stdout.strip() == ""


@pytest.mark.parametrize("beam", [0, None])
@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_blank_line_has_no_text(grey: int, beam: int | None):
    import cv2

    image = np.full((60, 900), grey, np.uint8)
    image[::2, ::3] = abs(grey - 3)  # its grain
    _, png = cv2.imencode(".png", image)
    lines = (
        recog.load("latin-handwriting", beam=beam, layout="line")
        .transcribe(io.BytesIO(png.tobytes()))
        .lines
    )
    assert [(line.text, line.words) for line in lines] == [("", ())]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_page_gives_the_same_text_and_its_own_coordinates(turns: int, tmp_path: Path):
    import cv2

    image = cv2.imread(str(SAMPLES / "page.jpg"))
    cv2.imwrite(str(tmp_path / "turned.png"), np.ascontiguousarray(np.rot90(image, turns)))
    reader = recog.load("latin-handwriting", layout="page")
    upright, turned = (
        reader.transcribe(SAMPLES / "page.jpg"),
        reader.transcribe(tmp_path / "turned.png"),
    )
    assert Levenshtein.distance(turned.text, upright.text) <= 0.03 * len(upright.text)
    first = np.array(turned.lines[0].baseline)
    width, height = turned.size
    expected = {
        1: first[:, 0].mean() < width / 3,
        2: first[:, 1].mean() > 0.7 * height,
        3: first[:, 0].mean() > 0.7 * width,
    }
    assert expected[turns], "the first line is where the page's top has been turned to"
    for line in turned.lines:
        for left, top, right, bottom in (word.box for word in line.words):
            assert -1 <= left < right <= width and -1 <= top < bottom <= height


def test_a_large_picture_of_one_line_is_read_as_such(tmp_path: Path):
    import cv2

    image = cv2.imread(str(SAMPLES / "garden.png"))
    word = image[:, : image.shape[1] // 4]
    large = cv2.resize(word, None, fx=4.0, fy=4.0, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "word.png"), large)
    assert large.shape[0] >= 300
    text = recog.load("latin-handwriting", layout="auto").transcribe(tmp_path / "word.png").text
    assert text and "dear" in text.lower()


def test_english_lines_are_read_with_the_english_language_model():
    single, page = (
        recog.load("latin-handwriting"),
        recog.load("latin-handwriting", layout="page", threads=1),
    )
    lines: dict[str, list[np.ndarray]] = {
        name: [] for name in ("garden", "maison", "voyage", "page")
    }
    for name in ("garden", "maison", "voyage"):
        single.transcribe(SAMPLES / f"{name}.png", keep=lines[name].append)
    page.transcribe(SAMPLES / "page.jpg", keep=lines["page"].append)
    found = {name: single.line_languages(seen) for name, seen in lines.items()}
    assert found["garden"] == [1] and found["maison"] == found["voyage"] == [0]
    assert set(found["page"]) == {1} and len(found["page"]) > 5


@pytest.mark.parametrize(
    ("model", "sample"), [("english-speech", "weather.wav"), ("latin-handwriting", "voyage.png")]
)
def test_asking_for_alternatives_does_not_change_the_text(model: str, sample: str):
    alone = recog.load(model, threads=1).transcribe(SAMPLES / sample)
    several = recog.load(model, threads=1, n_best=6).transcribe(SAMPLES / sample)
    assert several.text == alone.text and not alone.lines[0].alternatives
    for line in several.lines:
        texts = [alternative.text for alternative in line.alternatives]
        assert texts[0] == line.text and len(set(texts)) == len(texts) > 1
