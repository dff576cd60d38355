"""What a model trained from another takes over from it at the end: its language model, weighed anew."""

from __future__ import annotations

import random
from dataclasses import replace

from recog.model.bundle import Bundle, open_bundle, update_bundle
from recog.recogniser import load
from recog.text.bidi import to_logical
from recog.training.data import load_rows
from recog.training.recipe import Recipe
from recog.training.report import Reporter
from recog.tune import tune_model

MAX_ROWS = 300  # of dev to tune on: more tell nothing new, and the user waits
ENOUGH = 100  # rows from which more than the two weights of the language model can be told


def inherit_language_model(bundle: Bundle, base: Bundle, recipe: Recipe, report: Reporter, threads: int) -> Bundle:
    """Give a model the language model of the one it was trained from, with the weights that suit its own dev rows.

    The new network is surer of its hand or voice, so the language model has less to say: the weights are searched again
    from the base's on, 0 allowed, and the confidences are calibrated again where dev has words enough.
    """
    name = base.config.decoding.lm
    if name is None:
        return bundle
    decoding = base.config.decoding.model_copy(update={"dev": {}})
    config = bundle.config.model_copy(update={"decoding": decoding})
    update_bundle(bundle, bundle.path, config, {name: base.file(name).read_bytes()}, bundle.card)
    rows = [row for row, _ in load_rows(recipe).rows if row.split == "dev"]
    rows = random.Random(recipe.training.seed).sample(rows, min(MAX_ROWS, len(rows)))
    if recipe.modality == "handwriting":  # they come as the network reads them
        rows = [replace(row, text=to_logical(row.text)) for row in rows]
    few = len(rows) < ENOUGH
    report.say(f"Weighing the language model of {base.config.name} on {len(rows)} dev rows.")
    line = tune_model(
        load(bundle.path, beam=0, threads=threads),
        rows,
        lm=None,
        out=bundle.path,
        what="its dev rows",
        metric="wer" if recipe.modality == "speech" else "cer",
        beam=max(1, decoding.beam),
        sentence=decoding.sentence,
        fixed=frozenset({"beam", "unknown_cost", "temperature"} if few else {"beam"}),
        say=lambda _: None,
    )
    report.say(line)
    return open_bundle(bundle.path)
