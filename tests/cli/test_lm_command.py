"""``recog lm`` from text to perplexity, and what it says to mistakes."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from recog.cli import app
from recog.lm.arpa import read_arpa

LINES = ["the cat sat", "the dog sat down", "a cat ran", "the cat and the dog ran", "a dog sat"] * 3


def recog_lm(*arguments: object):
    return CliRunner().invoke(app, ["lm", *map(str, arguments)])


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def model(text, tmp_path):
    path = tmp_path / "model.arpa"
    result = recog_lm("train", text, "--out", path)
    assert result.exit_code == 0, result.output
    return path


def test_train_writes_what_was_asked_for(text, tmp_path):
    small = tmp_path / "small.arpa.gz"
    options = ("--order", 2, "--vocabulary", 3, "--prune-counts", "0,3", "--normalise", "basic")
    assert recog_lm("train", text, "-o", small, *options).exit_code == 0
    ngrams = read_arpa(small)
    assert ngrams.words == ("<unk>", "<s>", "</s>", "cat", "dog", "the") and ngrams.order == 2
    characters = tmp_path / "characters.arpa"
    assert recog_lm("train", text, "-o", characters, "--unit", "character").exit_code == 0
    ngrams = read_arpa(characters)
    assert ngrams.unit == "character" and ngrams.order == 6 and "|" in ngrams.words


def test_a_vocabulary_from_a_file(text, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("cat\ndog\n\nzebra\n", encoding="utf-8")
    assert recog_lm("train", text, "-o", tmp_path / "m.arpa", "--vocabulary", words).exit_code == 0
    assert read_arpa(tmp_path / "m.arpa").words[3:] == ("cat", "dog", "zebra")


def test_prune(model, tmp_path):
    before, out = read_arpa(model), tmp_path / "pruned.arpa.xz"
    total = sum(map(len, before.levels))
    result = recog_lm("prune", model, out, "--prune-to", total - 10)
    assert result.exit_code == 0, result.output
    assert len(before.words) < sum(map(len, read_arpa(out).levels)) <= total - 10


def test_prune_while_training_knows_the_counts(text, tmp_path):
    out = tmp_path / "pruned.arpa"
    assert recog_lm("train", text, "-o", out, "--threshold", "0.02").exit_code == 0
    whole = tmp_path / "whole.arpa"
    assert recog_lm("train", text, "-o", whole).exit_code == 0
    assert sum(map(len, read_arpa(out).levels)) < sum(map(len, read_arpa(whole).levels))


def test_perplexity_of_either_form(text, model, tmp_path):
    assert recog_lm("prune", model, tmp_path / "model.bin").exit_code == 0
    results = [
        recog_lm("perplexity", path, text, "--json") for path in (model, tmp_path / "model.bin")
    ]
    assert [result.exit_code for result in results] == [0, 0], results[0].output
    one, other = (json.loads(result.stdout) for result in results)
    assert one["tokens"] == sum(len(line.split()) + 1 for line in LINES) and one["unknown"] == 0
    assert 1 < one["including_unknown"] < 8
    assert other["log10"] == pytest.approx(one["log10"], abs=1e-3)
    plain = recog_lm("perplexity", model, text)
    assert f"{one['including_unknown']:.2f}" in plain.stdout


def test_display_order_is_that_of_the_ink(tmp_path):
    text, ink = tmp_path / "text.txt", tmp_path / "ink.txt"
    text.write_text("שלום לך\nשלום רב\n", encoding="utf-8")
    ink.write_text("ךל םולש\nבר םולש\n", encoding="utf-8")
    for source, name, options in (
        (text, "text", ()),
        (text, "display", ("--display",)),
        (ink, "ink", ()),
    ):
        arguments = (
            "train",
            source,
            "-o",
            tmp_path / f"{name}.arpa",
            "--unit",
            "character",
            "--order",
            4,
        )
        assert recog_lm(*arguments, *options).exit_code == 0
    files = {
        name: (tmp_path / f"{name}.arpa").read_text(encoding="utf-8")
        for name in ("text", "display", "ink")
    }
    assert files["display"] == files["ink"] != files["text"]
    results = [
        recog_lm("perplexity", tmp_path / "ink.arpa", text, "--json", *o)
        for o in ((), ("--display",))
    ]
    logical, display = (json.loads(result.stdout)["including_unknown"] for result in results)
    assert display < logical


def test_mix(text, model, tmp_path):
    second, out = tmp_path / "second.arpa", tmp_path / "mixed.arpa"
    other = tmp_path / "other.txt"
    other.write_text("a bird sang\nthe bird flew\n", encoding="utf-8")
    assert recog_lm("train", other, "-o", second, "--order", 2).exit_code == 0
    assert recog_lm("mix", model, second, "-o", out, "--weights", "3,1").exit_code == 0
    assert {"cat", "bird"} <= set(read_arpa(out).words)
    tuned = recog_lm("mix", model, second, "-o", out, "--tune", text)
    assert tuned.exit_code == 0, tuned.output
    assert float(tuned.stderr.split("Weights: ")[1].split()[0]) > 0.5


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (("train", "text.txt", "-o", "m.txt"), 2, "name ends in"),
        (("train", "text.txt", "-o", "absent/m.arpa"), 2, "no such folder"),
        (("train", "text.txt", "-o", "m.arpa", "--quantise"), 2, "only .bin"),
        (("train", "text.txt", "-o", "m.arpa", "--prune-counts", "0,x"), 2, "whole numbers"),
        (("train", "text.txt", "-o", "m.arpa", "--prune-counts", "1"), 1, "cut-off of unigrams"),
        (("train", "text.txt", "-o", "m.arpa", "--normalise", "odd"), 1, "no text normalisation"),
        (
            ("train", "text.txt", "-o", "m.arpa", "--prune-to", "9", "--threshold", "1"),
            2,
            "exclude each other",
        ),
        (("train", "absent.txt", "-o", "m.arpa"), 1, "absent.txt"),
        (("prune", "model.arpa", "model.arpa"), 2, "overwrite"),
        (("mix", "model.arpa", "-o", "m.arpa", "--weights", "1"), 2, "nothing to mix"),
        (("mix", "model.arpa", "model.arpa", "-o", "m.arpa"), 2, "either --weights or --tune"),
        (("mix", "model.arpa", "model.arpa", "-o", "m.arpa", "--weights", "1,-1"), 2, "2 weights"),
        (("perplexity", "absent.arpa", "text.txt"), 1, "absent.arpa"),
    ],
)
def test_mistakes_are_one_sentence(arguments, code, message, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = recog_lm(*arguments)
    assert result.exit_code == code, result.output
    assert (
        message in result.stderr
        and result.stderr.startswith("recog: ")
        and result.stderr.count("\n") == 1
    )
    assert sorted(tmp_path.iterdir()) == before


def test_a_notice_is_no_error(tmp_path):
    text, out = tmp_path / "text.txt", tmp_path / "m.arpa"
    text.write_text("a b\n", encoding="utf-8")
    command = [sys.executable, "-m", "recog", "lm", "train", str(text), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "too small" in done.stderr and out.is_file(), done.stderr
