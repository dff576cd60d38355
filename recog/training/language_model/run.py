"""The training of a language model from the command to the model folder."""

from __future__ import annotations

from pathlib import Path

import torch

from recog.training.language_model.data import TextData, prepare_texts
from recog.training.language_model.export import export_language_model
from recog.training.language_model.recipe import LanguageRecipe, read_language_recipe
from recog.training.language_model.trainer import LanguageReporter, LanguageTrainer
from recog.training.recipe_base import NO_OVERRIDES, RunOptions
from recog.training.run_folder import card_notes, open_run
from recog.util.parallel import cores


def train_language_model(
    source: Path, out: Path | None, options: RunOptions = NO_OVERRIDES
) -> None:
    """Train the language model of a recipe into the folder ``out``, by default ``runs/NAME``.

    Raises:
        UserError: the texts or the recipe cannot be used, or the folder holds another training.
    """
    recipe = read_language_recipe(source)
    out = out or Path("runs") / recipe.name
    recipe = options.override(recipe)
    torch.set_num_threads(recipe.training.threads or cores())
    with open_run(out / "training", LanguageReporter, restart=options.restart) as report:
        data = prepare_texts(recipe)
        report.report_problems(data.problems)
        for note in data.notes:
            report.say(f"Note: {note}")
        trainer = LanguageTrainer(recipe, data, out, report)
        trainer.train(
            _describe(recipe, data), lambda: export_language_model(trainer, card_notes(source))
        )


def _describe(recipe: LanguageRecipe, data: TextData) -> str:
    return (
        f"{recipe.name}: {len(data.train)} {recipe.unit}s to train on, {len(data.dev)} for dev; "
        f"{len(data.symbols)} symbols, {100 * data.unknown:.2f} % unknown"
    )
