"""Recurrent layers to ONNX's operators, both directions in one node.

The order of the gates differs: torch's LSTM has i f g o and ONNX i o f c, torch's GRU r z n and
ONNX z r h.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.model.config import ConvLayer, EncoderConfig
from recog.nn.export.graph import Graph, Weights

Array = NDArray[np.float32]


def _reordered(x: Array, order: tuple[int, ...]) -> Array:
    parts = np.split(np.asarray(x, np.float32), len(order))
    return np.concatenate([parts[i] for i in order])


def lstm_gates(x: Array) -> Array:
    """Reorder rows of torch's gates i f g o to ONNX's i o f c."""
    return _reordered(x, (0, 3, 1, 2))


def _gru_gates(x: Array) -> Array:
    return _reordered(x, (1, 0, 2))


_FUSED = {
    "lstm": ("LSTM", lstm_gates, {}),
    "gru": ("GRU", _gru_gates, {"linear_before_reset": 1}),
    "rnn": ("RNN", lambda x: np.asarray(x, np.float32), {}),
}


def _fused(weights: Weights, direction: str, cell: str) -> list[Array]:
    """W, R and B of a direction of a fused cell."""
    gates = _FUSED[cell][1]
    w, r = (gates(weights[f"{direction}.weight_{kind}_l0"]) for kind in ("ih", "hh"))
    return [
        w,
        r,
        np.concatenate([gates(weights[f"{direction}.bias_{kind}_l0"]) for kind in ("ih", "hh")]),
    ]


def _peephole(weights: Weights, direction: str) -> list[Array]:
    """W, R, B and P of a direction; the second bias is 0, and the peepholes are in order i o f."""
    w, r, b = (
        lstm_gates(weights[f"{direction}.{kind}"])
        for kind in ("input_weight", "recurrent_weight", "bias")
    )
    return [
        w,
        r,
        np.concatenate((b, np.zeros_like(b))),
        _reordered(weights[f"{direction}.peepholes"], (0, 2, 1)),
    ]


def recurrent_layer(
    graph: Graph, x: str, weights: Weights, prefix: str, config: EncoderConfig
) -> str:
    """Add a recurrent layer, (time, 1, inputs) -> (time, 1, outputs).

    Raises:
        UserError: no ONNX operator computes the cell.
    """
    if config.torch_only:
        raise UserError(
            f"ONNX has no operator for the {config.recurrence}; this model runs in torch only."
        )
    directions = (
        [f"{prefix}.ahead", f"{prefix}.back"] if config.bidirectional else [f"{prefix}.ahead"]
    )
    peephole = config.cell == "peephole"
    operator, _, options = _FUSED["lstm" if peephole else config.cell]
    parameters = [
        _peephole(weights, d) if peephole else _fused(weights, d, config.cell) for d in directions
    ]
    way = "bidirectional" if config.bidirectional else "forward"
    y = _node(
        graph, operator, x, prefix, parameters, hidden_size=config.hidden, direction=way, **options
    )
    # (time, 1, direction, hidden)
    y = graph.add("Transpose", [y], f"{prefix}.order", perm=[0, 2, 1, 3])
    shape = graph.constant(
        f"{prefix}.shape", np.array([0, 1, len(directions) * config.hidden], np.int64)
    )
    return graph.add("Reshape", [y, shape], f"{prefix}.out")


def _node(
    graph: Graph,
    operator: str,
    x: str,
    prefix: str,
    directions: list[list[Array]],
    **attributes: Any,
) -> str:
    """Add a recurrent node; ``directions`` have the weights W, R, B and perhaps P."""
    w, r, b, *p = (np.stack(values) for values in zip(*directions, strict=True))
    inputs = [x, *(graph.constant(f"{prefix}.{n}", v) for n, v in (("W", w), ("R", r), ("B", b)))]
    if p:  # after the lengths and the first states, which are left out
        inputs += ["", "", "", graph.constant(f"{prefix}.P", p[0])]
    return graph.add(operator, inputs, f"{prefix}.{operator.lower()}", **attributes)


def _banded(kernel: Array, height: int) -> Array:
    """The banded matrix of a convolution along the height.

    Args:
        kernel: (outputs, inputs, k).

    Returns:
        (outputs * height, inputs * height).
    """
    outputs, inputs, size = kernel.shape
    matrix = np.zeros((outputs, height, inputs, height), np.float32)
    rows = np.arange(height)
    for k in range(size):
        read = rows + k - size // 2
        inside = (read >= 0) & (read < height)
        matrix[:, rows[inside], :, read[inside]] = kernel[:, :, k]
    return matrix.reshape(outputs * height, inputs * height)


def convolutional_lstm(
    graph: Graph, x: str, weights: Weights, prefix: str, spec: ConvLayer, height: int
) -> str:
    """Add a :class:`recog.nn.cells.ConvLSTM` on images (1, maps, height, width)."""
    directions = []
    for way in ("ahead", "back"):
        names = ("input_kernel", "state_kernel", "bias", "peepholes")
        w = {k: np.asarray(weights[f"{prefix}.layer.{way}.{k}"], np.float32) for k in names}
        matrices = [lstm_gates(_banded(w[k], height)) for k in ("input_kernel", "state_kernel")]
        bias = lstm_gates(np.repeat(w["bias"], height))
        directions.append(
            [*matrices, np.concatenate((bias, 0 * bias)), _reordered(w["peepholes"], (0, 2, 1))]
        )
    x = graph.add("Transpose", [x], f"{prefix}.columns", perm=[3, 0, 1, 2])
    flat = graph.constant(f"{prefix}.flat", np.array([0, 1, -1], np.int64))
    x = graph.add("Reshape", [x, flat], f"{prefix}.rows")
    hidden = spec.channels * height
    y = _node(graph, "LSTM", x, prefix, directions, hidden_size=hidden, direction="bidirectional")
    shape = graph.constant(f"{prefix}.shape", np.array([0, 1, spec.maps, height], np.int64))
    # from (width, direction, 1, channels * height)
    y = graph.add("Reshape", [y, shape], f"{prefix}.maps")
    return graph.add("Transpose", [y], f"{prefix}.out", perm=[1, 2, 3, 0])
