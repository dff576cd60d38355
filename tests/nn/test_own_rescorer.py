"""A recogniser with a neural language model of its own: weighed, kept in its folder, used and left
out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import recog
from recog.decoding.hypothesis import Hypothesis
from recog.decoding.rescoring.nbest import Rescorer, within_margin
from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.errors import UserError
from recog.model.language_model import LanguageNetworkConfig
from recog.model.recogniser_folder import open_recogniser_folder
from recog.nn.language_model import LanguageNetwork
from recog.training.language_model.export import export_language_model_folder
from recog.training.language_model.recipe import LanguageRecipe
from recog.training.recogniser.rows import dev_rows
from recog.tuning.model import TuneOptions, tune_model
from recog.tuning.rescoring import choose_rescorer
from recog.tuning.search import Search, Setting, Utterance

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
FIXED = frozenset({"alpha", "beta", "unknown_cost", "temperature", "beam"})


class Likes:
    """A language model to which a text is the likelier, the oftener it has a letter."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def score(self, texts, before=None, *, sentence=None):
        return np.array([2.0 * text.count(self.letter) - 4.0 for text in texts])

    def alike(self, texts):
        return len(set(texts)) <= 1


def doubtful(text: str) -> Utterance:
    """Frames in which "a" is always a little more probable than "b"."""
    frame = np.log(np.array([0.05, 0.5, 0.45], np.float32))
    blank = np.log(np.array([0.98, 0.01, 0.01], np.float32))
    return Utterance(text, (Posteriors(np.stack([frame, blank] * 2)),), text, None)


def test_a_neural_model_gets_the_weight_at_which_the_errors_are_fewest() -> None:
    search = Search(["", "a", "b"], [doubtful("ab"), doubtful("bb")], [], "cer", "none", threads=1)
    assert [best.text for [best] in search.hypotheses(Setting())] == ["aa", "aa"]
    rescorer = choose_rescorer(search, Setting(), [Likes("a"), Likes("b")])
    assert rescorer is not None and 0.1 <= rescorer.weight <= 1.5
    rescored = Search(
        ["", "a", "b"], search.utterances, [], "cer", "none", threads=1, rescorer=rescorer
    )
    assert [best.text for [best] in rescored.hypotheses(Setting())] == ["bb", "bb"]
    assert choose_rescorer(search, Setting(), [Likes("a")]) is None, "it gains nothing"


@pytest.fixture(scope="module")
def unigrams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A neural model of a few words, each as likely everywhere: "nine" far likelier than the
    others."""
    symbols = ("<unk>", "</s>", "nine", "five", "the")
    config = LanguageNetworkConfig(embedding=4, hidden=4, layers=1, tied=True)
    network = LanguageNetwork(config, len(symbols))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.head.bias.copy_(torch.tensor([-6.0, -9.0, 8.0, 0.0, 0.0]))
    recipe = LanguageRecipe(
        name="toy",
        modality="text",
        data=({"path": "none"},),
        unit="word",
        normalise="spoken",
        network=config,
    )  # type: ignore[arg-type]
    folder = tmp_path_factory.mktemp("unigrams")
    export_language_model_folder(recipe, symbols, network.state_dict(), folder, trained={})
    return folder


@pytest.fixture(scope="module")
def tuned(unigrams: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for suffix in (".wav", ".txt"):
        shutil.copy(SAMPLES / f"numbers{suffix}", folder / f"numbers{suffix}")
    out = folder / "tuned"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "recog.tuning.model.choose_rescorer",
            lambda search, setting, lms: Rescorer(lms[1], 0.7, 0.5, 1000.0),
        )
        tune_model(
            recog.load("english-speech", beam=0, threads=1, rescore="none"),
            dev_rows(folder),
            TuneOptions(
                out=out,
                what="samples",
                metric="wer",
                beam=8,
                sentence=False,
                fixed=FIXED,
                rescore=unigrams,
            ),
            lambda _: None,
        )
    return out


def test_it_is_kept_in_the_models_folder_and_on_the_card(tuned: Path, unigrams: Path) -> None:
    config = json.loads((tuned / "config.json").read_text())
    assert config["decoding"]["rescoring"] == {
        "weight": 0.7,
        "interpolate": 0.5,
        "margin": 1000.0,
        "unknown_cost": 2.5,
    }
    assert (tuned / "rescorer.onnx").read_bytes() == (unigrams / "model.onnx").read_bytes()
    assert {"rescorer.onnx", "rescorer.json"} <= set(config["files"])
    assert (
        "within 1000 of the best anew, and puts together what is best in each: weight 0.7, 50 % of"
        in (tuned / "README.md").read_text()
    )


def test_tuned_again_with_its_weights_fixed_it_stays(tuned: Path, tmp_path: Path) -> None:
    rows = dev_rows(tuned.parent)
    tune_model(
        recog.load(tuned, beam=0, threads=1),
        rows,
        TuneOptions(
            out=tmp_path,
            what="samples",
            metric="wer",
            beam=8,
            sentence=False,
            fixed=FIXED | {"rescoring"},
        ),
        lambda _: None,
    )
    again = open_recogniser_folder(tmp_path)
    assert (
        again.config.decoding.rescoring == open_recogniser_folder(tuned).config.decoding.rescoring
    )
    assert again.file("rescorer.onnx").read_bytes() == (tuned / "rescorer.onnx").read_bytes()


def test_it_is_used_unless_the_options_speak_against_it(tuned: Path, unigrams: Path) -> None:
    own = recog.load(tuned, threads=1).rescorer
    assert own is not None and (own.weight, own.interpolate) == (0.7, 0.5)
    for options in (
        {"rescore": "none"}, {"lm": "none"}, {"beam": 0}, {"rescore_weight": 0.0},
    ):  # fmt: skip
        assert recog.load(tuned, threads=1, **options).rescorer is None, options
    hot = recog.load(tuned, threads=1, hotwords={"The Wharf": 5.0, "nine": 1.0}).rescorer
    assert hot is not None and (hot.weight, hot.interpolate) == (0.7, 0.5)
    usual, expected = (
        own.lm.score(["wharf", "quay", "nine"]),
        hot.lm.score(["wharf", "quay", "nine"]),
    )
    assert expected[0] == pytest.approx(usual[0] + 2.5 * len("wharf")) and expected[
        1:
    ] == pytest.approx(usual[1:])
    other = recog.load(tuned, threads=1, rescore=unigrams).rescorer
    assert other is not None and (other.weight, other.interpolate) == (0.3, 0.0)


def test_it_changes_what_is_heard(tuned: Path) -> None:
    heard = recog.load(tuned, threads=1, rescore="none").transcribe(SAMPLES / "numbers.wav").text
    anew = (
        recog.load(tuned, threads=1, rescore_weight=20.0).transcribe(SAMPLES / "numbers.wav").text
    )
    assert anew.split().count("nine") >= heard.split().count("nine") and anew != heard


def test_a_damaged_one_is_told(tuned: Path, tmp_path: Path) -> None:
    for name in ("rescorer.onnx", "rescorer.json"):
        broken = tmp_path / name
        shutil.copytree(tuned, broken)
        (broken / name).write_bytes(b"?")
        with pytest.raises(UserError, match=f"{name}: does not match the checksum"):
            recog.load(broken)
        assert recog.load(broken, rescore="none", threads=1).rescorer is None


def test_readings_far_behind_the_best_are_not_asked_about() -> None:
    readings = [Hypothesis("x", score, score, (), ()) for score in (-1.0, -6.9, -7.1)]
    assert (
        within_margin(readings) == readings[:2]
        and within_margin(readings, 6.5) == readings
        and within_margin([]) == []
    )
