"""The neural language model to ONNX, built node by node.

Inputs are ``tokens`` (batch, time) int64, the state before them as ``hidden`` and ``cell`` (layers,
batch, hidden), and ``places`` (wanted,) int64. A place is time * batch + row of a token after which
probabilities are computed: with large vocabularies they are most of the work. Outputs are
``log_probs`` (wanted, symbols), natural log, ``hidden_after`` and ``cell_after``. Padding on the
right needs no mask, as the network reads from left to right.

Weights are int8 with a scale per row. The LSTM layers compute in float32: ONNX Runtime unpacks the
weights once, on loading. The output layer multiplies integers. Its inputs are rounded to 7 bits
with a scale for each place, so that no CPU's 16-bit sums overflow, and a text's score does not
depend on the other texts of the batch, as it would with dynamic int8.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from recog.model.language_model import LanguageNetworkConfig
from recog.nn.export.cells import lstm_gates
from recog.nn.export.graph import Graph, Weights, int8_rows, tensor_info

SEVEN_BITS = 63  # largest magnitude of the output layer's rounded inputs


class _PackedGraph(Graph):
    """A graph whose matrices are stored as int8, or else as float32."""

    def __init__(self, *, int8: bool) -> None:
        super().__init__()
        self.int8 = int8

    def matrix(self, name: str, value: NDArray[np.float32], *, axis: int) -> str:
        """Add a matrix; as int8 it has a scale for each index of ``axis``."""
        return (
            self.unpacked(name, *int8_rows(value, axis=axis))
            if self.int8
            else self.constant(name, value)
        )

    def embedding(self, value: NDArray[np.float32], tokens: str, *, shared: bool) -> str:
        """Add an embedding.

        A table that the output layer shares is that layer's matrix. Another table is stored in
        float16 if that is exact, as for weights of a model folder.
        """
        if shared:
            self.head_rows(value)
            if not self.int8:
                return self.add("Gather", ["head.rows", tokens], "embedding", axis=0)
            rows = self.add("Gather", ["head.rows.int8", tokens], "embedding.int8", axis=0)
            rows = self.add("Cast", [rows], "embedding.float", to=TensorProto.FLOAT)
            scale = self.add("Gather", ["head.rows.scale", tokens], "embedding.scale", axis=0)
            return self.add("Mul", [rows, scale], "embedding")
        half = value.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), value):
            return self.add(
                "Gather", [self.constant("embedding.table", value), tokens], "embedding", axis=0
            )
        rows = self.add(
            "Gather", [self.constant("embedding.table", half), tokens], "embedding.rows", axis=0
        )
        return self.add("Cast", [rows], "embedding", to=TensorProto.FLOAT)

    def head_rows(self, value: NDArray[np.float32]) -> None:
        """Add the matrix (symbols, size) of the output layer."""
        if not self.int8:
            self.constant("head.rows", value)
            return
        packed, scale = int8_rows(value, axis=0)
        self.constant("head.rows.int8", packed)
        self.constant("head.rows.scale", scale)

    def scores(self, x: str, offset: NDArray[np.float32]) -> str:
        """Add the output layer without softmax: (wanted, size) -> (wanted, symbols)."""
        bias = self.constant("head.offset", offset)
        if not self.int8:
            return self.add("Gemm", [x, "head.rows", bias], "scores", transB=1)
        highest = self.add(
            "ReduceMax",
            [self.add("Abs", [x], "wanted.abs")],
            "wanted.highest",
            axes=[1],
            keepdims=1,
        )
        unit = self.constant("wanted.unit", np.array(1.0 / SEVEN_BITS, np.float32))
        scale = self.add("Mul", [highest, unit], "wanted.step")
        scale = self.add(
            "Add",
            [scale, self.constant("wanted.tiny", np.array(1e-20, np.float32))],
            "wanted.scale",
        )  # no 0 / 0
        x = self.add("Round", [self.add("Div", [x, scale], "wanted.scaled")], "wanted.rounded")
        x = self.add(
            "Add",
            [x, self.constant("wanted.middle", np.array(SEVEN_BITS + 1, np.float32))],
            "wanted.shifted",
        )
        x = self.add("Cast", [x], "wanted.uint8", to=TensorProto.UINT8)
        columns = self.add("Transpose", ["head.rows.int8"], "head.columns", perm=[1, 0])
        middle = self.constant("wanted.zero", np.array(SEVEN_BITS + 1, np.uint8))
        x = self.add("MatMulInteger", [x, columns, middle], "scores.int32")
        x = self.add(
            "Mul",
            [self.add("Cast", [x], "scores.float", to=TensorProto.FLOAT), scale],
            "scores.of_place",
        )
        flat = self.add(
            "Reshape",
            ["head.rows.scale", self.constant("flat", np.array([-1], np.int64))],
            "head.scale",
        )
        return self.add("Add", [self.add("Mul", [x, flat], "scores.of_symbol"), bias], "scores")


def build_language_onnx(
    config: LanguageNetworkConfig, weights: Weights, symbols: int, *, int8: bool = False
) -> onnx.ModelProto:
    """The graph of a :class:`recog.nn.language_model.LanguageNetwork`.

    Args:
        weights: with the names of its state dict.
        symbols: size of the vocabulary.
        int8: store the matrices of LSTM and output layers as int8, in a quarter of the size.
    """
    g = _PackedGraph(int8=int8)
    tokens = g.add("Transpose", ["tokens"], "steps", perm=[1, 0])
    table = np.asarray(weights["embedding.weight"], np.float32)
    x = g.embedding(table, tokens, shared=config.tied)
    direction = g.constant("direction", np.array([1], np.int64))
    after: dict[str, list[str]] = {"hidden": [], "cell": []}
    for i in range(config.layers):
        name = f"layers.{i}"
        w, r = (lstm_gates(weights[f"{name}.weight_{kind}_l0"])[None] for kind in ("ih", "hh"))
        bias = np.concatenate(
            [lstm_gates(weights[f"{name}.bias_{kind}_l0"]) for kind in ("ih", "hh")]
        )[None]
        layer = g.constant(f"{name}.index", np.array([i], np.int64))
        before = [
            g.add("Gather", [kind, layer], f"{name}.{kind}.before", axis=0)
            for kind in ("hidden", "cell")
        ]
        inputs = [x, g.matrix(f"{name}.W", w, axis=1), g.matrix(f"{name}.R", r, axis=1)]
        # "": no lengths, for there is nothing to mask
        inputs += [g.constant(f"{name}.B", bias), "", *before]
        outputs = [f"{name}.lstm", f"{name}.hidden.after", f"{name}.cell.after"]
        g.nodes.append(
            helper.make_node("LSTM", inputs, outputs, name=outputs[0], hidden_size=config.hidden)
        )
        after["hidden"].append(outputs[1])
        after["cell"].append(outputs[2])
        x = g.add("Squeeze", [outputs[0], direction], f"{name}.out")
    for kind, layers in after.items():
        g.add("Concat", layers, f"{kind}_after", axis=0)
    if config.projected:
        kernel = np.asarray(weights["projection.weight"], np.float32).T
        x = g.add("MatMul", [x, g.matrix("projection.kernel", kernel, axis=1)], "projected")
    size = config.embedding if config.tied else config.hidden
    x = g.add("Reshape", [x, g.constant("rows", np.array([-1, size], np.int64))], "all")
    x = g.add("Gather", [x, "places"], "wanted", axis=0)
    if not config.tied:
        g.head_rows(np.asarray(weights["head.weight"], np.float32))
    x = g.scores(x, np.asarray(weights["head.bias"], np.float32))
    g.add("LogSoftmax", [x], "log_probs", axis=-1)
    state: list[str | int | None] = [config.layers, "batch", config.hidden]
    graph_inputs = [
        tensor_info("tokens", ["batch", "time"], TensorProto.INT64),
        tensor_info("hidden", state),
        tensor_info("cell", state),
        tensor_info("places", ["wanted"], TensorProto.INT64),
    ]
    graph_outputs = [
        tensor_info("log_probs", ["wanted", symbols]),
        tensor_info("hidden_after", state),
        tensor_info("cell_after", state),
    ]
    return g.model("recog-language", graph_inputs, graph_outputs)
