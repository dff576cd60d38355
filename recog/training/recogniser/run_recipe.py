"""The recipe of a run: a YAML file or defaults, fitted to the base model and the data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from recog.corpora.data import load_data, modality, modality_of
from recog.errors import UsageError, UserError
from recog.model.config import MEMORYLESS, EncoderConfig
from recog.model.recogniser_folder import ModelConfig, RecogniserFolder
from recog.training.recipe_base import RECIPE_SUFFIXES
from recog.training.recogniser.batches import plan_epoch
from recog.training.recogniser.data import Dataset
from recog.training.recogniser.feature_store import corpus_statistics
from recog.training.recogniser.recipe import Modality, Recipe, default_recipe, read_recipe

# below so many lines of a folder, that share of the lines is synthesised
FEW_ROWS, RECOMBINE_FEW = 1000, 0.5


def find_recipe(
    source: Path, out: Path | None, model_folder: RecogniserFolder | None
) -> tuple[Recipe, Path]:
    """The recipe of a run, and its model folder.

    Args:
        source: a YAML recipe, or data.
        out: the model folder; for a recipe by default ``runs/NAME``.
        model_folder: the base model.

    Raises:
        UserError: the recipe or the data cannot be used, or do not fit the base.
        UsageError: ``out`` is missing.
    """
    rows = None
    if source.suffix.lower() in RECIPE_SUFFIXES:
        recipe = read_recipe(source)
        out = out or Path("runs") / recipe.name
    elif out is None:
        raise UsageError("Give --out MODEL, the folder of the model to make.")
    else:
        recipe, rows = _recipe_of_data(source, out, model_folder)
    if model_folder is not None:
        recipe = adapt_to_base(recipe, model_folder.config, rows)
    if recipe.subsampling:
        try:
            encoder = recipe.encoder.subsampled(recipe.subsampling)
        except ValueError as error:
            raise UserError(f"{source}: subsampling: {error}.") from None
        recipe = recipe.model_copy(update={"encoder": encoder})
    return recipe, out


def _recipe_of_data(
    data: Path, out: Path, model_folder: RecogniserFolder | None
) -> tuple[Recipe, int]:
    """The default recipe for bare data, and the number of its rows."""
    rows = load_data(data, quiet=True, leave_out=[out])  # the second reading gives the warnings
    kinds = {modality_of(row.media) for row in rows}
    of_base = model_folder.config.modality if model_folder else None
    kind = of_base if of_base in kinds else modality(rows)
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in out.resolve().name)[:64]
    return default_recipe(plain or "model", kind, str(data.resolve()), rows=len(rows)), len(rows)


def adapt_to_base(recipe: Recipe, base: ModelConfig, rows: int | None) -> Recipe:
    """A recipe with the features, encoder and languages of a base model.

    Args:
        rows: of bare data, whose default recipe also takes the base's normalisation and a lower
            learning rate; None for a recipe that a person wrote.

    Raises:
        UserError: the base is of another modality, or has too few layers.
    """
    if base.modality != recipe.modality:
        raise UserError(f"The base model is for {base.modality} and the data is {recipe.modality}.")
    training: dict[str, Any] = {"short_first": False}  # the base knows long lines already
    update: dict[str, Any] = {"languages": recipe.languages or base.languages}
    if rows is None:
        update["encoder"] = _encoder_of_base(recipe, base.encoder)
    else:
        update |= {"encoder": base.encoder, "normalise": base.normalise}
        few = recipe.modality == "handwriting" and rows < FEW_ROWS
        training |= {"learning_rate": 5e-4, "recombine": RECOMBINE_FEW if few else 0.0}
    if base.spectrogram:
        update["spectrogram"] = base.spectrogram
    if base.strip:
        update["strip"] = base.strip
    update["training"] = recipe.training.model_copy(update=training)
    return recipe.model_copy(update=update)


def _encoder_of_base(recipe: Recipe, base: EncoderConfig) -> EncoderConfig:
    """The base's encoder with the recipe's dropout and intermediate heads."""
    update: dict[str, Any] = {"dropout": recipe.encoder.dropout}
    if base.cell not in MEMORYLESS:
        update["recurrent_dropout"] = recipe.encoder.recurrent_dropout
    if recipe.encoder.intermediate:
        if recipe.encoder.intermediate >= base.layers:
            raise UserError(
                f"The recipe's encoder.intermediate is {recipe.encoder.intermediate}; it must be "
                f"less than the {base.layers} layers of the base model."
            )
        update["intermediate"] = recipe.encoder.intermediate
    return base.model_copy(update=update)


def complete_recipe(recipe: Recipe, data: Dataset, *, base: bool) -> Recipe:
    """Fill in what follows from the data: corpus statistics and the number of epochs.

    Args:
        base: whether the run starts from a base model.
    """
    update: dict[str, Any] = {}
    phones = 0 if data.phones is None else len(data.phones)
    update["encoder"] = recipe.encoder.model_copy(update={"sounds": phones})
    if recipe.modality == "speech" and not recipe.spectrogram.mean:
        mean, deviation = corpus_statistics(data.store, [e.index for e in data.train])
        update["spectrogram"] = recipe.spectrogram.model_copy(
            update={"mean": mean, "deviation": deviation}
        )
    if not recipe.training.epochs:
        updates = math.ceil(len(plan_epoch(data.train, 1, recipe)) / recipe.training.accumulate)
        epochs = default_epochs(updates, base, recipe.modality)
        update["training"] = recipe.training.model_copy(update={"epochs": epochs})
    return recipe.model_copy(update=update)


def default_epochs(batches: int, base: bool, modality: Modality) -> int:
    """Epochs for a recipe that names none: about 4,000 steps, at least 8 and at most 400 epochs.

    From a base model it is 600 steps, and 300 for speech, where a step costs more: a small folder
    then takes under ten minutes.
    """
    steps = {"speech": 300, "handwriting": 600}[modality] if base else 4000
    return int(min(400, max(8, math.ceil(steps / max(1, batches)))))
