"""A model that hears sounds: trained on words of tones, used, tuned and trained on."""

from __future__ import annotations

import json
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import recog
from recog.cli import app
from recog.decoding import Hypothesis
from recog.errors import UserError
from recog.lm.binary import write_binary
from recog.lm.estimation.kneser_ney import estimate
from recog.model.config import DecodingConfig
from recog.model.folder import GRAPH
from recog.model.recogniser_folder import (
    RecogniserFolder,
    open_recogniser_folder,
    update_recogniser_folder,
)
from recog.text.pronunciations import encode_pronunciations
from recog.training import progress as report
from recog.training.recogniser.run import train_recogniser

torch = pytest.importorskip("torch")

SAID = {"so": ("x",), "see": ("y",), "sea": ("y",), "no": ("zx",)}
TONES = {"x": 400, "y": 1100, "z": 2400}
TEXTS = [
    "so see",
    "no sea",
    "see so",
    "so no sea",
    "see no sea",
    "so so see",
    "no sea so",
    "see so see",
]
RATE = 8000


def speak(text: str, path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [np.zeros(RATE // 10)]
    for word in text.split():
        for sound in SAID[word][0]:
            time = np.arange(int(RATE * rng.uniform(0.12, 0.18))) / RATE
            parts.append(
                np.sin(2 * np.pi * TONES[sound] * rng.uniform(0.97, 1.03) * time)
                * np.hanning(len(time))
            )
        parts.append(np.zeros(RATE // 10))
    sound = 0.4 * np.concatenate(parts)
    sound += rng.normal(0, 1e-3, len(sound))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((32767 * sound).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    for i in range(48):
        text = TEXTS[i % len(TEXTS)]
        speak(text, folder / f"clip{i:02d}.wav", i)
        (folder / f"clip{i:02d}.txt").write_text(text, encoding="utf-8")
    (folder / "said.tsv").write_bytes(encode_pronunciations(SAID))
    return folder


def recipe(corpus: Path, folder: Path, said: str, epochs: int) -> Path:
    path = folder / "tones.yaml"
    path.write_text(
        f"""
name: tones
modality: speech
data: [{{path: "{corpus}"}}]
dev_share: 0.2
normalise: spoken
pronunciations: {said}
spectrogram: {{sample_rate: 8000, window: 200, hop: 80, fft: 256, bands: 24, high: 3800}}
sound: {{rooms: 0, noise: 0, pitch: 0, band_masks: 0, time_masks: 0}}
encoder:
  height: 24
  convolutions: [{{channels: 8, stride: [2, 2]}}, {{channels: 16, kernel: [12, 1], collapse: true}}]
  columns: flatten
  layers: 1
  hidden: 24
training: {{epochs: {epochs}, batch_items: 4, learning_rate: 0.01, threads: 1, device: cpu, average: 0.95}}
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def model(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> RecogniserFolder:
    """Trained, and given a language model that tells "see" from "sea" by the word before."""
    folder = tmp_path_factory.mktemp("model")
    train_recogniser(recipe(corpus, folder, str(corpus / "said.tsv"), 40), folder / "tones", None)
    model_folder = open_recogniser_folder(folder / "tones")
    write_binary(estimate(TEXTS, unit="word", order=2), folder / "lm.bin")
    config = model_folder.config.model_copy(
        update={"decoding": DecodingConfig(lm="lm.bin", beam=10, alpha=0.8, beta=0.0)}
    )
    return update_recogniser_folder(
        model_folder,
        model_folder.path,
        config,
        {"lm.bin": (folder / "lm.bin").read_bytes()},
        model_folder.card,
    )


def test_words_that_sound_alike_are_written_as_the_language_model_has_them(
    model: RecogniserFolder, corpus: Path
) -> None:
    recogniser = recog.load(model.path)
    assert recogniser.lexicon_decoder is not None
    right = 0
    for i, text in enumerate(TEXTS):
        transcript = recogniser.transcribe(corpus / f"clip{i:02d}.wav")
        right += transcript.text == text
        words = [word for line in transcript.lines for word in line.words]
        assert [word.text for word in words] == transcript.text.split()
        assert all(0.0 <= word.start <= word.end <= transcript.duration for word in words)
    assert right >= len(TEXTS) - 1


def test_alternatives_are_words_and_no_two_are_alike(model: RecogniserFolder, corpus: Path) -> None:
    lines = recog.load(model.path, n_best=4).transcribe(corpus / "clip00.wav").lines
    texts = [alternative.text for alternative in lines[0].alternatives]
    assert texts[0] == lines[0].text and len(set(texts)) == len(texts) > 1
    assert {word for text in texts for word in text.split()} <= SAID.keys()


@pytest.mark.parametrize("options", [{"beam": 0}, {"lm": "none", "beam": 4}])
def test_letters_are_decoded_where_words_are_not_to_be_found(
    model: RecogniserFolder, corpus: Path, options: dict
) -> None:
    recogniser = recog.load(model.path, **options)
    assert recogniser.lexicon_decoder is None
    assert set(recogniser.transcribe(corpus / "clip00.wav").text) <= set("so en a")


def test_hotwords_that_are_in_the_dictionary_are_heard(
    model: RecogniserFolder, corpus: Path
) -> None:
    recogniser = recog.load(model.path, hotwords={"no sea": 40.0})
    assert recogniser.lexicon_decoder is not None
    assert "no sea" in recogniser.transcribe(corpus / "clip00.wav").text


def test_a_hotword_that_nobody_can_say_is_left_out_and_no_other(
    model: RecogniserFolder, corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recogniser = recog.load(model.path, hotwords={"esso": 2.0, "no sea": 40.0})
    assert recogniser.lexicon_decoder is not None
    assert "no sea" in recogniser.transcribe(corpus / "clip00.wav").text
    assert caplog.messages == [
        "The hotword 'esso' is left out: the model does not know how it is pronounced."
    ]


def test_the_sounds_stay_when_it_is_tuned_and_trained_on(
    model: RecogniserFolder, corpus: Path, tmp_path: Path
) -> None:
    command = [
        "tune",
        str(model.path),
        str(corpus),
        "--out",
        str(tmp_path / "tuned"),
        "--beam",
        "10",
        "--threads",
        "1",
    ]
    assert CliRunner().invoke(app, command).exit_code == 0
    tuned = open_recogniser_folder(tmp_path / "tuned")
    assert tuned.pronunciations() == SAID and tuned.config.decoding.lm == "lm.bin"
    train_recogniser(recipe(corpus, tmp_path, "null", 1), tmp_path / "further", str(tuned.path))
    further = open_recogniser_folder(tmp_path / "further")
    assert further.config.sounds == model.config.sounds and further.pronunciations() == SAID
    before, after = (
        recog.load(path).transcribe(corpus / "clip01.wav").text
        for path in (tuned.path, further.path)
    )
    assert before == after == "no sea"


def test_intermediate_heads_are_trained_beside_a_base_and_cost_nothing_in_use(
    model: RecogniserFolder, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "LOG_EVERY", 1)
    base = tmp_path / "two"
    path = recipe(corpus, tmp_path, str(corpus / "said.tsv"), 1)
    two_layers = path.read_text(encoding="utf-8").replace("layers: 1", "layers: 2")
    path.write_text(two_layers, encoding="utf-8")
    train_recogniser(path, base, None)
    path.write_text(
        two_layers.replace("hidden: 24", "hidden: 24\n  intermediate: 1"), encoding="utf-8"
    )
    train_recogniser(path, tmp_path / "further", str(base))
    further = open_recogniser_folder(tmp_path / "further")
    assert further.config.encoder.intermediate == 1
    assert (
        further.file(GRAPH).stat().st_size
        == open_recogniser_folder(base).file(GRAPH).stat().st_size
    )
    log = (tmp_path / "further" / "training" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [
        entry["intermediate_loss"] for entry in map(json.loads, log) if "intermediate_loss" in entry
    ]
    assert len(losses) >= 5 and losses[-1] < 0.8 * losses[0]
    train_recogniser(path, tmp_path / "again", str(further.path))  # a base that has such heads


def test_intermediate_heads_that_the_base_has_no_layer_for_are_refused(
    model: RecogniserFolder, corpus: Path, tmp_path: Path
) -> None:
    path = recipe(corpus, tmp_path, "null", 1)
    path.write_text(
        path.read_text().replace("layers: 1", "layers: 3\n  intermediate: 1"), encoding="utf-8"
    )
    with pytest.raises(
        UserError,
        match=r"encoder\.intermediate is 1; it must be less than the 1 layers of the base",
    ):
        train_recogniser(path, tmp_path / "further", str(model.path))


def test_a_space_at_the_end_is_no_word(model: RecogniserFolder) -> None:
    finder = recog.load(model.path).lexicon_decoder
    assert finder is not None
    said = Hypothesis("x y ", 0.0, 0.0, (), ())
    assert finder.words_of(said) == ["so", "see"] and finder.words_of(replace(said, text=" ")) == []


def test_new_sounds_for_a_model_that_has_its_own_are_refused(
    model: RecogniserFolder, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.tsv").write_text("so\tq\n", encoding="utf-8")
    with pytest.raises(UserError, match="sounds that the base model does not know: q"):
        train_recogniser(
            recipe(corpus, tmp_path, str(tmp_path / "other.tsv"), 1),
            tmp_path / "out",
            str(model.path),
        )


def test_a_file_of_pronunciations_that_was_changed_is_told(
    model: RecogniserFolder, tmp_path: Path
) -> None:
    shutil.copytree(model.path, tmp_path / "changed", ignore=shutil.ignore_patterns("training"))
    (tmp_path / "changed" / "pronunciations.tsv").write_text("so\tx\n", encoding="utf-8")
    with pytest.raises(UserError, match="does not match the checksum"):
        recog.load(tmp_path / "changed")


def test_words_of_the_folder_that_the_dictionary_lacks_are_said_by_their_spelling(
    corpus: Path, tmp_path: Path
) -> None:
    class G2P:
        def pronounce(self, words: list[str]) -> list[str]:
            return ["x" if word == "so" else "" for word in words]

    from recog.text.alphabet import Alphabet
    from recog.training.recogniser.data import prepare
    from recog.training.recogniser.recipe import read_recipe

    known = {word: ways for word, ways in SAID.items() if word not in ("so", "no")}
    data = prepare(
        read_recipe(recipe(corpus, tmp_path, "null", 1)), tmp_path / "features",
        pronunciations=known, phones=Alphabet((" ", "x", "y", "z")), g2p=G2P(),
    )  # fmt: skip
    assert data.pronunciations == {**known, "so": ("x",)}
    said = {example.text: example.phones for example in data.train}
    assert said["so see"] == (2, 1, 3) and said["no sea"] == ()
