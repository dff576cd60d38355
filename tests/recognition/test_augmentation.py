"""Test-time augmentation: which lines are read in all variants, and their texts."""

import json
from pathlib import Path

import numpy as np
import pytest

import recog
from recog.decoding.ctc.word_spans import Timing, word_spans
from recog.decoding.greedy import best_path
from recog.decoding.rescoring.test_time_augmentation import decode_variants
from recog.errors import UserError
from recog.media.audio.reader import read_sound
from recog.media.image.reader import read_image
from recog.model.config import DecodingConfig, View
from recog.model.recogniser_folder import (
    ModelConfig,
    open_recogniser_folder,
    update_recogniser_folder,
)
from recog.recognition.dataset import row_posteriors
from recog.training.recogniser.rows import dev_rows
from recog.tuning.model import TuneOptions, tune_model

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """latin-handwriting without language models, with two views."""
    base, out = (
        open_recogniser_folder("latin-handwriting"),
        tmp_path_factory.mktemp("model") / "views",
    )
    decoding = DecodingConfig(beam=10, views=(View(width=1.25), View(slant=0.1)), doubt=0.02)
    update_recogniser_folder(
        base, out, base.config.model_copy(update={"decoding": decoding}), {}, base.card
    )
    return out


def test_doubtful_lines_are_looked_at_in_all_views(model: Path):
    image = read_image(SAMPLES / "garden.png")
    counts = {}
    for looks in ("once", "auto", "all", None):
        reader = recog.load(model, looks=looks, threads=1)
        counts[looks] = len(reader.posteriors(image)[0].variants)
        clear, _ = reader.posteriors(np.full_like(image, 255))
        assert len(clear.variants) == (looks == "all")  # a blank line is beyond doubt
    assert counts == {"once": 0, "auto": 1, "all": 1, None: 1}
    assert len(recog.load(model, beam=0, threads=1).posteriors(image)[0].variants) == 0


def test_what_is_read_is_what_all_views_say(model: Path):
    reader = recog.load(model, threads=1)
    seen, _ = reader.posteriors(read_image(SAMPLES / "garden.png"))
    assert len(seen.log_probs) > 1.2 * len(seen.variants[0].log_probs)  # the first is the wider one
    assert reader.decoder is not None
    [[best]] = decode_variants(reader.decoder, [[seen.log_probs, seen.variants[0].log_probs]])
    assert reader.transcribe(SAMPLES / "garden.png").text == " ".join(best.text.split())
    assert reader.decode(seen)[0] == " ".join(best.text.split())


def test_words_stand_where_they_do_without_views(model: Path):
    lines = [recog.load(name, threads=1, lm="none", beam=10).transcribe(SAMPLES / "garden.png").lines[0]
             for name in (model, "latin-handwriting")]  # fmt: skip
    assert lines[0].text == lines[1].text and len(lines[0].words) > 3
    for a, b in zip(lines[0].words, lines[1].words, strict=True):
        assert a.box is not None and b.box is not None
        assert np.abs(np.subtract(a.box, b.box)).max() < 12


def test_rows_of_a_corpus_and_tuning_take_all_views(model: Path, tmp_path: Path):
    (tmp_path / "garden.png").write_bytes((SAMPLES / "garden.png").read_bytes())
    (tmp_path / "garden.gt.txt").write_bytes((SAMPLES / "garden.gt.txt").read_bytes())
    rows = dev_rows(tmp_path)
    assert [
        len(piece.variants) for piece in row_posteriors(recog.load(model, threads=1), rows[0])
    ] == [1]
    tune_model(
        recog.load(model, beam=0, looks="auto", threads=1),
        rows,
        TuneOptions(
            out=tmp_path / "tuned",
            what="one line",
            metric="cer",
            beam=8,
            sentence=False,
            fixed=frozenset({"beam"}),
        ),
        lambda _: None,
    )
    decoding = json.loads((tmp_path / "tuned" / "config.json").read_text())["decoding"]
    assert decoding["views"] == [{"slant": 0.0, "width": 1.25}, {"slant": 0.1, "width": 1.0}]
    assert decoding["doubt"] == 0.02
    assert (
        "in 2 views (slant 0, width 1.25; slant 0.1, width 1)"
        in (tmp_path / "tuned" / "README.md").read_text()
    )
    tune_model(
        recog.load(model, beam=0, looks="auto", threads=1),
        rows,
        TuneOptions(
            out=tmp_path / "other",
            what="one line",
            metric="cer",
            beam=8,
            sentence=False,
            fixed=frozenset({"beam"}),
            views=[View(slant=-0.1)],
            doubt=0.3,
        ),
        lambda _: None,
    )
    other = recog.load(tmp_path / "other").config.decoding
    assert other.views == (View(slant=-0.1),) and other.doubt == 0.3


def test_a_best_path_has_no_use_for_all_views(model: Path):
    with pytest.raises(UserError, match="needs a beam of at least 1"):
        recog.load(model, beam=0, looks="all")


def test_speech_is_heard_again_more_slowly(tmp_path: Path):
    base = open_recogniser_folder("english-speech")
    assert base.config.decoding.lm is not None
    decoding = base.config.decoding.model_copy(
        update={"views": (View(), View(width=1.25)), "doubt": 0.0}
    )
    files = {name: base.file(name).read_bytes() for name in (base.config.decoding.lm,)}
    update_recogniser_folder(
        base,
        tmp_path / "m",
        base.config.model_copy(update={"decoding": decoding}),
        files,
        base.card,
    )
    once, twice = (recog.load(tmp_path / "m", looks=looks, threads=1) for looks in ("once", None))
    wave = read_sound(SAMPLES / "letter.wav")
    seen = twice.posteriors(wave)
    assert len(seen.variants) == 1 and len(once.posteriors(wave).variants) == 0
    assert len(seen.variants[0].log_probs) == pytest.approx(1.25 * len(seen.log_probs), abs=2)
    assert seen.phones is not None and seen.variants[0].phones is not None
    assert len(seen.variants[0].phones) == len(seen.variants[0].log_probs)
    assert twice.decode(seen)[0] == twice.transcribe(SAMPLES / "letter.wav").text
    assert (
        twice.decode(seen._replace(variants=()))[0] == once.transcribe(SAMPLES / "letter.wav").text
    )
    lines = [model.transcribe(SAMPLES / "letter.wav").lines[0] for model in (once, twice)]
    assert lines[0].end is not None and lines[1].end == pytest.approx(
        lines[0].end, abs=0.3
    )  # of the first view's frames


@pytest.mark.parametrize(
    "views", [(View(width=1.1),), (View(slant=0.1),), (View(), View(slant=0.1))]
)
def test_views_that_speech_cannot_have_are_refused(views: tuple[View, ...]):
    config = open_recogniser_folder("english-speech").config.model_dump()
    config["decoding"]["views"] = [view.model_dump() for view in views]
    with pytest.raises(ValueError, match="the first view of speech is as it is"):
        ModelConfig.model_validate(config)


def test_a_model_without_views_is_written_as_before():
    assert (
        "views" not in DecodingConfig().model_dump()
        and "doubt" not in DecodingConfig().model_dump()
    )


def test_confidences_of_a_best_path_are_those_of_the_network():
    reader = recog.load("latin-handwriting", beam=0, threads=1)
    seen, _ = reader.posteriors(read_image(SAMPLES / "garden.png"))
    assert reader.config.decoding.temperature != 1.0
    spans = word_spans(
        seen.log_probs,
        best_path(seen.log_probs),
        reader.config.symbols,
        timing=Timing(offset=reader.config.decoding.offset),
    )
    assert [c for *_, c in reader.decode(seen)[1]] == [
        reader.calibrate(span.confidence) for span in spans
    ]
