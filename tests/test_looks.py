"""A line looked at again: which lines are, and what becomes of it."""

import json
from pathlib import Path

import numpy as np
import pytest

import recog
from recog.decoding.views import decode_views
from recog.media.image import read_image
from recog.model.bundle import open_bundle, update_bundle
from recog.model.config import DecodingConfig, View
from recog.runner import pieces_of
from recog.tune import dev_rows, tune_model

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """latin-handwriting without language models, with two views."""
    base, out = open_bundle("latin-handwriting"), tmp_path_factory.mktemp("model") / "views"
    decoding = DecodingConfig(beam=10, views=(View(width=1.25), View(slant=0.1)), doubt=0.02)
    update_bundle(base, out, base.config.model_copy(update={"decoding": decoding}), {}, base.card)
    return out


def test_doubtful_lines_are_looked_at_in_all_views(model: Path):
    image = read_image(SAMPLES / "garden.png")
    counts = {}
    for looks in ("once", "auto", "all", None):
        reader = recog.load(model, looks=looks, threads=1)
        counts[looks] = len(reader.look(image).again)
        clear = reader.look(np.full_like(image, 255))
        assert len(clear.again) == (looks == "all")  # a blank line is beyond doubt
    assert counts == {"once": 0, "auto": 1, "all": 1, None: 1}
    assert len(recog.load(model, beam=0, threads=1).look(image).again) == 0


def test_what_is_read_is_what_all_views_say(model: Path):
    reader = recog.load(model, threads=1)
    seen = reader.look(read_image(SAMPLES / "garden.png"))
    assert len(seen.log_probs) > 1.2 * len(seen.again[0])  # the first is the wider one
    assert reader.decoder is not None
    [[best]] = decode_views(reader.decoder, [[seen.log_probs, *seen.again]])
    assert reader.transcribe(SAMPLES / "garden.png").text == " ".join(best.text.split())
    assert reader.decode(seen.log_probs, again=seen.again)[0] == " ".join(best.text.split())


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
    assert [len(piece.again) for piece in pieces_of(recog.load(model, threads=1), rows[0])] == [1]
    tune_model(
        recog.load(model, beam=0, looks="auto", threads=1), rows, lm=None, out=tmp_path / "tuned", what="one line",
        metric="cer", beam=8, sentence=False, fixed=frozenset({"beam"}), say=lambda _: None,
    )  # fmt: skip
    decoding = json.loads((tmp_path / "tuned" / "config.json").read_text())["decoding"]
    assert decoding["views"] == [{"slant": 0.0, "width": 1.25}, {"slant": 0.1, "width": 1.0}]
    assert decoding["doubt"] == 0.02
    assert "in 2 views (slant 0, width 1.25; slant 0.1, width 1)" in (tmp_path / "tuned" / "README.md").read_text()
    tune_model(
        recog.load(model, beam=0, looks="auto", threads=1), rows, lm=None, out=tmp_path / "other", what="one line",
        metric="cer", beam=8, sentence=False, fixed=frozenset({"beam"}), say=lambda _: None, views=[View(slant=-0.1)],
    )  # fmt: skip
    assert recog.load(tmp_path / "other").config.decoding.views == (View(slant=-0.1),)


def test_a_model_without_views_is_written_as_before():
    assert "views" not in DecodingConfig().model_dump() and "doubt" not in DecodingConfig().model_dump()
