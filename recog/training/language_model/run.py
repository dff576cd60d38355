"""One training of a language model from command to model folder: recipe, texts, network, loop,
export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recog.lm.neural import NeuralLM
from recog.model.folder import GRAPH, WEIGHTS
from recog.model.language_model import (
    LanguageBundle,
    LanguageModelConfig,
    open_language_bundle,
    write_language_bundle,
)
from recog.nn.export.language_model import build_language_onnx
from recog.nn.weights import half_precision, weights_bytes
from recog.training.checkpoint import read_checkpoint
from recog.training.language_model.data import TextData, prepare_texts
from recog.training.language_model.recipe import LanguageRecipe, read_language_recipe
from recog.training.language_model.trainer import (
    Ids,
    LanguageReporter,
    LanguageTrainer,
    dev_perplexity,
)
from recog.training.recogniser.recipe import NO_OVERRIDES, RunOptions
from recog.training.run_folder import card_notes, open_run
from recog.util.parallel import cores


def train_language_model(what: Path, out: Path | None, options: RunOptions = NO_OVERRIDES) -> None:
    """Train the language model of the recipe ``what`` into the model folder ``out``, by default
    ``runs/NAME``.

    Raises:
        UserError: the texts or the recipe cannot be used, or the folder holds another training.
    """
    recipe = read_language_recipe(what)
    out = out or Path("runs") / recipe.name
    recipe = options.override(recipe)
    torch.set_num_threads(recipe.training.threads or cores())
    with open_run(out / "training", LanguageReporter, restart=options.restart) as report:
        _train(recipe, out, report, card_notes(what))


def _train(recipe: LanguageRecipe, out: Path, report: LanguageReporter, notes: str) -> None:
    data = prepare_texts(recipe)
    report.report_problems(data.problems)
    for note in data.notes:
        report.say(f"Note: {note}")
    trainer = LanguageTrainer(recipe, data, out, report)
    resumed = trainer.resume()
    p = trainer.progress
    if p.finished and (out / "config.json").exists():
        report.say(f"{out}: this training is finished (dev perplexity {p.best:.3f}).")
        return
    report.say(_opening(recipe, data, trainer, resumed))
    trainer.run_reporting(report.say)
    finish(recipe, data, trainer, out, report, notes)
    p.finished = True
    trainer.save()


def _opening(
    recipe: LanguageRecipe, data: TextData, trainer: LanguageTrainer, resumed: bool
) -> str:
    parameters = sum(p.numel() for p in trainer.network.parameters())
    where = str(trainer.device)
    if trainer.device.type == "cpu":
        where += f", {torch.get_num_threads()} threads"
    p = trainer.progress
    start = f"going on from epoch {p.epoch + 1}, step {p.step}" if resumed else "starting"
    return (
        f"{recipe.name}: {len(data.train)} {recipe.unit}s to train on, {len(data.dev)} for dev; {len(data.symbols)} symbols,"
        f" {100 * data.unknown:.2f} % unknown, {parameters / 1e6:.1f} M parameters, {recipe.training.epochs} epochs on"
        f" {where}{', bf16' if trainer.bf16 else ''}; {start}."
    )


def finish(
    recipe: LanguageRecipe,
    data: TextData,
    trainer: LanguageTrainer,
    out: Path,
    report: LanguageReporter,
    notes: str = "",
) -> LanguageBundle:
    """Write the model folder from the best weights: float16 weights, the graph made of them, config
    and card. The perplexity in it is the graph's own."""
    best, state = read_checkpoint(trainer.best)
    p = trainer.progress
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
    bundle = export_language_bundle(recipe, data.symbols, best, out, trained=trained)
    dev = {"perplexity": round(bundle_perplexity(bundle, data), 4), "tokens": len(data.dev)}
    config = bundle.config.model_copy(update={"dev": dev})
    files = {name: bundle.file(name).read_bytes() for name in (WEIGHTS, GRAPH)}
    write_language_bundle(out, config, files, language_card(config, p.history, notes))
    report.say(f"{out}: ready, dev perplexity {dev['perplexity']:.3f} (as shipped in int8).")
    return open_language_bundle(out)


def export_language_bundle(
    recipe: LanguageRecipe,
    symbols: tuple[str, ...],
    weights: dict[str, torch.Tensor],
    out: Path,
    *,
    trained: dict[str, Any],
) -> LanguageBundle:
    """Write a model folder, not yet measured, of these weights."""
    half_weights = half_precision(weights)
    arrays = {name: np.asarray(t.float().numpy()) for name, t in half_weights.items()}
    graph = build_language_onnx(recipe.network, arrays, len(symbols), int8=True)
    if recipe.network.tied:
        del half_weights["head.weight"]  # the embedding's own
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
    return write_language_bundle(out, config, files, language_card(config, []))


def bundle_perplexity(bundle: LanguageBundle, data: TextData) -> float:
    """Perplexity of the dev text by the graph of a model folder."""
    lm = NeuralLM(bundle, threads=torch.get_num_threads())
    network = bundle.config.network
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
    """A model card in Markdown from the config and the epochs of the run.

    Args:
        notes: what only people know (licences, what the model cannot do), in Markdown; goes before
            the epochs.
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
        f"{network.layers} LSTM layer{'s' if network.layers > 1 else ''} of {network.hidden} over {len(config.symbols)} symbols,"
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
            f"{trained.get('tokens')} {config.unit}s, {100 * trained.get('unknown', 0.0):.2f} % of them unknown;"
            f" {trained.get('epochs')} epochs, {trained.get('steps')} steps, {trained.get('hours')} hours."
        )
    if dev:
        lines += ["", "## Results on dev", ""]
        lines.append(
            f"Perplexity {dev['perplexity']:.3f} a {config.unit}, over {dev['tokens']} of them, int8 weights."
        )
    if notes:
        lines += ["", notes.strip()]
    if history:
        lines += ["", "## Epochs", "", "| epoch | loss | dev perplexity |", "|---|---|---|"]
        lines += [f"| {e['epoch']} | {e['loss']:.3f} | {e['perplexity']:.3f} |" for e in history]
    return "\n".join(lines) + "\n"
