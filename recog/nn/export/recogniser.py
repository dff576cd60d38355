"""A recogniser's network to ONNX, built node by node, so that the time axis stays free.

The graph takes the features (columns, height) of one item, which needs no mask, and gives
log-probabilities (frames, symbols + phones). Batch norm is folded into the convolutions. Recurrent
layers are ONNX's bidirectional operators (:mod:`recog.nn.export.cells`).
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from recog.model.config import EncoderConfig
from recog.nn.export.attention import self_attention
from recog.nn.export.cells import convolutional_lstm, recurrent_layer
from recog.nn.export.graph import Graph, Weights, int8_rows, tensor_info


def folded(
    weights: Weights, prefix: str, eps: float = 1e-5
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and bias of a convolution with its batch norm folded in."""
    conv, gain, shift, mean, variance = (
        np.asarray(weights[f"{prefix}.{name}"], np.float64)
        for name in (
            "conv.weight",
            "norm.weight",
            "norm.bias",
            "norm.running_mean",
            "norm.running_var",
        )
    )
    scale = gain / np.sqrt(variance + eps)
    kernel = conv * scale[:, None, None, None]
    bias = shift - mean * scale
    return kernel.astype(np.float32), bias.astype(np.float32)


def build_onnx(config: EncoderConfig, weights: Weights, symbols: int) -> onnx.ModelProto:
    """The float32 graph of an :class:`recog.nn.encoder.Encoder`.

    Args:
        weights: with the names of its state dict.
        symbols: number of output symbols, the blank included.
    """
    g = Graph()
    axes = g.constant("axes", np.array([0, 1], np.int64))
    x = g.add("Transpose", ["features"], "rows", perm=[1, 0])
    x = g.add("Unsqueeze", [x, axes], "image")
    height, channels = config.height, 1
    for i, spec in enumerate(config.convolutions):
        if spec.recurrent:
            x = convolutional_lstm(g, x, weights, f"front.{i}", spec, height)
            channels = spec.maps
            continue
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
            x = g.add(
                "MaxPool",
                [x],
                f"front.{i}.pool",
                kernel_shape=spec.pool,
                strides=spec.pool,
                ceil_mode=1,
            )
        height, channels = spec.height_after(height), spec.maps
    if config.columns == "max+mean":
        pooled = [
            g.add(f"Reduce{kind}", [x], f"columns.{kind}", axes=[2], keepdims=0)
            for kind in ("Max", "Mean")
        ]
        x = g.add("Concat", pooled, "columns", axis=1)
    else:
        x = g.add(
            "Reshape",
            [x, g.constant("columns.shape", np.array([1, channels * height, -1], np.int64))],
            "columns",
        )
    x = g.add("Transpose", [x], "frames", perm=[2, 0, 1])
    for i in range(config.layers):
        x = recurrent_layer(g, x, weights, f"layers.{i}", config)
    x = g.add("Squeeze", [x, g.constant("one", np.array([1], np.int64))], "states")
    if config.attention:
        x = self_attention(g, x, weights, config)
    if config.sounds:
        heads = [_linear_log_softmax(g, x, weights, head, head) for head in ("head", "sounds")]
        g.add("Concat", heads, "log_probs", axis=-1)
    else:
        _linear_log_softmax(g, x, weights, "head", "log_probs")
    features = tensor_info("features", ["columns", config.height])
    log_probs = tensor_info("log_probs", ["frames", symbols + config.sounds])
    return g.model("recog", [features], [log_probs])


def _linear_log_softmax(g: Graph, x: str, weights: Weights, head: str, name: str) -> str:
    """Add a head: (frames, states) -> log-probabilities (frames, outputs)."""
    kernel = np.asarray(weights[f"{head}.weight"], np.float32).T
    offset = np.asarray(weights[f"{head}.bias"], np.float32)
    return g.add("LogSoftmax", [g.linear(x, head, kernel, offset, f"{head}.scores")], name, axis=-1)


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantise LSTM and linear weights to dynamic int8, a scale per row.

    Convolutions stay float32. ``reduce_range`` keeps weights in 7 bits, so that CPUs without VNNI
    do not saturate, and all agree. GRU and RNN, which ONNX Runtime has no int8 kernel for, store
    int8 and compute in float32.
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
        return _packed(onnx.load(target))


def _packed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the matrices of GRU and RNN as int8, unpacked once on loading."""
    constants = {c.name: c for c in model.graph.initializer}
    matrices = [
        name
        for node in model.graph.node
        if node.op_type in ("GRU", "RNN")
        for name in node.input[1:3]
    ]
    unpacking: list[onnx.NodeProto] = []
    for name in matrices:
        small = Graph()
        packed, scale = int8_rows(numpy_helper.to_array(constants[name]), axis=1)
        small.unpacked(name, packed, scale)
        model.graph.initializer.remove(constants[name])
        model.graph.initializer.extend(small.constants)
        unpacking += small.nodes
    nodes = [*unpacking, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


@contextlib.contextmanager
def _quiet():
    """Silence the quantiser's advice to run its preprocessing, which is not needed here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
