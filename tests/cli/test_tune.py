"""Tuning: the search finds the best setting, and what was found is written into the model and
used."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import recog
from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.errors import UsageError, UserError
from recog.evaluation.counts import Pair
from recog.evaluation.score import evaluate
from recog.lm.binary import write_binary
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.trie import NGramTrie
from recog.model.config import DecodingConfig, View
from recog.model.recogniser_folder import open_recogniser_folder, update_recogniser_folder
from recog.recognition.words import Span
from recog.training.recogniser.rows import dev_rows
from recog.tuning.calibration import calibrate_words
from recog.tuning.card import HEADING, decoding_section, with_section
from recog.tuning.lm_files import language_file_names
from recog.tuning.model import TuneOptions, best_start, tune_model
from recog.tuning.search import Search, Setting, Utterance

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
SYMBOLS = ["", "a", "b", " "]


class Bowl(Search):
    """An error rate with one lowest point, known beforehand."""

    def measure(self, setting: Setting) -> float:
        self.results.setdefault(setting, SimpleNamespace())
        return (
            (setting.alpha - 1.3) ** 2
            + (setting.beta + 1.0) ** 2 / 10
            + 0.002 * (setting.beam < 16)
        )


def test_the_search_walks_to_the_lowest_point_and_measures_nothing_twice() -> None:
    search = Bowl(SYMBOLS, [], [], "wer", "none")
    found = search.run(Setting(beam=25), ["alpha", "beta"])
    assert abs(found.alpha - 1.3) <= 0.05 and abs(found.beta + 1.0) <= 0.125
    assert (found.unknown_cost, found.temperature, found.beam) == (2.0, 1.0, 25)
    assert len(search.results) < 60


def test_the_narrowest_beam_that_is_as_good_is_chosen() -> None:
    assert Bowl(SYMBOLS, [], [], "wer", "none").choose_beam(Setting(beam=50)).beam == 16


def test_a_language_model_that_knows_better_gets_a_weight() -> None:
    frame = {
        "a": [0.04, 0.5, 0.42, 0.04],
        "b": [0.04, 0.42, 0.5, 0.04],
        " ": [0.02, 0.02, 0.02, 0.94],
        "-": [1, 0, 0, 0],
    }
    heard = "a-a- -b-a- -a-b"  # "ab" throughout, in half of the letters misheard
    x = np.log(np.array([frame[c] for c in heard]) + 1e-4)
    x = (x - np.log(np.exp(x).sum(axis=1, keepdims=True))).astype(np.float32)
    lm = NGramTrie.from_ngrams(estimate(["ab ab ab ab"] * 5, unit="word", order=2))
    search = Search(
        SYMBOLS,
        [Utterance("u", (Posteriors(x),), "ab ab ab", None)],
        [lm],
        "wer",
        "none",
        threads=1,
    )
    start = Setting(alpha=0.0, beta=0.0)
    assert search.measure(start) > 0
    found = search.run(start, ["alpha", "beta"])
    assert search.measure(found) == 0 and found.alpha > 0
    assert search.pairs(found)[0].hypothesis == "ab ab ab"
    assert search.pairs(replace(found, temperature=2.0))[0].reference == "ab ab ab"


def test_a_new_language_model_tells_whether_rows_are_sentences() -> None:
    # a word, hardly heard
    faint = np.log(np.array([[0.9, 0.08, 0.01, 0.01], [0.9, 0.01, 0.08, 0.01]], np.float32))
    lm = NGramTrie.from_ngrams(estimate(["ab"] * 200 + ["ba"] * 200, unit="word", order=2))
    search = Search(
        SYMBOLS, [Utterance("u", (Posteriors(faint),), "ab", None)], [lm], "wer", "none", threads=1
    )
    start = Setting(alpha=2.0, beta=-1.0, unknown_cost=5.0)
    assert search.pairs(start)[0].hypothesis == "", "nothing said costs nothing"
    better, begin = best_start(search, start, ["alpha", "beta"])
    assert better.sentence and not search.sentence
    assert better.pairs(begin)[0].hypothesis == "ab", "no sentence of the language model is empty"
    plain = np.log(np.full((1, 4), 0.01, np.float32))
    plain[0, 1] = np.log(0.97)
    alike = Search(
        SYMBOLS, [Utterance("u", (Posteriors(plain),), "a", None)], [], "wer", "none", threads=1
    )
    assert best_start(alike, start, []) == (alike, start), "what is no better stays as it was"


def test_the_section_of_a_card_is_written_once() -> None:
    card = "# m\n\n## Network\n\nx\n\n## Data and licences\n\ny\n"
    once = with_section(card, f"{HEADING}\n\nfirst\n")
    twice = with_section(once, f"{HEADING}\n\nsecond\n")
    assert once.index(HEADING) < once.index("## Data and licences") and "x" in once and "y" in once
    assert twice == once.replace("first", "second")
    assert with_section("# m\n", f"{HEADING}\n\nz\n") == f"# m\n\n{HEADING}\n\nz\n"


def test_a_tuned_model_keeps_its_language_model_and_uses_it(tmp_path: Path) -> None:
    for name in ("letter", "numbers"):
        for suffix in (".wav", ".txt"):
            shutil.copy(SAMPLES / f"{name}{suffix}", tmp_path / f"{name}{suffix}")
    rows = dev_rows(tmp_path)
    model = NGramTrie.from_ngrams(
        estimate([row.text.lower() for row in rows] * 3, unit="word", order=2)
    )
    write_binary(model, tmp_path / "own.bin")
    out = tmp_path / "tuned"
    said: list[str] = []
    summary = tune_model(
        recog.load("english-speech", beam=0, threads=1),
        rows,
        TuneOptions(
            lm=tmp_path / "own.bin",
            out=out,
            what="samples",
            metric="wer",
            beam=8,
            sentence=False,
            fixed=frozenset({"unknown_cost", "temperature", "beam"}),
        ),
        said.append,
    )
    assert "best path" in summary and len(said) > 5
    config = json.loads((out / "config.json").read_text())
    assert config["decoding"]["lm"] == "lm.bin" and config["decoding"]["beam"] == 8
    assert (out / "lm.bin").read_bytes() == (tmp_path / "own.bin").read_bytes()
    assert HEADING in (out / "README.md").read_text()
    tuned = recog.load(out)
    assert tuned.decoder is not None and tuned.decoder.fusion is not None
    assert tuned.transcribe(tmp_path / "letter.wav").text
    assert recog.load(out, beam=0).decoder is None
    (out / "lm.bin").write_bytes(b"another")
    with pytest.raises(UserError, match="checksum"):
        recog.load(out)


def test_a_model_reads_each_line_with_the_language_model_of_its_language(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("garden", "maison"):
        for suffix in (".png", ".gt.txt"):
            shutil.copy(SAMPLES / f"{name}{suffix}", tmp_path / "data" / f"{name}{suffix}")
    rows = dev_rows(tmp_path / "data")
    for row in rows:
        write_binary(
            estimate([row.text] * 5, unit="character", order=5), tmp_path / f"{row.media.stem}.bin"
        )
    out = tmp_path / "tuned"
    tune_model(
        recog.load("latin-handwriting", beam=0, threads=1),
        rows,
        TuneOptions(
            lm=tmp_path / "maison.bin",
            languages={"English": tmp_path / "garden.bin"},
            out=out,
            what="samples",
            metric="cer",
            beam=8,
            sentence=False,
            fixed=frozenset({"temperature", "beam"}),
        ),
        lambda _: None,
    )
    assert "have a model of it: English." in (out / "README.md").read_text()
    decoding = json.loads((out / "config.json").read_text())["decoding"]
    assert decoding["lm"] == "lm.bin" and decoding["languages"] == {"English": "lm-english.bin"}
    assert (out / "lm-english.bin").read_bytes() == (tmp_path / "garden.bin").read_bytes()
    tuned = recog.load(out, threads=1)
    for k, name in enumerate(("maison", "garden")):
        seen: list[Any] = []
        text = (SAMPLES / f"{name}.gt.txt").read_text().strip()
        assert tuned.transcribe(SAMPLES / f"{name}.png", keep=seen.append).text == text
        assert tuned.line_languages(seen) == [k]
    assert (
        len(recog.load(out, language="french").decoders)
        == len(recog.load(out, language="English").decoders)
        == 1
    )
    assert (
        recog.load(out, beam=0).decoders == []
        and len(recog.load(out, lm="none", beam=5).decoders) == 1
    )
    with pytest.raises(UserError, match="is for French and English, not for Greek"):
        recog.load(out, language="Greek")
    again = tmp_path / "again"
    tune_model(
        recog.load(out, beam=0, threads=1),
        rows,
        TuneOptions(
            out=again,
            what="samples",
            metric="cer",
            beam=8,
            sentence=False,
            fixed=frozenset({"alpha", "beta", "temperature", "beam"}),
        ),
        lambda _: None,
    )
    assert (again / "lm-english.bin").read_bytes() == (out / "lm-english.bin").read_bytes()
    with pytest.raises(UsageError, match="beside a usual one"):
        tune_model(
            recog.load("latin-handwriting", beam=0),
            rows,
            TuneOptions(
                languages={"English": tmp_path / "garden.bin"},
                out=again,
                what="x",
                metric="cer",
                beam=8,
                sentence=False,
                fixed=frozenset(),
            ),
            lambda _: None,
        )


def test_words_that_the_language_model_lacks_are_left_to_the_letters(tmp_path: Path) -> None:
    for name in ("letter", "numbers"):
        for suffix in (".wav", ".txt"):
            shutil.copy(SAMPLES / f"{name}{suffix}", tmp_path / f"{name}{suffix}")
    write_binary(estimate(["zoo zebra", "zebra zoo"], unit="word", order=2), tmp_path / "zoo.bin")
    said: list[str] = []
    tune_model(
        recog.load("english-speech", beam=0, threads=1),
        dev_rows(tmp_path),
        TuneOptions(
            lm=tmp_path / "zoo.bin",
            out=tmp_path / "tuned",
            what="samples",
            metric="cer",
            beam=8,
            sentence=False,
            fixed=frozenset({"alpha", "beta", "unknown_cost", "temperature", "beam"}),
        ),
        said.append,
    )
    assert any("searching in the letters" in line for line in said)
    decoding = json.loads((tmp_path / "tuned" / "config.json").read_text())["decoding"]
    assert (
        decoding["sounds"] is False
        and decoding["dev"]["cer"] <= decoding["dev"]["best_path_cer"] + 0.05
    )
    model = recog.load(tmp_path / "tuned")
    assert model.lexicon_decoder is None and model.decoder is not None
    assert not {"zoo", "zebra"} & set(model.transcribe(SAMPLES / "numbers.wav").text.split())


def test_files_of_language_models_have_names_of_their_own() -> None:
    path = Path("x.bin")
    names = language_file_names(
        {"Old English": path, "old-english": path, "Русский": path, "日本語": path, "x" * 200: path}
    )
    assert list(names.values())[:4] == [
        "lm-old-english.bin",
        "lm-old-english-3.bin",
        "lm-4.bin",
        "lm-5.bin",
    ]
    assert len(names["x" * 200]) < 60
    DecodingConfig(lm="lm.bin", languages=names)


def test_a_model_tuned_without_a_language_model_still_hears_sounds(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "numbers.wav", tmp_path / "numbers.wav")
    shutil.copy(SAMPLES / "numbers.txt", tmp_path / "numbers.txt")
    model_folder = open_recogniser_folder("english-speech")
    bare = model_folder.config.model_copy(update={"decoding": DecodingConfig()})
    update_recogniser_folder(model_folder, tmp_path / "bare", bare, {}, model_folder.card)
    tune_model(
        recog.load(tmp_path / "bare", beam=0, threads=1),
        dev_rows(tmp_path),
        TuneOptions(
            out=tmp_path / "tuned",
            what="samples",
            metric="cer",
            beam=8,
            sentence=False,
            fixed=frozenset({"beam"}),
        ),
        lambda _: None,
    )
    assert open_recogniser_folder(tmp_path / "tuned").config.decoding.sounds


def test_the_card_says_how_doubtful_speech_is_heard_again() -> None:
    result = evaluate([Pair("a", "one two", "one two", None)], normalise="spoken")
    views = (View(), View(width=1.2))
    section = decoding_section(
        Setting(), result, result, "dev", True, math.nan, views=views, speech=True
    )
    assert (
        "Doubtful stretches are heard again, 1.2 times as slow." in section
        and "slant" not in section
    )


@dataclass
class Heard:
    """A search whose utterances have so many words each, all of them right with the same
    confidence."""

    counts: tuple[int, ...]
    normalise: str = "none"

    @property
    def utterances(self) -> list[Utterance]:
        return [
            Utterance("u", (Posteriors(np.zeros((1, 2)), None),), " ".join(count * ["a"]), None)
            for count in self.counts
        ]

    def hypotheses(self, _: Setting) -> list[list[int]]:
        return [[count] for count in self.counts]

    def log_probs(self, piece: Posteriors) -> np.ndarray:
        return piece.log_probs

    def spans(self, _: np.ndarray, count: int) -> list[Span]:
        return count * [("a", 0.0, 1.0, 0.7)]


@pytest.mark.parametrize(
    ("counts", "enough"),
    [((250,), False), ((250, 0), False), ((150, 10), False), ((150, 60), True)],
)
def test_confidences_are_calibrated_where_both_halves_have_words(
    counts: tuple[int, ...], enough: bool
) -> None:
    found, confidences, right = calibrate_words(Heard(counts), Setting())  # type: ignore[arg-type]
    assert (found is not None) == enough
    assert len(confidences) == len(right) == (sum(counts) if enough else 0) and right.all()
