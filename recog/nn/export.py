"""Network -> ONNX, built node by node from the config and not traced, so that the time axis stays free.

The graph takes one item's features (columns, height) and gives log-probabilities (frames, symbols): with one item there
is no padding and so no mask. Batch norm is folded into the convolutions. The LSTM layers are ONNX's own bidirectional
operator, whose gates are in the order i o f c (torch's are i f g o).
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from recog.model.config import EncoderConfig

OPSET = 17
Weights = Mapping[str, NDArray[np.float32]]


class Graph:
    """Nodes and initialisers under construction; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def half(self, name: str, value: NDArray) -> str:
        """A float32 constant that takes half the room: what was trained is kept in half precision anyway."""
        stored = self.constant(f"{name}.half", np.asarray(value, np.float16))
        return self.add("Cast", [stored], name, to=TensorProto.FLOAT)

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name


def folded(weights: Weights, prefix: str, eps: float = 1e-5) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and bias of a convolution with its batch norm folded in."""
    w = {k: np.asarray(weights[f"{prefix}.{k}"], np.float64) for k in
         ("conv.weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var")}  # fmt: skip
    scale = w["norm.weight"] / np.sqrt(w["norm.running_var"] + eps)
    kernel = w["conv.weight"] * scale[:, None, None, None]
    bias = w["norm.bias"] - w["norm.running_mean"] * scale
    return kernel.astype(np.float32), bias.astype(np.float32)


def _gates(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of torch's gates i f g o -> ONNX's i o f c."""
    i, f, g, o = np.split(np.asarray(x, np.float32), 4)
    return np.concatenate((i, o, f, g))


def _lstm(graph: Graph, x: str, weights: Weights, index: int, hidden: int) -> str:
    prefix = f"layers.{index}"
    directions = [f"{prefix}.ahead", f"{prefix}.back"]
    w = np.stack([_gates(weights[f"{d}.weight_ih_l0"]) for d in directions])
    r = np.stack([_gates(weights[f"{d}.weight_hh_l0"]) for d in directions])
    b = np.stack([np.concatenate([_gates(weights[f"{d}.bias_{k}_l0"]) for k in ("ih", "hh")]) for d in directions])
    inputs = [x, *(graph.constant(f"{prefix}.{n}", v) for n, v in (("W", w), ("R", r), ("B", b)))]
    y = graph.add("LSTM", inputs, f"{prefix}.lstm", hidden_size=hidden, direction="bidirectional")
    y = graph.add("Transpose", [y], f"{prefix}.order", perm=[0, 2, 1, 3])  # (time, 1, direction, hidden)
    shape = graph.constant(f"{prefix}.shape", np.array([0, 1, 2 * hidden], np.int64))
    return graph.add("Reshape", [y, shape], f"{prefix}.out")


def build_onnx(config: EncoderConfig, weights: Weights, symbols: int) -> onnx.ModelProto:
    """The float32 graph of an :class:`recog.nn.encoder.Encoder` with these weights (names as in its state dict)."""
    g = Graph()
    axes = g.constant("axes", np.array([0, 1], np.int64))
    x = g.add("Transpose", ["features"], "rows", perm=[1, 0])
    x = g.add("Unsqueeze", [x, axes], "image")
    height, channels = config.height, 1
    for i, spec in enumerate(config.convolutions):
        kernel, bias = folded(weights, f"front.{i}")
        inputs = [x, g.constant(f"front.{i}.kernel", kernel), g.constant(f"front.{i}.bias", bias)]
        high, wide = (0 if spec.collapse else spec.kernel[0] // 2), spec.kernel[1] // 2
        x = g.add(
            "Conv",
            inputs,
            f"front.{i}.conv",
            kernel_shape=spec.kernel,
            strides=spec.stride,
            pads=[high, wide, high, wide],
        )
        x = g.add("Relu", [x], f"front.{i}.relu")
        if spec.pool != (1, 1):
            x = g.add("MaxPool", [x], f"front.{i}.pool", kernel_shape=spec.pool, strides=spec.pool, ceil_mode=1)
        height, channels = spec.height_after(height), spec.channels
    if config.columns == "max+mean":
        pooled = [g.add(f"Reduce{kind}", [x], f"columns.{kind}", axes=[2], keepdims=0) for kind in ("Max", "Mean")]
        x = g.add("Concat", pooled, "columns", axis=1)
    else:
        x = g.add(
            "Reshape", [x, g.constant("columns.shape", np.array([1, channels * height, -1], np.int64))], "columns"
        )
    x = g.add("Transpose", [x], "frames", perm=[2, 0, 1])
    for i in range(config.layers):
        x = _lstm(g, x, weights, i, config.hidden)
    x = g.add("Squeeze", [x, g.constant("one", np.array([1], np.int64))], "states")
    x = g.add(
        "MatMul", [x, g.constant("head.kernel", np.asarray(weights["head.weight"], np.float32).T)], "head.product"
    )
    x = g.add("Add", [x, g.constant("head.offset", np.asarray(weights["head.bias"], np.float32))], "scores")
    g.add("LogSoftmax", [x], "log_probs", axis=-1)
    graph = helper.make_graph(
        g.nodes,
        "recog",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["columns", config.height])],
        [helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["frames", symbols])],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="recog")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Dynamic int8 of the LSTM and linear weights, one scale a row; convolutions stay float32.

    ``reduce_range`` keeps weights in 7 bits, so that CPUs without VNNI do not saturate and all agree.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=["LSTM", "MatMul"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        return onnx.load(target)


@contextlib.contextmanager
def _quiet():
    """Keep the quantiser's advice to run its own preprocessing (shape inference, which is done here by hand) off the log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
