"""One training of a page model from command to model folder: recipe, pages, network, loop,
export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recog.errors import UsageError, UserError
from recog.model.folder import GRAPH, WEIGHTS
from recog.model.page_model import (
    GEOMETRY_GRAPH,
    GEOMETRY_WEIGHTS,
    PageModelConfig,
    open_page_bundle,
    write_page_bundle,
)
from recog.nn.page.geometry import build_geometry_onnx
from recog.nn.page.network import PageNetwork, build_page_onnx, page_arrays
from recog.nn.weights import half_precision, load_weights, weights_bytes
from recog.segment.page_lines import PageSegmenter
from recog.training.checkpoint import read_checkpoint
from recog.training.page_model.data import Page, load_pages
from recog.training.page_model.geometry import GeometryTrainer
from recog.training.page_model.marginalia import Base, PageContextTrainer, same_shape
from recog.training.page_model.recipe import PageRecipe, folder_recipe, read_page_recipe
from recog.training.page_model.trainer import PageTrainer
from recog.training.progress import Reporter
from recog.training.recogniser.recipe import NO_OVERRIDES, RunOptions
from recog.training.run_folder import card_notes, open_run
from recog.util.parallel import cores


def train_page_model(
    what: Path, out: Path | None, options: RunOptions = NO_OVERRIDES, base: str | Path | None = None
) -> None:
    """Train the page model of the recipe ``what`` into the model folder ``out``, by default
    ``runs/NAME``.

    Args:
        what: a recipe; with ``base``, a page model that is trained on, also a folder of pages with
            PAGE or ALTO files.

    Raises:
        UserError: the pages or the recipe cannot be used, or the folder holds another training.
    """
    if base is None:
        recipe = read_page_recipe(what)
        out = out or Path("runs") / recipe.name
    elif out is None:
        raise UsageError("Give --out, the folder of the model to write.")
    else:
        recipe = folder_recipe(what, open_page_bundle(base), out.resolve().name)
    recipe = options.override(recipe)
    torch.set_num_threads(recipe.training.threads or cores())
    with open_run(out / "training", Reporter, restart=options.restart) as report:
        _train(recipe, out, report, card_notes(what))


def _train(recipe: PageRecipe, out: Path, report: Reporter, notes: str) -> None:
    train, dev, problems = load_pages(recipe)
    for problem in problems:
        report.say(f"left out: {problem}")
    trainer = _trainer(recipe, train, dev, out, report)
    resumed = trainer.resume()
    p = trainer.progress
    if p.finished and (out / "config.json").exists():
        report.say(f"{out}: this training is finished (dev F1 {100 * p.best:.2f} %).")
        return
    start = f"going on from step {p.step}" if resumed else "starting"
    report.say(f"{recipe.name}: {len(train)} pages to train on, {len(dev)} for dev; {start}.")
    trainer.run_reporting(report.say)
    finish(recipe, trainer, out, notes)
    p.finished = True
    trainer.save()
    report.say(f"{out}: ready, dev F1 {100 * p.best:.2f} %.")


def _trainer(
    recipe: PageRecipe, train: list[Page], dev: list[Page], out: Path, report: Reporter
) -> PageTrainer:
    if recipe.base is None:
        return PageTrainer(recipe, train, dev, out, report)
    base = open_page_bundle(recipe.base)
    checksum = base.config.files[WEIGHTS]
    if recipe.train == "geometry":
        return GeometryTrainer(recipe, train, dev, out, report, base=checksum)
    if recipe.train == "context":
        if not same_shape(recipe.network, base.config.network):
            raise UserError(
                f"{recipe.name}: the network of its base has another shape: {base.config.network.model_dump()}."
            )
        return PageContextTrainer(
            recipe, train, dev, out, report, Base(load_weights(base), checksum)
        )
    if recipe.network != base.config.network:
        raise UserError(
            f"{recipe.name}: the network of its base has another shape: {base.config.network.model_dump()}."
        )
    network = PageNetwork(recipe.network)
    network.load_state_dict(network.state_dict() | load_weights(base))
    trainer = PageTrainer(recipe, train, dev, out, report, network, base=checksum)
    trainer.freeze_context()
    return trainer


def finish(recipe: PageRecipe, trainer: PageTrainer, out: Path, notes: str) -> None:
    """Write the model folder from the best weights."""
    best, _ = read_checkpoint(trainer.best)
    p = trainer.progress
    trained = {
        "epochs": p.epoch,
        "steps": p.step,
        "hours": round(p.seconds / 3600, 2),
        "pages": len(trainer.train),
    }
    present = {page.source for page in trainer.train}
    trained["data"] = [
        source.display_name for source in recipe.data if source.display_name in present
    ]
    dev = {
        "f1": round(p.best, 4),
        "pages": len(trainer.dev),
        "sources": p.history[p.best_epoch]["sources"],
    }
    export_page_bundle(recipe, best, out, trained=trained, dev=dev, notes=notes)


def export_page_bundle(
    recipe: PageRecipe,
    weights: dict[str, Tensor],
    out: Path,
    *,
    trained: dict[str, Any],
    dev: dict[str, Any],
    notes: str,
) -> PageSegmenter:
    """Write a model folder of these weights, of the part that the recipe trains, and of what its
    base has beside it."""
    half_weights = half_precision(weights)
    base = None if recipe.base is None else open_page_bundle(recipe.base)
    config, files = (
        PageModelConfig(name=recipe.name, network=recipe.network, trained=trained, dev=dev),
        {},
    )
    if base is not None:
        files = {name: base.file(name).read_bytes() for name in base.config.files}
        config = config.model_copy(update={"geometry": base.config.geometry})
        if recipe.train == "geometry":
            trained, dev = (
                base.config.trained | {"geometry": trained},
                base.config.dev | {"geometry": dev},
            )
            network = base.config.network
            config = config.model_copy(
                update={
                    "geometry": recipe.geometry,
                    "network": network,
                    "trained": trained,
                    "dev": dev,
                }
            )
    if recipe.train == "geometry":
        files[GEOMETRY_WEIGHTS] = weights_bytes(half_weights)
        files[GEOMETRY_GRAPH] = build_geometry_onnx(
            recipe.geometry, page_arrays(half_weights)
        ).SerializeToString()
    else:
        files[WEIGHTS] = weights_bytes(half_weights)
        files[GRAPH] = build_page_onnx(
            recipe.network, page_arrays(half_weights)
        ).SerializeToString()
    return PageSegmenter(write_page_bundle(out, config, files, page_card(config, notes)))


def page_card(config: PageModelConfig, notes: str = "") -> str:
    """The model card in Markdown."""
    lines = [
        f"# {config.name}",
        "",
        "Finds the lines of handwritten pages: baselines and outlines.",
        "",
        "## Network",
        "",
    ]
    widths, spacing = ", ".join(map(str, config.network.widths)), config.network.spacing
    lines.append(
        f"U-Net of widths {widths}, on pages scaled so that their lines are {spacing:g} pixels apart."
    )
    if config.network.context:
        dilations = ", ".join(map(str, config.network.context))
        lines.append(
            f"Blocks of dilations {dilations} tell a page's own writing from notes and stamps on it."
        )
    if config.geometry is not None:
        side = config.geometry.side
        lines.append(
            f"A smaller network tells on a copy of {side} pixels how far apart the lines are and how they run."
        )
    if config.trained:
        data, pages = ", ".join(config.trained.get("data", [])), config.trained.get("pages")
        lines += [
            "",
            "## Training",
            "",
            f"{pages} pages of {data}; {config.trained.get('steps')} updates,",
        ]
        lines.append(f"{config.trained.get('hours')} hours on one machine.")
    if config.dev:
        lines += [
            "",
            "## Results on dev",
            "",
            f"Baseline F1 (Gruening et al. 2017) over {config.dev['pages']} pages:",
            "",
        ]
        lines += [f"- {name}: {100 * value:.1f} %" for name, value in config.dev["sources"].items()]
    return "\n".join([*lines, *(["", notes.strip()] if notes else [])]) + "\n"
