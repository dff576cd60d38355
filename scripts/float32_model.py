#!/usr/bin/env python3
"""The same model with a network that computes in float32: what int8 costs is the difference on the
same data.

python scripts/float32_model.py MODEL OUT
recog evaluate --model OUT DATA
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from recog.errors import UserError
from recog.model.folder import GRAPH
from recog.model.recogniser_folder import open_recogniser_folder, update_recogniser_folder
from recog.nn.export.recogniser import build_onnx
from recog.nn.weights import load_weights


def float32_model(model: str, out: Path) -> None:
    """Write the model folder ``out``.

    Raises:
        UserError: the model cannot be read, or has no ONNX graph.
    """
    model_folder = open_recogniser_folder(model)
    if model_folder.config.encoder.torch_only:
        raise UserError(f"{model_folder.path} runs in torch, in float32 already.")
    arrays = {name: np.asarray(t.float().numpy()) for name, t in load_weights(model_folder).items()}
    graph = build_onnx(model_folder.config.encoder, arrays, len(model_folder.config.symbols))
    files = {
        name: model_folder.file(name).read_bytes()
        for name in model_folder.config.files
        if name != GRAPH
    }
    update_recogniser_folder(
        model_folder,
        out,
        model_folder.config,
        files | {GRAPH: graph.SerializeToString()},
        model_folder.card,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        float32_model(arguments.model, arguments.out)
    except UserError as error:
        sys.exit(f"float32_model: {error}")


if __name__ == "__main__":
    main()
