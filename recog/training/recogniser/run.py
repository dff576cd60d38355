"""The training of a recogniser from the command to the model folder."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist

from recog.errors import UsageError, UserError
from recog.lm.g2p import open_g2p
from recog.model.folder import WEIGHTS
from recog.model.recogniser_folder import RecogniserFolder, open_recogniser_folder
from recog.nn.weights import network_from
from recog.text.alphabet import Alphabet
from recog.text.pronunciations import Pronunciations, phone_alphabet, read_pronunciations
from recog.training.progress import Reporter
from recog.training.recipe_base import NO_OVERRIDES, RunOptions
from recog.training.recogniser.data import Dataset, prepare
from recog.training.recogniser.distributed import join_processes, make_deterministic, thread_count
from recog.training.recogniser.export import export_recogniser
from recog.training.recogniser.recipe import Recipe
from recog.training.recogniser.run_recipe import complete_recipe, find_recipe
from recog.training.recogniser.trainer import Trainer, seeded_network
from recog.training.recogniser.word_crops import load_word_crops
from recog.training.run_folder import card_notes, open_run


def train_recogniser(
    source: Path, out: Path | None, base: str | None, options: RunOptions = NO_OVERRIDES
) -> None:
    """Train a recogniser into the model folder ``out``.

    Args:
        source: a recipe, or data.
        out: for a recipe by default ``runs/NAME``.
        base: a model to train from.

    Raises:
        UserError: the data, the recipe or the base cannot be used, or the folder holds another
            training.
    """
    rank = join_processes()
    try:
        model_folder = open_recogniser_folder(base) if base else None
        recipe, out = find_recipe(source, out, model_folder)
        recipe = options.override(recipe)
        _check_fine_tuning(recipe, model_folder)
        if recipe.training.deterministic:
            make_deterministic()
        torch.set_num_threads(thread_count(recipe.training.threads))
        restart = options.restart
        with open_run(
            out / "training", Reporter, restart=restart, main_process=rank == 0
        ) as report:
            trainer = make_trainer(recipe, out, model_folder, report)
            trainer.train(
                _describe(trainer),
                lambda: export_recogniser(
                    trainer, model_folder, card_notes(source), own_text=options.own_text
                ),
            )
            if dist.is_initialized():
                dist.barrier()
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _check_fine_tuning(recipe: Recipe, model_folder: RecogniserFolder | None) -> None:
    """Refuse options that need a base model where there is none."""
    if recipe.training.freeze and model_folder is None:
        raise UsageError(
            "Only a base model's convolutions can be frozen: give --from MODEL, or no freeze."
        )
    if recipe.training.recombine and (model_folder is None or recipe.modality != "handwriting"):
        raise UsageError(
            "Only lines of handwriting whose words a base model finds can be recombined: "
            "give --from MODEL."
        )


def make_trainer(
    recipe: Recipe, out: Path, model_folder: RecogniserFolder | None, report: Reporter
) -> Trainer:
    """The trainer with its data and its initial network."""
    data = load_dataset(recipe, out / "training", model_folder, report)
    recipe = complete_recipe(recipe, data, base=model_folder is not None)
    if model_folder is None:
        network = seeded_network(recipe, len(data.alphabet))
    else:
        torch.manual_seed(recipe.training.seed)  # for heads that the base lacks
        network = network_from(model_folder, data.alphabet, encoder=recipe.encoder)
    checksum = model_folder.config.files.get(WEIGHTS) if model_folder else None
    words = None
    if recipe.training.recombine:
        report.say("Finding the words in the lines, to put them together into other lines.")
        words = load_word_crops(
            network, data, recipe, out / "training", base=checksum, writes=not report.quiet
        )
    return Trainer(recipe, data, network, out, report, base=checksum, words=words)


def load_dataset(
    recipe: Recipe, folder: Path, model_folder: RecogniserFolder | None, report: Reporter
) -> Dataset:
    """Prepare the data; the first process computes the features, and the others wait for them."""
    main_process = not report.quiet
    if dist.is_initialized() and not main_process:
        dist.barrier()
    started = False

    def advance(total: int) -> None:
        nonlocal started
        if not started:
            report.start_bar("features", total)
            started = True
        report.advance()

    pronunciations, phones = load_pronunciations(recipe, model_folder)
    data = prepare(
        recipe,
        folder / "features",
        base=Alphabet.from_list(model_folder.config.symbols[1:]) if model_folder else None,
        pronunciations=pronunciations,
        phones=phones,
        g2p=open_g2p(model_folder) if model_folder and pronunciations else None,
        leave_out=[folder.parent],
        advance=advance,
    )
    report.stop()
    if dist.is_initialized() and main_process:
        dist.barrier()
    report.report_problems(data.problems)
    for note in data.notes:
        report.say(f"Note: {note}")
    return data


def load_pronunciations(
    recipe: Recipe, model_folder: RecogniserFolder | None
) -> tuple[Pronunciations, Alphabet | None]:
    """The recipe's pronunciations, else the base model's, with their phones.

    Raises:
        UserError: the recipe's have phones that the base model does not know.
    """
    if recipe.pronunciations:
        pronunciations = read_pronunciations(Path(recipe.pronunciations))
    else:
        pronunciations = model_folder.pronunciations() if model_folder else {}
    if not pronunciations:
        return {}, None
    phones = phone_alphabet(pronunciations)
    if model_folder is None or not model_folder.config.sounds:
        return pronunciations, phones
    base_phones = Alphabet.from_list(model_folder.config.sounds[1:])
    new = [phone for phone in phones.symbols if phone not in base_phones]
    if new:
        raise UserError(
            f"{recipe.pronunciations}: has sounds that the base model does not know: "
            f"{' '.join(new)}."
        )
    return pronunciations, base_phones


def _describe(trainer: Trainer) -> str:
    data = trainer.data
    split = f" ({data.split})" if data.split else ""
    return (
        f"{trainer.recipe.name}: {len(data.train)} rows to train on, {len(data.dev)} to evaluate on"
        f"{split}; {len(data.alphabet) - 1} symbols"
    )
