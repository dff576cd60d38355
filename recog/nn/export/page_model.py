"""ONNX graphs of the convolutional networks that look at pages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from recog.nn.export.graph import OPSET, Graph, Weights
from recog.nn.export.recogniser import folded


class PageGraph(Graph):
    """A graph under construction with the weights of a network of
    :class:`recog.nn.conv.ConvNormReLU` blocks.

    Every method returns the name of its output.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights

    def block(self, x: str, name: str, stride: int = 1, dilation: int = 1) -> str:
        """Convolution, batch norm folded into it, and ReLU."""
        kernel, bias = folded(self.weights, name)
        return self.add(
            "Relu", [self._conv(x, name, kernel, bias, stride, dilation)], f"{name}.relu"
        )

    def plain(self, x: str, name: str, kernel: NDArray | None = None) -> str:
        """A convolution with a bias."""
        kernel = np.asarray(self.weights[f"{name}.weight"]) if kernel is None else kernel
        return self._conv(x, name, kernel, np.asarray(self.weights[f"{name}.bias"]))

    def enlarge(self, x: str, name: str, factor: int) -> str:
        """Each pixel repeated ``factor`` times in both directions."""
        factors = self.constant(f"{name}.factors", np.array([1, 1, factor, factor], np.float32))
        modes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return self.add("Resize", [x, "", factors], name, **modes)

    def model(self, name: str, shapes: Sequence[tuple[str, int, str, str]]) -> onnx.ModelProto:
        """The finished model; ``shapes`` are name, channels, height and width of its input and its
        output."""
        ends = [
            helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, channels, height, width])
            for end, channels, height, width in shapes
        ]
        graph = helper.make_graph(self.nodes, name, ends[:1], ends[1:], self.constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="recog"
        )
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model

    def _conv(
        self, x: str, name: str, kernel: NDArray, bias: NDArray, stride: int = 1, dilation: int = 1
    ) -> str:  # fmt: skip
        size, pad = kernel.shape[2], dilation * (kernel.shape[2] // 2)
        inputs = [x, self.half(f"{name}.kernel", kernel), self.constant(f"{name}.offset", bias)]
        shape = {
            "kernel_shape": [size, size],
            "strides": [stride] * 2,
            "pads": [pad] * 4,
            "dilations": [dilation] * 2,
        }
        return self.add("Conv", inputs, f"{name}.conv", **shape)
