"""Lines made anew of words of others: cut where the alignment has them, in every epoch others,
after an interruption the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import load_file

from recog.errors import UsageError, UserError
from recog.training.progress import Reporter
from recog.training.recogniser import word_crops as finding
from recog.training.recogniser.batches import Epoch, plan_epoch, stored_features
from recog.training.recogniser.data import Example, WordCrop, prepare
from recog.training.recogniser.export import corpora
from recog.training.recogniser.line_synthesis import WordCrops, synthesise_line
from recog.training.recogniser.recipe import read_recipe
from recog.training.recogniser.run import train_recogniser
from recog.training.recogniser.trainer import seeded_network
from recog.training.recogniser.word_crops import cut, load_word_crops

SPACE = 3


def planted(frames: int, peaks: dict[int, int], sure: float = 0.97) -> np.ndarray:
    """Log-probabilities (frames, 4) with a symbol in some frames and blanks in the others."""
    probs = np.full((frames, 4), 0.01, np.float32)
    for t in range(frames):
        probs[t, peaks.get(t, 0)] = sure
    return np.log(probs / probs.sum(1, keepdims=True))


def test_words_are_cut_in_the_middle_of_spaces() -> None:
    line = Example(7, 80, (1, 2, SPACE, 2, SPACE, 1), "ab b a", 1.0, "s", "line")
    words = cut(planted(20, {1: 1, 3: 2, 6: SPACE, 10: 2, 15: SPACE, 18: 1}), line, SPACE, 4)
    assert words == [
        WordCrop(7, 0, 26, (1, 2)),
        WordCrop(7, 26, 62, (2,)),
        WordCrop(7, 62, 80, (1,)),
    ]


def test_words_that_nobody_is_sure_of_are_left_out() -> None:
    line = Example(0, 40, (1, SPACE, 2), "a b", 1.0, "s", "line")
    log_probs = planted(10, {1: 1, 5: SPACE})  # no b anywhere
    assert [word.labels for word in cut(log_probs, line, SPACE, 4)] == [(1,)]


def test_a_line_made_anew_is_its_words_side_by_side(recipe_file: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_file)
    data = prepare(recipe, tmp_path / "cache")
    rows = [example for example in data.train if example.columns > 40]
    words = WordCrops.group(
        [WordCrop(row.index, 3, 33, (1, 2)) for row in rows], rows, data.alphabet.encode(" ")[0]
    )
    line = synthesise_line(rows[0], words, recipe, np.random.default_rng(0))
    assert line.columns == 30 * len(line.crops) >= 0.85 * rows[0].columns
    assert line.labels == tuple([1, 2, words.space] * len(line.crops))[:-1]
    features = stored_features(line, data.store, None)
    for k, piece in enumerate(line.crops):
        assert np.array_equal(
            features[30 * k : 30 * (k + 1)], data.store[piece.row][3:33] / np.float32(255.0)
        )
    narrow = WordCrops.group([WordCrop(rows[0].index, 0, 8, (1, 1, 1, 1, 1))], rows, words.space)
    assert synthesise_line(rows[0], narrow, recipe, np.random.default_rng(0)) is rows[0], (
        "CTC could not write it"
    )
    assert (
        synthesise_line(rows[0], WordCrops(words.space), recipe, np.random.default_rng(0))
        is rows[0]
    ), "there are no words"


def test_a_line_is_made_of_words_of_its_own_hand() -> None:
    def row(index: int, source: str, group: str | None) -> Example:
        return Example(index, 80, (1,), "a", 1.0, source, "line", group=group)

    rows = [
        row(0, "s", "x"),
        row(1, "s", "y"),
        row(2, "s", None),
        row(3, "t", "x"),
        row(4, "u", None),
    ]
    pieces = {
        k: [WordCrop(k, 0, 20, (n,)) for n in range(count)]
        for k, count in enumerate((40, 39, 5, 45, 0))
    }
    words = WordCrops.group([piece for some in pieces.values() for piece in some], rows, SPACE)
    every = pieces[0] + pieces[1] + pieces[2]
    assert [words.same_hand(one) for one in rows] == [pieces[0], every, every, pieces[3], []]


def test_a_recipe_names_hands_and_spares_corpora(
    recipe_file: Path, tmp_path: Path, monkeypatch
) -> None:
    text = recipe_file.read_text()
    recipe_file.write_text(text.replace('"}]', '", group: "line([01])"}]'))
    recipe = read_recipe(recipe_file)
    monkeypatch.setattr(finding, "MIN_LOG_PROB", -100.0)
    data = prepare(recipe, tmp_path / "cache")
    groups = {Path(example.name).stem: example.group for example in data.train + data.dev}
    assert set(groups.values()) == {"0", "1", None}, "lines 20 to 23 match nothing"
    assert all(group is None or name[4] == group for name, group in groups.items())
    network = seeded_network(recipe, len(data.alphabet))
    assert load_word_crops(network, data, recipe, tmp_path / "cache", base=None, writes=False)
    spared = recipe.model_copy(
        update={"data": (recipe.data[0].model_copy(update={"recombine": False}),)}
    )
    assert (
        load_word_crops(network, data, spared, tmp_path / "cache", base=None, writes=False) is None
    )
    recipe_file.write_text(text.replace('"}]', '", group: "line([01]"}]'))
    with pytest.raises(UserError, match=r"tiny\.yaml: data\.0\.group: .*not a regular expression"):
        read_recipe(recipe_file)


def test_an_epoch_has_its_share_of_them_and_is_made_the_same_again(
    recipe_file: Path, tmp_path: Path
) -> None:
    text = recipe_file.read_text().replace("training: {", "training: {recombine: 0.5, ")
    recipe_file.write_text(text)
    recipe = read_recipe(recipe_file)
    data = prepare(recipe, tmp_path / "cache")
    pieces = [WordCrop(row.index, 0, min(24, row.columns), (1,)) for row in data.train]
    words = WordCrops.group(pieces, data.train, data.alphabet.encode(" ")[0])
    plans = [plan_epoch(data.train, epoch, recipe, words) for epoch in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]
    anew = [
        bool(item.example.crops)
        for epoch in range(20)
        for b in plan_epoch(data.train, epoch, recipe, words)
        for item in b
    ]
    assert 0.4 < np.mean(anew) < 0.6
    for batch in Epoch(plans[0], data.store, recipe, 1):
        assert batch.lengths.tolist() == [item.columns for item in batch.items]
    assert plan_epoch(data.train, 1, recipe) == plan_epoch(data.train, 1, recipe, None)


@pytest.fixture
def base(recipe_file: Path, tmp_path: Path) -> str:
    train_recogniser(recipe_file, tmp_path / "base", None)
    return str(tmp_path / "base")


def test_a_run_goes_on_with_the_same_words(
    recipe_file: Path, base: str, tmp_path: Path, monkeypatch
) -> None:
    recipe_file.write_text(
        recipe_file.read_text().replace("training: {", "training: {recombine: 0.5, ")
    )
    monkeypatch.setattr(finding, "MIN_LOG_PROB", -100.0)  # the tiny base is sure of nothing
    train_recogniser(recipe_file, tmp_path / "whole", base)
    kept = json.loads((tmp_path / "whole" / "training" / "words.json").read_text())["pieces"]
    assert kept and all(first < last for _, first, last, _ in kept)
    plain = Reporter.step

    def interrupted(self, number, *rest):
        plain(self, number, *rest)
        if number == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr("recog.training.loop.CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_recogniser(recipe_file, tmp_path / "cut", base)
    # they are not looked for again, with weights that have moved on
    with monkeypatch.context() as patch:
        patch.setattr(finding, "crop_words", None)
        train_recogniser(recipe_file, tmp_path / "cut", base)
    whole, cut_short = (
        load_file(tmp_path / name / "training" / "last.safetensors") for name in ("whole", "cut")
    )
    assert all(torch.equal(value, cut_short[name]) for name, value in whole.items())


def test_words_of_other_data_are_not_taken(recipe_file: Path, tmp_path: Path, monkeypatch) -> None:
    recipe = read_recipe(recipe_file)
    data = prepare(recipe, tmp_path / "cache")
    found = [
        [WordCrop(data.train[0].index, 0, 20, (1,))],
        [WordCrop(data.train[1].index, 0, 20, (2,))],
    ]
    monkeypatch.setattr(finding, "crop_words", lambda *_: found.pop(0))
    network = torch.nn.Identity()
    first = load_word_crops(network, data, recipe, tmp_path, base="x")
    assert load_word_crops(network, data, recipe, tmp_path, base="x") == first
    data.fingerprint = {"lines": "others"}
    assert load_word_crops(network, data, recipe, tmp_path, base="x") != first and not found


def test_a_bare_folder_from_a_base_recombines_and_nothing_else_does(
    lines: Path, base: str, tmp_path: Path, recipe_file: Path
):
    from recog.model.recogniser_folder import open_recogniser_folder
    from recog.training.recogniser.run_recipe import find_recipe

    assert (
        find_recipe(lines, tmp_path / "out", open_recogniser_folder(base))[0].training.recombine
        == 0.5
    )
    assert find_recipe(lines, tmp_path / "out", None)[0].training.recombine == 0.0
    recipe_file.write_text(
        recipe_file.read_text().replace("training: {", "training: {recombine: 0.5, ")
    )
    with pytest.raises(UsageError, match="give --from MODEL"):
        train_recogniser(recipe_file, tmp_path / "none", None)


def test_corpora_without_a_name_are_told_apart_by_their_folders(
    recipe_file: Path, lines: Path, tmp_path: Path
) -> None:
    shutil.copytree(lines, tmp_path / "more")
    text = recipe_file.read_text()
    recipe_file.write_text(
        text.replace('"}]', f'"}}, {{path: "{tmp_path / "more"}", recombine: false}}]')
    )
    recipe = read_recipe(recipe_file)
    data = prepare(recipe, tmp_path / "cache")
    counts = corpora(recipe, data)
    assert set(counts) == {lines.name, "more"} and all(
        0 < own["train"] < len(data.train) for own in counts.values()
    )
    network = seeded_network(recipe, len(data.alphabet))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "MIN_LOG_PROB", -100.0)
        words = load_word_crops(network, data, recipe, tmp_path / "cache", base=None, writes=False)
    assert words is not None and set(words.corpora) == {lines.name}
