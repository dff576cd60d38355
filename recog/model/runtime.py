"""Compute log-probabilities from features, with ONNX Runtime.

Torch is needed only for networks without ONNX operators. Each call runs a single item. Dynamic int8
takes its activation scale from the whole tensor, so other items in a batch would change the result.
Items run in parallel on threads instead, and each call uses a single thread.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.model.folder import GRAPH
from recog.model.onnx_session import open_session, run_graph
from recog.model.recogniser_folder import RecogniserFolder

TORCH_BACKEND = "recog.nn.torch_runtime"  # imported by name, as it needs torch


class Runtime(Protocol):
    """A loaded network. Thread-safe."""

    def log_probs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-probabilities of an item's features.

        Args:
            features: (columns, height). No columns give no frames.

        Returns:
            (frames, symbols) natural log. Models that recognise phones too have their columns after
            those of the symbols.
        """


def open_runtime(model_folder: RecogniserFolder) -> Runtime:
    """Load a model's network, in torch if ONNX lacks an operator, else in ONNX Runtime.

    Raises:
        UserError: it cannot be loaded, or needs torch, which is not installed.
    """
    encoder = model_folder.config.encoder
    if not encoder.torch_only:
        return OnnxRuntime(model_folder)
    try:
        backend = import_module(TORCH_BACKEND)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{model_folder.path}: ONNX has no operator for the {encoder.recurrence}, so this "
            "model "
            f"runs in torch only, and {error.name} is not installed: pip install 'recog[train]'."
        ) from None
    runtime: Runtime = backend.TorchRuntime(model_folder)
    return runtime


class OnnxRuntime:
    """A network in ONNX Runtime. Thread-safe.

    Args:
        model_folder: the model.
        graph: an ONNX file to use in place of the model's ``model.onnx``.
    """

    def __init__(self, model_folder: RecogniserFolder, *, graph: Path | None = None) -> None:
        path = graph or model_folder.file(GRAPH)
        self.config = model_folder.config
        self._session = open_session(path)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        fits = (
            len(inputs) == 1
            and len(outputs) == 1
            and len(inputs[0].shape) == len(outputs[0].shape) == 2
        )
        if (
            not fits
            or outputs[0].shape[1] != model_folder.config.outputs
            or inputs[0].shape[1] != model_folder.config.encoder.height
        ):
            raise UserError(
                f"{path}: the network does not have the inputs and outputs that the config says."
            )
        self._input, self._path = inputs[0].name, path

    def log_probs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :meth:`Runtime.log_probs`."""
        if len(features) == 0:
            return np.zeros((0, self.config.outputs), np.float32)
        [result] = run_graph(
            self._session,
            self._path,
            {self._input: np.ascontiguousarray(features, dtype=np.float32)},
        )
        return np.asarray(result, dtype=np.float32)
