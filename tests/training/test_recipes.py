"""The recipes of the project: readable, described, and true to what they say."""

from pathlib import Path

import pytest

from recog.text.normalise import rule
from recog.training.recipe import read_recipe

PIPELINES = Path(__file__).parents[2] / "pipelines"
RECIPES = sorted(path for folder in ("speech", "handwriting") for path in (PIPELINES / folder).glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_can_be_read_and_has_its_row(path, monkeypatch, tmp_path):
    monkeypatch.setenv("RECOG_CORPORA", str(tmp_path))
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert all(Path(source.path).is_relative_to(tmp_path) for source in recipe.data)
    rule(recipe.normalise)
    assert f"recog train pipelines/{path.parent.name}/{path.name}" in path.read_text()
    assert f"{path.parent.name}/{path.name}" in (PIPELINES / "README.md").read_text()


def test_peraire_keeps_the_marks_of_its_editors(monkeypatch, tmp_path):
    monkeypatch.setenv("RECOG_CORPORA", str(tmp_path))
    text = "que, je dus # à ⋎ une ⟦ date ⟧ <in>  m^me ’"
    assert rule(read_recipe(PIPELINES / "handwriting" / "peraire.yaml").normalise)(text) == " ".join(text.split())
