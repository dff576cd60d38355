"""A language model's folder: weights, graph, config and card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recog.lm.neural import NeuralLM
from recog.model.folder import GRAPH, WEIGHTS
from recog.model.language_model import (
    LanguageModelConfig,
    LanguageModelFolder,
    open_language_model_folder,
    write_language_model_folder,
)
from recog.nn.export.language_model import build_language_onnx
from recog.nn.weights import half_precision, weights_bytes
from recog.training.checkpoint import read_checkpoint
from recog.training.language_model.data import TextData
from recog.training.language_model.recipe import LanguageRecipe
from recog.training.language_model.trainer import Ids, LanguageTrainer, dev_perplexity


def export_language_model(trainer: LanguageTrainer, notes: str) -> LanguageModelFolder:
    """Write the model folder from the best weights of a run, with the perplexity of its graph.

    Args:
        notes: Markdown for the card.
    """
    weights, state = read_checkpoint(trainer.best)
    recipe, data, p, out = trainer.recipe, trainer.data, trainer.progress, trainer.out
    trained = {
        "epochs": p.epoch,
        "best_epoch": state["epoch"],
        "steps": p.step,
        "hours": round(p.seconds / 3600, 2),
        "tokens": len(data.train),
        "lines": data.lines,
        "unknown": round(data.unknown, 6),
        "recipe": json.loads(recipe.model_dump_json(exclude={"data", "network"})),
        "data": [Path(source.path).name for source in recipe.data],
    }
    model_folder = export_language_model_folder(recipe, data.symbols, weights, out, trained=trained)
    dev = {"perplexity": round(bundle_perplexity(model_folder, data), 4), "tokens": len(data.dev)}
    config = model_folder.config.model_copy(update={"dev": dev})
    files = {name: model_folder.file(name).read_bytes() for name in (WEIGHTS, GRAPH)}
    write_language_model_folder(out, config, files, language_card(config, p.history, notes))
    trainer.report.say(f"{out}: ready, dev perplexity {dev['perplexity']:.3f} (int8).")
    return open_language_model_folder(out)


def export_language_model_folder(
    recipe: LanguageRecipe,
    symbols: tuple[str, ...],
    weights: dict[str, torch.Tensor],
    out: Path,
    *,
    trained: dict[str, Any],
) -> LanguageModelFolder:
    """Write a model folder of these weights, before its evaluation on dev."""
    half_weights = half_precision(weights)
    arrays = {name: np.asarray(t.float().numpy()) for name, t in half_weights.items()}
    graph = build_language_onnx(recipe.network, arrays, len(symbols), int8=True)
    if recipe.network.tied:
        del half_weights["head.weight"]  # it is the embedding
    config = LanguageModelConfig(
        name=recipe.name,
        languages=recipe.languages,
        unit=recipe.unit,
        symbols=symbols,
        normalise=recipe.normalise,
        sentence=recipe.sentence,
        network=recipe.network,
        trained=trained,
    )
    files = {WEIGHTS: weights_bytes(half_weights), GRAPH: graph.SerializeToString()}
    return write_language_model_folder(out, config, files, language_card(config, []))


def bundle_perplexity(model_folder: LanguageModelFolder, data: TextData) -> float:
    """Perplexity of the dev text, by the graph of a model folder."""
    lm = NeuralLM(model_folder, threads=torch.get_num_threads())
    network = model_folder.config.network
    carried = None

    def score(inputs: Ids, targets: Ids) -> float:
        nonlocal carried
        if carried is None:
            zeros = np.zeros((network.layers, len(inputs), network.hidden), np.float32)
            carried = (zeros, zeros)
        log_probs, *after = lm.run(inputs, *carried)
        carried = (after[0], after[1])
        return float(
            np.take_along_axis(log_probs, targets[:, :, None], axis=2).astype(np.float64).sum()
        )

    return dev_perplexity(data.dev, score)


def language_card(
    config: LanguageModelConfig, history: list[dict[str, Any]], notes: str = ""
) -> str:
    """The model card in Markdown.

    Args:
        history: an entry for each epoch of the run.
        notes: licences and limits, in Markdown.
    """
    network, trained, dev = config.network, config.trained, config.dev
    of = f" of {', '.join(config.languages)}" if config.languages else ""
    text = "sentences, one a line" if config.sentence else "running text"
    lines = [
        f"# {config.name}",
        "",
        f"A neural language model of recog{of}, for rescoring.",
        "",
        "## Network",
        "",
    ]
    lines.append(
        f"{network.layers} LSTM layer{'s' if network.layers > 1 else ''} of {network.hidden} "
        f"over {len(config.symbols)} symbols,"
        f" each a {config.unit}; {text}, texts normalised by '{config.normalise}'."
    )
    if trained:
        lines += [
            "",
            "## Training",
            "",
            f"Data: {', '.join(trained.get('data', []))} ({trained.get('lines')} lines).",
        ]
        lines.append(
            f"{trained.get('tokens')} {config.unit}s, {100 * trained.get('unknown', 0.0):.2f} % "
            "of them unknown;"
            f" {trained.get('epochs')} epochs, {trained.get('steps')} steps, "
            f"{trained.get('hours')} hours."
        )
    if dev:
        lines += ["", "## Results on dev", ""]
        lines.append(
            f"Perplexity {dev['perplexity']:.3f} a {config.unit}, over {dev['tokens']} of them, "
            "int8 weights."
        )
    if notes:
        lines += ["", notes.strip()]
    if history:
        lines += ["", "## Epochs", "", "| epoch | loss | dev perplexity |", "|---|---|---|"]
        lines += [f"| {e['epoch']} | {e['loss']:.3f} | {e['perplexity']:.3f} |" for e in history]
    return "\n".join(lines) + "\n"
