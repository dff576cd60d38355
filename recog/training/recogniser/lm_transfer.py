"""What a model trained from another takes over from it at the end: its language model, weighed
anew, and mixed with one of its own text where that is asked for."""

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
from recog.model.recogniser_folder import Bundle, open_bundle, update_bundle
from recog.recognition.load import load
from recog.text.bidi import to_logical
from recog.training.progress import Reporter
from recog.training.recogniser.recipe import Modality, Recipe
from recog.training.recogniser.rows import load_rows
from recog.tuning.model import TuneOptions, tune_model

MAX_DEV_ROWS = 300  # of dev to tune on: more tell nothing new, and the user waits
ORDER: dict[Unit, int] = {"word": 3, "character": 7}  # as the shipped models have
BEAM = 25  # where no base says another
MIN_ROWS_FULL = 100  # rows from which more than the two weights of the language model can be told,
MIN_ROWS = 20  # and below which nothing can: the base's weights stay


def transfer_language_model(
    bundle: Bundle,
    base: Bundle | None,
    recipe: Recipe,
    report: Reporter,
    threads: int,
    own_text: bool = False,
) -> Bundle:
    """Give a model the language model of the one it was trained from, with the weights that suit
    its own dev rows.

    The new network is surer of its hand or voice, so the language model has less to say: the
    weights are searched again from the base's on, 0 allowed, and the confidences are calibrated
    again where dev has words enough.

    Args:
        own: mix it with a model of the texts that the network was trained on, in the shares that
            foresee the dev rows best.
    """
    before = base.config.decoding if base else DecodingConfig(beam=BEAM)
    if base and before.offset:  # it is in frames, of which there may be more now
        finer = base.config.encoder.subsampling / bundle.config.encoder.subsampling
        before = before.model_copy(update={"offset": before.offset * finer})
    names = [before.lm, *before.languages.values()] if base and before.lm else []
    base_models = {name: base.file(name) for name in names if base and name}
    if not base_models and not own_text:
        return bundle
    # as the network reads them, and so the language model
    all_rows = [row for row, _ in load_rows(recipe).rows]
    rows = [row for row in all_rows if row.split == "dev"]
    if own_text:
        texts = [row.text for row in all_rows if row.split == "train"]
        nearest = _nearest([*base_models.values()], texts)
        files = {
            "lm.bin": mix_with_texts(
                nearest, texts, [row.text for row in rows], recipe.modality, report
            )
        }
        decoding = before.model_copy(update={"dev": {}, "lm": "lm.bin", "languages": {}})
    else:
        files = {name: path.read_bytes() for name, path in base_models.items()}
        decoding = before.model_copy(update={"dev": {}})
    if recipe.modality == "handwriting":  # to be compared with what is read
        rows = [replace(row, text=to_logical(row.text)) for row in rows]
    if base and decoding.rescoring:
        files |= {name: base.file(name).read_bytes() for name in (RESCORER, RESCORER_CONFIG)}
    confidence = base.config.confidence if base else None  # where dev has too few words to tell
    config = bundle.config.model_copy(update={"decoding": decoding, "confidence": confidence})
    update_bundle(bundle, bundle.path, config, files, bundle.card)
    rows = random.Random(recipe.training.seed).sample(rows, min(MAX_DEV_ROWS, len(rows)))
    fixed = {"beam"}
    if len(rows) < MIN_ROWS_FULL:
        fixed |= {"unknown_cost", "temperature"}
    too_few = bool(base_models) and len(rows) < MIN_ROWS
    if too_few:
        fixed |= {"alpha", "beta", "rescoring"}
        report.say(
            f"{len(rows)} dev rows are too few to weigh the language model on: it keeps the base's weights."
        )
    else:
        report.say(f"Weighing the language model on {len(rows)} dev rows.")
    line = tune_model(
        load(bundle.path, beam=0, looks="auto", threads=threads),
        rows,
        TuneOptions(
            out=bundle.path,
            what="its dev rows",
            metric="wer" if recipe.modality == "speech" else "cer",
            beam=max(1, decoding.beam),
            sentence=decoding.sentence,
            fixed=frozenset(fixed),
            new_lm=own_text and not too_few,
        ),
        lambda _: None,
    )
    report.say(line)
    return open_bundle(bundle.path)


def _nearest(models: list[Path], texts: list[str]) -> Path | None:
    """The language model that foresees some texts best; None of none."""
    if len(models) < 2:
        return next(iter(models), None)
    return min(
        models, key=lambda path: perplexity(load_lm(path), texts, sentence=False).including_unknown
    )


def mix_with_texts(
    base: Path | None, train: list[str], dev: list[str], modality: Modality, report: Reporter
) -> bytes:
    """A language model of the texts ``train``, mixed with ``base`` where there is one; a file's
    content.

    The shares are those that foresee ``dev`` best; nothing is estimated from it.
    """
    if base is None:
        unit: Unit = "character" if modality == "handwriting" else "word"
        model: NGrams = estimate(train, unit=unit, order=ORDER[unit])
    else:
        general = load_lm(base)
        special = estimate(train, unit=general.unit, order=general.order)
        shares = tune_weights([special, general], dev)
        report.say(
            f"Language model: {100 * shares[0]:.0f} % of these texts, {100 * shares[1]:.0f} % of the base's."
        )
        model = mix([special, general], shares)
    return binary_bytes(model)
