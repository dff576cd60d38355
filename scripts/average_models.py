#!/usr/bin/env python3
"""A model whose weights are the mean of two others' (Wortsman et al. 2022, "Model soups").

    python scripts/average_models.py MODEL TRAINED-ON OUT [--share 0.5]

TRAINED-ON was trained --from MODEL, or from what MODEL was trained from: networks far apart do not
mix. Symbols that MODEL lacks are added to it as at the start of a training. --share is the weight of
TRAINED-ON, from 0 to 1. OUT gets its config, language models and
card; figures in these are TRAINED-ON's until `recog tune OUT DEV` measures anew. Heads over an
intermediate layer, which are of use in training only, are left out where MODEL has none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from recog.errors import UserError
from recog.model.folder import GRAPH, WEIGHTS
from recog.model.recogniser_folder import open_recogniser_folder, update_recogniser_folder
from recog.nn.export.recogniser import build_onnx, quantise
from recog.nn.weights import half_precision, load_weights, network_from, weights_bytes
from recog.text.alphabet import Alphabet


def average(model: str, trained_on: str, out: Path, share: float) -> None:
    """Write the model folder ``out``.

    Raises:
        UserError: the two have other symbols or other networks, or one cannot be read.
    """
    base, model_folder = open_recogniser_folder(model), open_recogniser_folder(trained_on)
    symbols = model_folder.config.symbols
    if symbols[: len(base.config.symbols)] != base.config.symbols:
        raise UserError(
            f"{base.path} has symbols that {model_folder.path} lacks, or has elsewhere; only a model "
            "and what was trained from it can be averaged."
        )
    a = network_from(base, Alphabet(symbols[1:])).state_dict()
    b = load_weights(model_folder)
    encoder = model_folder.config.encoder
    if not base.config.encoder.intermediate:
        encoder = encoder.model_copy(update={"intermediate": 0})
        b = {name: value for name, value in b.items() if not name.startswith("early")}
    if base.config.sounds != model_folder.config.sounds:
        raise UserError(f"{base.path} and {model_folder.path} have other phones.")
    if {name: a[name].shape for name in a.keys() & b.keys()} != {
        name: t.shape for name, t in b.items()
    }:
        raise UserError(
            f"{base.path} and {model_folder.path} are other networks; only two of the same shape can be "
            "averaged."
        )
    mean = half_precision(
        {name: (1.0 - share) * a[name].float() + share * b[name].float() for name in b}
    )
    files = {
        name: model_folder.file(name).read_bytes()
        for name in model_folder.config.files
        if name not in (GRAPH, WEIGHTS)
    }
    files[WEIGHTS] = weights_bytes(mean)
    config = model_folder.config.model_copy(update={"encoder": encoder})
    if not encoder.torch_only:
        arrays = {name: np.asarray(t.float().numpy()) for name, t in mean.items()}
        files[GRAPH] = quantise(
            build_onnx(encoder, arrays, len(config.symbols))
        ).SerializeToString()
    update_recogniser_folder(model_folder, out, config, files, model_folder.card)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("trained_on", metavar="trained-on")
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5)
    arguments = parser.parse_args()
    if not 0.0 <= arguments.share <= 1.0:
        parser.error("--share lies between 0 and 1")
    try:
        average(arguments.model, arguments.trained_on, arguments.out, arguments.share)
    except UserError as error:
        sys.exit(f"average_models: {error}")


if __name__ == "__main__":
    main()
