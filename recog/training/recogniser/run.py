"""One training from command to model folder: recipe, data, network, loop, export."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from recog.corpora.manifest import load_data, modality, modality_of
from recog.errors import UsageError, UserError
from recog.lm.binary import binary_bytes
from recog.lm.g2p import open_g2p
from recog.model.config import MEMORYLESS
from recog.model.folder import GRAPH, PRONUNCIATIONS, SPELLING, TRAINING_PLOT, WEIGHTS
from recog.model.recogniser_folder import Bundle, ModelConfig, open_bundle, write_bundle
from recog.nn.weights import half_precision, network_from, weights_bytes
from recog.text.alphabet import Alphabet
from recog.text.pronunciations import (
    Pronunciations,
    pronunciations_bytes,
    read_pronunciations,
    sounds_of,
)
from recog.training.card import model_card
from recog.training.checkpoint import read_checkpoint
from recog.training.energy import energy
from recog.training.g2p import learn_spelling
from recog.training.plot import read_log, training_svg
from recog.training.progress import LOG, Reporter
from recog.training.recogniser.batches import plan_epoch
from recog.training.recogniser.data import Dataset, prepare
from recog.training.recogniser.feature_store import corpus_statistics
from recog.training.recogniser.recipe import (
    AS_THE_RECIPE,
    Recipe,
    RunOptions,
    default_recipe,
    read_recipe,
)
from recog.training.recogniser.scoring import score_bundle
from recog.training.recogniser.trainer import (
    Trainer,
    default_epochs,
    numbers_of_threads,
    seeded_network,
)
from recog.training.recogniser.word_crops import words_of
from recog.training.run_folder import notes_beside, opened
from recog.util.parallel import cores

LITTLE, RECOMBINED = 1000, 0.5  # lines of a folder below which that share of them is recombined
# of CER, by which int8 may be worse than float32 before the trainer says so
MAX_QUANTISATION_LOSS = 0.003


def run(
    what: Path, out: Path | None, base: str | None, options: RunOptions = AS_THE_RECIPE
) -> None:
    """Train ``what`` (a recipe, or data) into the model folder ``out``, from the model ``base``
    where one is given.

    Raises:
        UserError: the data, the recipe or the base cannot be used, or the folder holds another
            training.
    """
    rank = _join_processes()
    try:
        bundle = open_bundle(base) if base else None
        recipe, out = _recipe(what, out, bundle)
        recipe = options.override(recipe)
        if recipe.training.freeze and bundle is None:
            raise UsageError(
                "Only a base model's convolutions can be frozen: give --from MODEL, or no freeze."
            )
        if recipe.training.recombine and (bundle is None or recipe.modality != "handwriting"):
            raise UsageError(
                "Only lines of handwriting whose words a base model finds can be recombined: give --from MODEL."
            )
        if recipe.training.deterministic:
            repeatable()
        torch.set_num_threads(numbers_of_threads(recipe.training))
        with opened(out / "training", Reporter, restart=options.restart, leads=rank == 0) as report:
            _train(recipe, out, bundle, report, notes_beside(what), options.own_text)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def repeatable() -> None:
    """Let torch choose only algorithms that give the same on every run, for the rest of this
    process."""
    # else the LSTM on a GPU has no such algorithm
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)


def _join_processes() -> int:
    """Join the process group that ``torchrun`` announces in the environment; 0 when alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
        return 0
    backend = "gloo"
    if torch.cuda.is_available():
        number = int(os.environ.get("LOCAL_RANK", "0"))
        if number < torch.cuda.device_count():  # else the device that is asked for decides
            torch.cuda.set_device(number)
        backend = "cpu:gloo,cuda:nccl"
    # the first process computes features while the others wait, which may take hours
    dist.init_process_group(backend, timeout=timedelta(hours=24))
    return dist.get_rank()


def _recipe(what: Path, out: Path | None, bundle: Bundle | None) -> tuple[Recipe, Path]:
    lines = None
    if what.suffix.lower() in (".yaml", ".yml"):
        recipe = read_recipe(what)
        out = out or Path("runs") / recipe.name
    else:
        if out is None:
            raise UsageError("Give --out MODEL, the folder of the model to make.")
        rows = load_data(what, quiet=True, leave_out=[out])  # told when it is read again
        lines = len(rows)
        kinds = {modality_of(row.media) for row in rows}
        kind = (
            bundle.config.modality if bundle and bundle.config.modality in kinds else modality(rows)
        )
        name = (
            "".join(c if c.isalnum() or c in "._-" else "-" for c in out.resolve().name)[:64]
            or "model"
        )
        recipe = default_recipe(name, kind, str(what.resolve()), rows=lines)
    if bundle is not None:
        recipe = _on_base(recipe, bundle.config, lines)
    if recipe.subsampling:
        try:
            encoder = recipe.encoder.subsampled(recipe.subsampling)
        except ValueError as error:
            raise UserError(f"{what}: subsampling: {error}.") from None
        recipe = recipe.model_copy(update={"encoder": encoder})
    return recipe, out


def _on_base(recipe: Recipe, base: ModelConfig, rows: int | None) -> Recipe:
    """A recipe with what a base model keeps of itself.

    Args:
        rows: of bare data, which says nothing of how to train; None for a recipe that someone
            wrote.
    """
    if base.modality != recipe.modality:
        raise UserError(f"The base model is for {base.modality} and the data is {recipe.modality}.")
    encoder = base.encoder
    training: dict[str, Any] = {"short_first": False}  # the base knows long lines already
    kept: dict[str, Any] = {"languages": recipe.languages or base.languages}
    if rows is None:
        dropout = {"dropout": recipe.encoder.dropout}
        if encoder.cell not in MEMORYLESS:
            dropout["recurrent_dropout"] = recipe.encoder.recurrent_dropout
        encoder = encoder.model_copy(update=dropout)
        if recipe.encoder.intermediate:
            if recipe.encoder.intermediate >= encoder.layers:
                raise UserError(
                    f"The recipe's encoder.intermediate is {recipe.encoder.intermediate}; it must be less than the "
                    f"{encoder.layers} layers of the base model."
                )
            encoder = encoder.model_copy(update={"intermediate": recipe.encoder.intermediate})
    else:
        kept["normalise"] = base.normalise
        little = recipe.modality == "handwriting" and rows < LITTLE
        training |= {"learning_rate": 5e-4, "recombine": RECOMBINED if little else 0.0}
    if base.spectrogram:
        kept["spectrogram"] = base.spectrogram
    if base.strip:
        kept["strip"] = base.strip
    return recipe.model_copy(
        update={**kept, "encoder": encoder, "training": recipe.training.model_copy(update=training)}
    )


def _train(
    recipe: Recipe, out: Path, bundle: Bundle | None, report: Reporter, notes: str, own_text: bool
) -> None:
    data = _data(recipe, out / "training", bundle, report)
    recipe = _complete(recipe, data, bundle)
    if bundle is None:
        network = seeded_network(recipe, len(data.alphabet))
    else:
        torch.manual_seed(recipe.training.seed)  # for a head that it has not yet
        network = network_from(bundle, data.alphabet, encoder=recipe.encoder)
    begun = bundle.config.files.get(WEIGHTS) if bundle else None
    words = None
    if recipe.training.recombine:
        report.say("Finding the words in the lines, to make others of them.")
        words = words_of(
            network, data, recipe, out / "training", base=begun, writes=not report.quiet
        )
    trainer = Trainer(recipe, data, network, out, report, base=begun, words=words)
    resumed = trainer.resume()
    if trainer.progress.finished and (out / "config.json").exists():
        report.say(
            f"{out}: this training is finished (dev CER {100 * trainer.progress.best:.2f} %)."
        )
        return
    report.say(_opening(recipe, data, trainer, resumed))
    if bundle is not None and not resumed:
        trainer.measure_base()
    trainer.run_telling(report.say)
    if not report.quiet:
        finish(recipe, data, trainer, out, report, bundle, notes, own_text)
        trainer.progress.finished = True
        trainer.save()
    if dist.is_initialized():
        dist.barrier()


def _data(recipe: Recipe, folder: Path, bundle: Bundle | None, report: Reporter) -> Dataset:
    """Prepare the data; the first process computes the features and the others wait to map them."""
    leads = not report.quiet
    alphabet = Alphabet.from_list(bundle.config.symbols[1:]) if bundle else None
    cache = folder / "features"
    if dist.is_initialized() and not leads:
        dist.barrier()
    started = False

    def advance(total: int) -> None:
        nonlocal started
        if not started:
            report.counting("features", total)
            started = True
        report.advance()

    said, sounds = _pronunciations(recipe, bundle)
    data = prepare(
        recipe, cache, base=alphabet, pronunciations=said, sounds=sounds,
        g2p=open_g2p(bundle) if bundle and said else None, leave_out=[folder.parent], advance=advance,
    )  # fmt: skip
    report.stop()
    if dist.is_initialized() and leads:
        dist.barrier()
    report.left_out(data.problems)
    for note in data.notes:
        report.say(f"Note: {note}")
    return data


def _pronunciations(
    recipe: Recipe, bundle: Bundle | None
) -> tuple[Pronunciations, Alphabet | None]:
    """Those of the recipe, else of the base model, whose sounds stay the network's; nothing where
    neither has any.

    Raises:
        UserError: the recipe's have sounds that the base model does not know.
    """
    known = bundle.pronunciations() if bundle else {}
    said = read_pronunciations(Path(recipe.pronunciations)) if recipe.pronunciations else known
    if not said:
        return {}, None
    sounds = sounds_of(said)
    if bundle is not None and bundle.config.sounds:
        heard = Alphabet.from_list(bundle.config.sounds[1:])
        new = [sound for sound in sounds.symbols if sound not in heard]
        if new:
            raise UserError(
                f"{recipe.pronunciations}: has sounds that the base model does not know: {' '.join(new)}."
            )
        return said, heard
    return said, sounds


def _complete(recipe: Recipe, data: Dataset, bundle: Bundle | None) -> Recipe:
    """Fill in what follows from the data: corpus statistics and the number of epochs."""
    update: dict[str, Any] = {}
    sounds = 0 if data.sounds is None else len(data.sounds)
    update["encoder"] = recipe.encoder.model_copy(update={"sounds": sounds})
    if recipe.modality == "speech" and not recipe.spectrogram.mean:
        mean, deviation = corpus_statistics(data.store, [e.index for e in data.train])
        update["spectrogram"] = recipe.spectrogram.model_copy(
            update={"mean": mean, "deviation": deviation}
        )
    if not recipe.training.epochs:
        updates = math.ceil(len(plan_epoch(data.train, 1, recipe)) / recipe.training.accumulate)
        epochs = default_epochs(updates, bundle is not None, recipe.modality)
        update["training"] = recipe.training.model_copy(update={"epochs": epochs})
    return recipe.model_copy(update=update)


def _opening(recipe: Recipe, data: Dataset, trainer: Trainer, resumed: bool) -> str:
    parameters = sum(p.numel() for p in trainer.network.parameters())
    where = (
        f"{trainer.device}, {torch.get_num_threads()} threads"
        if trainer.device.type == "cpu"
        else str(trainer.device)
    )
    p = trainer.progress
    start = f"going on from epoch {p.epoch + 1}, step {p.step}" if resumed else "starting"
    split = f" ({data.split})" if data.split else ""
    return (
        f"{recipe.name}: {len(data.train)} rows to train on, {len(data.dev)} to evaluate on{split}; "
        f"{len(data.alphabet) - 1} symbols, {parameters / 1e6:.1f} M parameters, {recipe.training.epochs} epochs on {where}"
        f"{', bf16' if trainer.bf16 else ''}; {start}."
    )


def finish(
    recipe: Recipe,
    data: Dataset,
    trainer: Trainer,
    out: Path,
    report: Reporter,
    base: Bundle | None,
    notes: str = "",
    own_text: bool = False,
) -> Bundle:
    """Write the model folder from the best weights: float16 weights, the int8 graph made of them
    (where ONNX can compute the network), config and card."""
    best, state = read_checkpoint(trainer.best)
    if base is not None and state["epoch"] == 0:
        report.say(
            f"No epoch was better on dev than {base.config.name} itself: its weights are kept."
        )
    trained = {
        "epochs": trainer.progress.epoch,
        "best_epoch": state["epoch"],
        "steps": trainer.progress.step,
        "hours": round(trainer.progress.seconds / 3600, 2),
        "rows": len(data.train),
        "from": base.config.name if base else None,
        "recipe": _without_places(recipe),
        "data": [source.called for source in recipe.data],
        "corpora": corpora(recipe, data),
        "cpu_seconds": round(trainer.progress.cpu_seconds * trainer.world),
        "energy": energy(trainer.progress.cpu_seconds * trainer.world, trainer.progress.joules),
        "plot": TRAINING_PLOT,
    }
    bundle = export_bundle(recipe, data, best, out, trained=trained)
    result = score_bundle(bundle, data, cores())
    loss = result["cer"] - state["dev"]["cer"]
    if loss > MAX_QUANTISATION_LOSS:
        report.say(f"Note: in int8 the dev CER is {100 * loss:.2f} points higher than in float32.")
    config = bundle.config.model_copy(update={"dev": result})
    files = {name: bundle.file(name).read_bytes() for name in bundle.config.files}
    spelling = None if data.sounds is None else _spelling(recipe, data, base)
    if spelling is not None:
        files[SPELLING] = spelling
    log = read_log(out / "training" / LOG)
    files[TRAINING_PLOT] = training_svg(
        log, title=f"{config.name}: {trainer.progress.step} steps"
    ).encode()
    bundle = write_bundle(out, config, files, model_card(config, trainer.progress.history, notes))
    report.say(
        f"{out}: ready, dev CER {100 * result['cer']:.2f} %, WER {100 * result['wer']:.2f} % "
        f"(best path, as shipped in {config.arithmetic})."
    )
    if recipe.encoder.torch_only:
        report.say(
            f"Note: ONNX has no operator for the {recipe.encoder.recurrence}: using this model needs torch."
        )
    if base is not None or own_text:
        from recog.training.recogniser.lm_transfer import inherit_language_model

        bundle = inherit_language_model(bundle, base, recipe, report, cores(), own_text)
    return bundle


def _without_places(recipe: Recipe) -> dict[str, Any]:
    """What a model says of its recipe: nothing of where files lay on the machine that trained
    it."""
    told: dict[str, Any] = json.loads(
        recipe.model_dump_json(exclude={"data", "spectrogram", "strip", "encoder"})
    )
    if recipe.pronunciations is not None:
        told["pronunciations"] = Path(recipe.pronunciations).name
    return told


def _spelling(recipe: Recipe, data: Dataset, base: Bundle | None) -> bytes | None:
    """The file that says how other words are said: the base's, or learned from the recipe's
    pronunciations."""
    if base is not None and recipe.pronunciations is None:
        return base.file(SPELLING).read_bytes() if SPELLING in base.config.files else None
    model = learn_spelling(data.pronunciations)
    return None if model is None else binary_bytes(model)


def corpora(recipe: Recipe, data: Dataset) -> dict[str, dict[str, Any]]:
    """What the card says of each source: rows to train on and of dev that could be used, and its
    licence."""
    train, dev = (Counter(example.source for example in rows) for rows in (data.train, data.dev))
    return {
        name: {"train": train[name], "dev": dev[name], "licence": source.licence}
        for name, source in ((source.called, source) for source in recipe.data)
    }


def export_bundle(
    recipe: Recipe,
    data: Dataset,
    weights: dict[str, torch.Tensor],
    out: Path,
    *,
    trained: dict[str, Any],
) -> Bundle:
    """Write a model folder, not yet evaluated, of these weights."""
    kept = half_precision(weights)
    symbols = ("", *data.alphabet.symbols)
    files = {WEIGHTS: weights_bytes(kept)}
    if data.sounds is not None:
        files[PRONUNCIATIONS] = pronunciations_bytes(data.pronunciations)
    if not recipe.encoder.torch_only:
        from recog.nn.export.recogniser import build_onnx, quantise

        arrays = {name: np.asarray(t.float().numpy()) for name, t in kept.items()}
        files[GRAPH] = quantise(
            build_onnx(recipe.encoder, arrays, len(symbols))
        ).SerializeToString()
    config = ModelConfig(
        name=recipe.name,
        modality=recipe.modality,
        languages=recipe.languages,
        symbols=symbols,
        sounds=("", *data.sounds.symbols) if data.sounds else None,
        normalise=recipe.normalise,
        spectrogram=recipe.spectrogram if recipe.modality == "speech" else None,
        strip=recipe.strip if recipe.modality == "handwriting" else None,
        encoder=recipe.encoder,
        trained=trained,
    )
    return write_bundle(out, config, files, model_card(config, []))
