"""Which rows a training takes, and what it says of those that it does not."""

import shutil
from pathlib import Path

import pytest

from recog.errors import UserError
from recog.training.recogniser.data import prepare
from recog.training.recogniser.recipe import Recipe, read_recipe
from recog.training.recogniser.rows import load_rows


def with_texts(recipe_file: Path, lines: Path, tmp_path: Path, texts: list[str]) -> Recipe:
    """The tiny recipe under the rule "spoken", on lines of these texts."""
    folder = tmp_path / "rows"
    folder.mkdir()
    for i, text in enumerate(texts):
        shutil.copy(lines / "line00.png", folder / f"r{i}.png")
        (folder / f"r{i}.gt.txt").write_text(text)
    file = recipe_file.read_text().replace(str(lines), str(folder)) + "normalise: spoken\n"
    recipe_file.write_text(file)
    return read_recipe(recipe_file)


def test_rows_whose_text_is_not_what_was_said_are_named(
    recipe_file: Path, lines: Path, tmp_path: Path
) -> None:
    texts = ["in 1905", "the дом", "Bjørn", "plain", "\u00bd a cup", "more"]
    recipe = with_texts(recipe_file, lines, tmp_path, texts)
    loaded = load_rows(recipe.model_copy(update={"dev_share": 0.0}))
    assert [row.text for row, _ in loaded.rows] == ["bjorn", "plain", "more"]
    assert loaded.problems == [
        "r0.png: has digits, and the rule 'spoken' cannot say how they were read.",
        "r1.png: the rule 'spoken' has no spelling for д м о.",
        "r4.png: has digits, and the rule 'spoken' cannot say how they were read.",
    ]
    assert loaded.notes == []


def test_numbers_of_dev_are_said_and_told(recipe_file: Path, lines: Path, tmp_path: Path) -> None:
    recipe = with_texts(recipe_file, lines, tmp_path, ["b 25", "a b", "b a"])
    source = recipe.data[0].model_copy(update={"split": "dev"})
    loaded = load_rows(recipe.model_copy(update={"data": (source,)}))
    assert loaded.rows[0][0].text == "b twenty five"
    assert loaded.notes == [
        "The numbers in 1 of 3 texts of dev are taken as English words ('25' as 'twenty five'); "
        "they may have been said otherwise."
    ]


def test_a_folder_in_which_every_row_has_digits(
    recipe_file: Path, lines: Path, tmp_path: Path
) -> None:
    recipe = with_texts(
        recipe_file, lines, tmp_path, [f"the weather in 2024 is fine {i}" for i in range(4)]
    )
    with pytest.raises(
        UserError,
        match=r"all 3 rows that are not held back for evaluation have digits.*'twenty five'",
    ):
        prepare(recipe, tmp_path / "features")


def test_a_training_does_not_read_its_own_folder(
    recipe_file: Path, lines: Path, tmp_path: Path
) -> None:
    recipe = with_texts(recipe_file, lines, tmp_path, ["a", "b", "ab"])
    inside = tmp_path / "rows" / "model"
    shutil.copytree(lines, inside)
    assert len(load_rows(recipe, leave_out=[inside]).rows) == 3
    assert len(load_rows(recipe).rows) > 3
