"""A page model's folder: weights, graphs, config and card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from recog.model.folder import GRAPH, WEIGHTS
from recog.model.page_model import (
    GEOMETRY_GRAPH,
    GEOMETRY_WEIGHTS,
    PageModelConfig,
    open_page_model_folder,
    write_page_model_folder,
)
from recog.nn.page.geometry import build_geometry_onnx
from recog.nn.page.network import build_page_onnx, page_arrays
from recog.nn.weights import half_precision, weights_bytes
from recog.segment.page_lines import PageSegmenter
from recog.training.checkpoint import read_checkpoint
from recog.training.page_model.recipe import PageRecipe
from recog.training.page_model.trainer import PageTrainer


def export_page_model(trainer: PageTrainer, notes: str) -> None:
    """Write the model folder from the best weights of a run.

    Args:
        notes: Markdown for the card.
    """
    weights, _ = read_checkpoint(trainer.best)
    recipe, p = trainer.recipe, trainer.progress
    sources = [source.display_name for source in recipe.data]
    trained = {
        "epochs": p.epoch,
        "steps": p.step,
        "hours": round(p.seconds / 3600, 2),
        "pages": len(trainer.train_pages),
        "data": [source for source in sources if source in trainer.by_source],
    }
    dev = {
        "f1": round(p.best, 4),
        "pages": len(trainer.dev_pages),
        "sources": p.history[p.best_epoch]["sources"],
    }
    write_page_model(recipe, weights, trainer.out, trained=trained, dev=dev, notes=notes)
    trainer.report.say(f"{trainer.out}: ready, {trainer.best_result()}.")


def write_page_model(
    recipe: PageRecipe,
    weights: dict[str, Tensor],
    out: Path,
    *,
    trained: dict[str, Any],
    dev: dict[str, Any],
    notes: str,
) -> PageSegmenter:
    """Write a model folder: the part that the recipe trains, and the other parts of its base."""
    half_weights = half_precision(weights)
    arrays = page_arrays(half_weights)
    update: dict[str, Any] = {"network": recipe.network, "trained": trained, "dev": dev}
    files: dict[str, bytes] = {}
    if recipe.base is not None:
        base = open_page_model_folder(recipe.base)
        files = {name: base.file(name).read_bytes() for name in base.config.files}
        update["geometry"] = base.config.geometry
        if recipe.train == "geometry":
            update = {
                "geometry": recipe.geometry,
                "network": base.config.network,
                "trained": base.config.trained | {"geometry": trained},
                "dev": base.config.dev | {"geometry": dev},
            }
    if recipe.train == "geometry":
        files[GEOMETRY_WEIGHTS] = weights_bytes(half_weights)
        graph = build_geometry_onnx(recipe.geometry, arrays)
        files[GEOMETRY_GRAPH] = graph.SerializeToString()
    else:
        files[WEIGHTS] = weights_bytes(half_weights)
        files[GRAPH] = build_page_onnx(recipe.network, arrays).SerializeToString()
    config = PageModelConfig(name=recipe.name, **update)
    return PageSegmenter(write_page_model_folder(out, config, files, page_card(config, notes)))


def page_card(config: PageModelConfig, notes: str = "") -> str:
    """The model card in Markdown.

    Args:
        notes: licences and limits, in Markdown.
    """
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
        f"U-Net of widths {widths}, on pages scaled so that their lines are {spacing:g} pixels "
        "apart."
    )
    if config.network.context:
        dilations = ", ".join(map(str, config.network.context))
        lines.append(
            f"Blocks of dilations {dilations} tell the main text from notes and stamps on it."
        )
    if config.geometry is not None:
        side = config.geometry.side
        lines.append(
            f"A smaller network finds line spacing and direction on a copy of {side} pixels."
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
