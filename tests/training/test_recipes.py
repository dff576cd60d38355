"""The recipes of the project: readable, described, and true to what they say."""

from pathlib import Path

import pytest

from recog.errors import UserError
from recog.text.normalise import rule
from recog.training.recipe_base import read_yaml
from recog.training.recogniser.recipe import read_recipe

PIPELINES = Path(__file__).parents[2] / "pipelines"
RECIPES = sorted(
    path for folder in ("speech", "handwriting") for path in (PIPELINES / folder).glob("*.yaml")
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_can_be_read_and_has_its_row(path, monkeypatch, tmp_path):
    monkeypatch.setenv("RECOG_CORPORA", str(tmp_path))
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert all(Path(source.path).is_relative_to(tmp_path) for source in recipe.data)
    rule(recipe.normalise)
    assert f"recog train pipelines/{path.parent.name}/{path.name}" in path.read_text()
    assert f"{path.parent.name}/{path.name}" in (PIPELINES / "README.md").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "name: x\nencoder:\n  layers: 3\n  hidden: 8\n  layers: 2\n",
            "'layers' stands twice, again in line 5",
        ),
        ("name: x\nname: y\n", "'name' stands twice"),
        ("[" * 5000, "not valid YAML"),
        ("when: 2024-13-45\n", "not valid YAML"),
        ("!!python/object/apply:os.getcwd []\n", "not valid YAML"),
        ("- a\n", "is a YAML mapping"),
    ],
)
def test_yaml_that_is_none_or_says_a_thing_twice(text, told, tmp_path):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(UserError, match=told):
        read_yaml(tmp_path / "r.yaml")


def test_merged_keys_may_be_overridden(tmp_path):
    (tmp_path / "r.yaml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n")
    assert read_yaml(tmp_path / "r.yaml")["b"] == {"x": 3, "y": 2}


def test_peraire_keeps_the_marks_of_its_editors(monkeypatch, tmp_path):
    monkeypatch.setenv("RECOG_CORPORA", str(tmp_path))
    text = "que, je dus # à ⋎ une ⟦ date ⟧ <in>  m^me ’"
    assert rule(read_recipe(PIPELINES / "handwriting" / "peraire.yaml").normalise)(
        text
    ) == " ".join(text.split())
