"""The training of a page model from the command to the model folder."""

from __future__ import annotations

from pathlib import Path

import torch

from recog.errors import UsageError, UserError
from recog.model.folder import WEIGHTS
from recog.model.page_model import open_page_model_folder
from recog.nn.page.network import PageNetwork
from recog.nn.weights import load_weights
from recog.training.page_model.data import Page, load_pages
from recog.training.page_model.export import export_page_model
from recog.training.page_model.geometry import GeometryTrainer
from recog.training.page_model.marginalia import Base, PageContextTrainer, same_shape
from recog.training.page_model.recipe import PageRecipe, folder_recipe, read_page_recipe
from recog.training.page_model.trainer import PageTrainer
from recog.training.progress import Reporter
from recog.training.recipe_base import NO_OVERRIDES, RunOptions
from recog.training.run_folder import card_notes, open_run
from recog.util.parallel import cores


def train_page_model(
    source: Path,
    out: Path | None,
    options: RunOptions = NO_OVERRIDES,
    base: str | Path | None = None,
) -> None:
    """Train a page model into the folder ``out``, by default ``runs/NAME``.

    Args:
        source: a recipe; with ``base`` a folder of pages with PAGE or ALTO files.
        base: a page model to train further.

    Raises:
        UserError: the pages or the recipe cannot be used, or the folder holds another training.
    """
    if base is None:
        recipe = read_page_recipe(source)
        out = out or Path("runs") / recipe.name
    elif out is None:
        raise UsageError("Give --out, the folder of the model to write.")
    else:
        recipe = folder_recipe(source, open_page_model_folder(base), out.resolve().name)
    recipe = options.override(recipe)
    torch.set_num_threads(recipe.training.threads or cores())
    with open_run(out / "training", Reporter, restart=options.restart) as report:
        train, dev, problems = load_pages(recipe)
        for problem in problems:
            report.say(f"left out: {problem}")
        trainer = make_trainer(recipe, train, dev, out, report)
        trainer.train(
            f"{recipe.name}: {len(train)} pages to train on, {len(dev)} for dev",
            lambda: export_page_model(trainer, card_notes(source)),
        )


def make_trainer(
    recipe: PageRecipe, train: list[Page], dev: list[Page], out: Path, report: Reporter
) -> PageTrainer:
    """The trainer of the part that a recipe trains.

    Raises:
        UserError: the base's network has another shape.
    """
    if recipe.base is None:
        return PageTrainer(recipe, train, dev, out, report)
    base = open_page_model_folder(recipe.base)
    checksum = base.config.files[WEIGHTS]
    if recipe.train == "geometry":
        return GeometryTrainer(recipe, train, dev, out, report, base=checksum)
    context = recipe.train == "context"
    shape, base_shape = recipe.network, base.config.network
    if not (same_shape(shape, base_shape) if context else shape == base_shape):
        raise UserError(
            f"{recipe.name}: the network of its base has another shape: {base_shape.model_dump()}."
        )
    weights = load_weights(base)
    if context:
        return PageContextTrainer(recipe, train, dev, out, report, Base(weights, checksum))
    network = PageNetwork(recipe.network)
    network.load_state_dict(network.state_dict() | weights)
    trainer = PageTrainer(recipe, train, dev, out, report, network, base=checksum)
    trainer.freeze_context()
    return trainer
