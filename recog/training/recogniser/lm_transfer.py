"""The language model of a fine-tuned model: taken over, mixed, weighed anew."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from recog.lm.binary import binary_bytes, load_lm
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.estimation.mix import mix, tune_weights
from recog.lm.perplexity import perplexity
from recog.lm.tables import NGrams, Unit
from recog.model.config import DecodingConfig
from recog.model.folder import RESCORER, RESCORER_CONFIG
from recog.model.recogniser_folder import (
    RecogniserFolder,
    open_recogniser_folder,
    update_recogniser_folder,
)
from recog.recognition.load import load
from recog.text.bidi import to_logical
from recog.training.progress import Reporter
from recog.training.recogniser.recipe import Modality, Recipe
from recog.training.recogniser.rows import load_rows
from recog.tuning.model import TuneOptions, tune_model

MAX_DEV_ROWS = 300  # to tune on: more rows change little, and the user waits
ORDER: dict[Unit, int] = {"word": 3, "character": 7}  # of the shipped models
BEAM = 25  # without a base
# dev rows: with fewer the base's weights stay; with enough, more than two weights are tuned
MIN_ROWS, MIN_ROWS_FULL = 20, 100


def transfer_language_model(
    model_folder: RecogniserFolder,
    base: RecogniserFolder | None,
    recipe: Recipe,
    report: Reporter,
    threads: int,
    own_text: bool = False,
) -> RecogniserFolder:
    """Give a model its base's language model, and tune the weights on the model's dev rows.

    The new network is surer of its hand or voice, so the language model matters less. The weights
    are searched from the base's on, and the confidences are calibrated if dev has words enough.

    Args:
        own_text: mix the language model with one of the train texts.
    """
    names = []
    if base is not None and base.config.decoding.lm:
        names = [base.config.decoding.lm, *base.config.decoding.languages.values()]
    paths = {name: base.file(name) for name in names} if base else {}
    if not paths and not own_text:
        return model_folder
    before = _decoding_of_base(model_folder, base)
    rows = [row for row, _ in load_rows(recipe).rows]
    train = [row.text for row in rows if row.split == "train"]
    dev = [row for row in rows if row.split == "dev"]
    if own_text:
        nearest = _nearest([*paths.values()], train)
        texts = [row.text for row in dev]
        lm = mix_with_texts(nearest, train, texts, recipe.modality, report)
        files = {"lm.bin": lm}
        decoding = before.model_copy(update={"dev": {}, "lm": "lm.bin", "languages": {}})
    else:
        files = {name: path.read_bytes() for name, path in paths.items()}
        decoding = before.model_copy(update={"dev": {}})
    if base and decoding.rescoring:
        files |= {name: base.file(name).read_bytes() for name in (RESCORER, RESCORER_CONFIG)}
    confidence = base.config.confidence if base else None  # if dev has too few words to calibrate
    config = model_folder.config.model_copy(update={"decoding": decoding, "confidence": confidence})
    update_recogniser_folder(model_folder, model_folder.path, config, files, model_folder.card)

    if recipe.modality == "handwriting":  # the recogniser gives texts in logical order
        dev = [replace(row, text=to_logical(row.text)) for row in dev]
    dev = random.Random(recipe.training.seed).sample(dev, min(MAX_DEV_ROWS, len(dev)))
    fixed = _fixed_weights(len(dev), has_base=bool(paths))
    if "alpha" in fixed:
        report.say(
            f"{len(dev)} dev rows are too few to weigh the language model on: "
            "it keeps the base's weights."
        )
    else:
        report.say(f"Weighing the language model on {len(dev)} dev rows.")
    options = TuneOptions(
        out=model_folder.path,
        what="its dev rows",
        metric="wer" if recipe.modality == "speech" else "cer",
        beam=max(1, decoding.beam),
        sentence=decoding.sentence,
        fixed=fixed,
        new_lm=own_text and "alpha" not in fixed,
    )
    recogniser = load(model_folder.path, beam=0, looks="auto", threads=threads)
    report.say(tune_model(recogniser, dev, options, lambda _: None))
    return open_recogniser_folder(model_folder.path)


def _decoding_of_base(
    model_folder: RecogniserFolder, base: RecogniserFolder | None
) -> DecodingConfig:
    """The base's decoding, its offset converted to the frames of the new model."""
    if base is None:
        return DecodingConfig(beam=BEAM)
    decoding = base.config.decoding
    if not decoding.offset:
        return decoding
    finer = base.config.encoder.subsampling / model_folder.config.encoder.subsampling
    return decoding.model_copy(update={"offset": decoding.offset * finer})


def _fixed_weights(rows: int, *, has_base: bool) -> frozenset[str]:
    """The weights that so few dev rows do not suffice for."""
    fixed = {"beam"}
    if rows < MIN_ROWS_FULL:
        fixed |= {"unknown_cost", "temperature"}
    if has_base and rows < MIN_ROWS:
        fixed |= {"alpha", "beta", "rescoring"}
    return frozenset(fixed)


def _nearest(models: list[Path], texts: list[str]) -> Path | None:
    """The language model with the lowest perplexity on the texts; None of none."""
    if len(models) < 2:
        return next(iter(models), None)
    return min(
        models, key=lambda path: perplexity(load_lm(path), texts, sentence=False).including_unknown
    )


def mix_with_texts(
    base: Path | None, train: list[str], dev: list[str], modality: Modality, report: Reporter
) -> bytes:
    """Estimate a language model on the texts ``train``, and mix it with ``base``.

    The shares have the lowest perplexity on ``dev``, which has no other use here.

    Returns:
        The content of a binary file.
    """
    if base is None:
        unit: Unit = "character" if modality == "handwriting" else "word"
        model: NGrams = estimate(train, unit=unit, order=ORDER[unit])
    else:
        general = load_lm(base)
        special = estimate(train, unit=general.unit, order=general.order)
        shares = tune_weights([special, general], dev)
        report.say(
            f"Language model: {100 * shares[0]:.0f} % of these texts, "
            f"{100 * shares[1]:.0f} % of the base's."
        )
        model = mix([special, general], shares)
    return binary_bytes(model)
