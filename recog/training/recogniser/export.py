"""A recogniser's folder: weights, graph, language model, config, card and plot."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recog.lm.binary import binary_bytes
from recog.model.folder import GRAPH, PRONUNCIATIONS, SPELLING, TRAINING_PLOT, WEIGHTS
from recog.model.recogniser_folder import ModelConfig, RecogniserFolder, write_recogniser_folder
from recog.nn.weights import half_precision, weights_bytes
from recog.text.pronunciations import encode_pronunciations
from recog.training.card import model_card
from recog.training.checkpoint import read_checkpoint
from recog.training.energy import energy
from recog.training.g2p import train_g2p
from recog.training.plot import read_log, training_svg
from recog.training.progress import LOG
from recog.training.recogniser.data import Dataset
from recog.training.recogniser.recipe import Recipe
from recog.training.recogniser.scoring import score_model_folder
from recog.training.recogniser.trainer import Trainer
from recog.util.parallel import cores

# of CER; a larger loss by int8 is reported
MAX_QUANTISATION_LOSS = 0.003


def export_recogniser(
    trainer: Trainer, base: RecogniserFolder | None, notes: str = "", *, own_text: bool = False
) -> RecogniserFolder:
    """Write the model folder of a run, evaluate it, and add a language model.

    Args:
        notes: Markdown for the card.
        own_text: estimate a language model on the texts of the run.
    """
    weights, state = read_checkpoint(trainer.best)
    recipe, data, report, out = trainer.recipe, trainer.data, trainer.report, trainer.out
    if base is not None and state["epoch"] == 0:
        report.say(
            f"No epoch was better on dev than {base.config.name} itself: its weights are kept."
        )
    trained = _trained(trainer, state["epoch"], base)
    model_folder = export_recogniser_folder(recipe, data, weights, out, trained=trained)
    result = score_model_folder(model_folder, data, cores())
    loss = result["cer"] - state["dev"]["cer"]
    if loss > MAX_QUANTISATION_LOSS:
        report.say(f"Note: in int8 the dev CER is {100 * loss:.2f} points higher than in float32.")
    config = model_folder.config.model_copy(update={"dev": result})
    files = {name: model_folder.file(name).read_bytes() for name in model_folder.config.files}
    g2p = None if data.phones is None else g2p_bytes(recipe, data, base)
    if g2p is not None:
        files[SPELLING] = g2p
    log = read_log(trainer.folder / LOG)
    title = f"{config.name}: {trainer.progress.step} steps"
    files[TRAINING_PLOT] = training_svg(log, title=title).encode()
    model_folder = write_recogniser_folder(
        out, config, files, model_card(config, trainer.progress.history, notes)
    )
    report.say(
        f"{out}: ready, dev CER {100 * result['cer']:.2f} %, WER {100 * result['wer']:.2f} % "
        f"(best path, as shipped in {config.arithmetic})."
    )
    if recipe.encoder.torch_only:
        report.say(
            f"Note: ONNX has no operator for the {recipe.encoder.recurrence}: "
            "using this model needs torch."
        )
    if base is not None or own_text:
        from recog.training.recogniser.lm_transfer import transfer_language_model

        model_folder = transfer_language_model(
            model_folder, base, recipe, report, cores(), own_text
        )
    return model_folder


def _trained(trainer: Trainer, best_epoch: int, base: RecogniserFolder | None) -> dict[str, Any]:
    """The run as the model's config describes it."""
    recipe, p = trainer.recipe, trainer.progress
    cpu_seconds = p.cpu_seconds * trainer.world
    return {
        "epochs": p.epoch,
        "best_epoch": best_epoch,
        "steps": p.step,
        "hours": round(p.seconds / 3600, 2),
        "rows": len(trainer.data.train),
        "from": base.config.name if base else None,
        "recipe": portable_recipe(recipe),
        "data": [source.display_name for source in recipe.data],
        "corpora": corpora(recipe, trainer.data),
        "cpu_seconds": round(cpu_seconds),
        "energy": energy(cpu_seconds, p.joules),
        "plot": TRAINING_PLOT,
    }


def portable_recipe(recipe: Recipe) -> dict[str, Any]:
    """A recipe as a model's config has it, without paths."""
    settings: dict[str, Any] = json.loads(
        recipe.model_dump_json(exclude={"data", "spectrogram", "strip", "encoder"})
    )
    if recipe.pronunciations is not None:
        settings["pronunciations"] = Path(recipe.pronunciations).name
    return settings


def g2p_bytes(recipe: Recipe, data: Dataset, base: RecogniserFolder | None) -> bytes | None:
    """The file of the grapheme-to-phoneme model: the base's, or trained on the pronunciations."""
    if base is not None and recipe.pronunciations is None:
        return base.file(SPELLING).read_bytes() if SPELLING in base.config.files else None
    model = train_g2p(data.pronunciations)
    return None if model is None else binary_bytes(model)


def corpora(recipe: Recipe, data: Dataset) -> dict[str, dict[str, Any]]:
    """Usable train and dev rows of each source, and its licence."""
    train, dev = (Counter(example.source for example in rows) for rows in (data.train, data.dev))
    return {
        name: {"train": train[name], "dev": dev[name], "licence": source.licence}
        for name, source in ((source.display_name, source) for source in recipe.data)
    }


def export_recogniser_folder(
    recipe: Recipe,
    data: Dataset,
    weights: dict[str, torch.Tensor],
    out: Path,
    *,
    trained: dict[str, Any],
) -> RecogniserFolder:
    """Write a model folder of these weights, before its evaluation."""
    half_weights = half_precision(weights)
    symbols = ("", *data.alphabet.symbols)
    files = {WEIGHTS: weights_bytes(half_weights)}
    if data.phones is not None:
        files[PRONUNCIATIONS] = encode_pronunciations(data.pronunciations)
    if not recipe.encoder.torch_only:
        from recog.nn.export.recogniser import build_onnx, quantise

        arrays = {name: np.asarray(t.float().numpy()) for name, t in half_weights.items()}
        files[GRAPH] = quantise(
            build_onnx(recipe.encoder, arrays, len(symbols))
        ).SerializeToString()
    config = ModelConfig(
        name=recipe.name,
        modality=recipe.modality,
        languages=recipe.languages,
        symbols=symbols,
        sounds=("", *data.phones.symbols) if data.phones else None,
        normalise=recipe.normalise,
        spectrogram=recipe.spectrogram if recipe.modality == "speech" else None,
        strip=recipe.strip if recipe.modality == "handwriting" else None,
        encoder=recipe.encoder,
        trained=trained,
    )
    return write_recogniser_folder(out, config, files, model_card(config, []))
