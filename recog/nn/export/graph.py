"""An ONNX graph under construction, and how its weights are kept."""

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
    """Nodes and initialisers under construction; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def half(self, name: str, value: NDArray) -> str:
        """A float32 constant that takes half the room: what was trained is kept in half precision
        anyway."""
        stored = self.constant(f"{name}.half", np.asarray(value, np.float16))
        return self.add("Cast", [stored], name, to=TensorProto.FLOAT)

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def unpacked(self, name: str, packed: NDArray[np.int8], scale: NDArray[np.float32]) -> str:
        """A float32 matrix that is kept as int8; see :func:`int8_rows`."""
        stored = self.constant(f"{name}.int8", packed)
        wide = self.add("Cast", [stored], f"{name}.float", to=TensorProto.FLOAT)
        return self.add("Mul", [wide, self.constant(f"{name}.scale", scale)], name)


def int8_rows(
    value: NDArray[np.float32], *, axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix in int8 and its scales, one for each index of ``axis``: value = packed * scale,
    rounded, |packed| <= 127."""
    others = tuple(a for a in range(value.ndim) if a != axis)
    scale = np.maximum(np.abs(value).max(axis=others, keepdims=True), 1e-12) / 127.0
    return np.rint(value / scale).astype(np.int8), scale.astype(np.float32)
