"""An ONNX graph under construction, and int8 storage of weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
Weights = Mapping[str, NDArray[np.float32]]


class Graph:
    """Nodes and initialisers under construction; methods return the name of their output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray) -> str:
        """Add an initialiser."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def half(self, name: str, value: NDArray) -> str:
        """Add a float32 constant, stored in half precision, as the weights are anyway."""
        stored = self.constant(f"{name}.half", np.asarray(value, np.float16))
        return self.add("Cast", [stored], name, to=TensorProto.FLOAT)

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node with one output."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def unpacked(self, name: str, packed: NDArray[np.int8], scale: NDArray[np.float32]) -> str:
        """Add a float32 matrix, stored as int8; see :func:`int8_rows`."""
        stored = self.constant(f"{name}.int8", packed)
        wide = self.add("Cast", [stored], f"{name}.float", to=TensorProto.FLOAT)
        return self.add("Mul", [wide, self.constant(f"{name}.scale", scale)], name)

    def linear(self, x: str, prefix: str, kernel: NDArray, offset: NDArray, name: str) -> str:
        """Add x @ kernel + offset; constants and product have names with ``prefix``."""
        stored = self.constant(f"{prefix}.kernel", kernel)
        product = self.add("MatMul", [x, stored], f"{prefix}.product")
        return self.add("Add", [product, self.constant(f"{prefix}.offset", offset)], name)

    def model(
        self, name: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """The finished model, checked."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="recog")
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model


def tensor_info(
    name: str, shape: list[str | int | None], kind: int = TensorProto.FLOAT
) -> onnx.ValueInfoProto:
    """Name, shape and type of an input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def int8_rows(
    value: NDArray[np.float32], *, axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise a matrix to int8 with a scale for each index of ``axis``.

    Returns:
        ``packed``, at most 127 in magnitude, and ``scale``: value = packed * scale, rounded.
    """
    others = tuple(a for a in range(value.ndim) if a != axis)
    scale = np.maximum(np.abs(value).max(axis=others, keepdims=True), 1e-12) / 127.0
    return np.rint(value / scale).astype(np.int8), scale.astype(np.float32)
