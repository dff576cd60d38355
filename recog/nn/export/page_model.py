"""The convolutional networks of page models to ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from recog.nn.export.graph import Graph, Weights, tensor_info
from recog.nn.export.recogniser import folded


class PageGraph(Graph):
    """A graph of :class:`recog.nn.conv.ConvNormReLU` blocks under construction."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights

    def block(self, x: str, name: str, stride: int = 1, dilation: int = 1) -> str:
        """Add a convolution, with the batch norm folded in, and ReLU."""
        kernel, bias = folded(self.weights, name)
        return self.add(
            "Relu", [self._conv(x, name, kernel, bias, stride, dilation)], f"{name}.relu"
        )

    def plain(self, x: str, name: str, kernel: NDArray | None = None) -> str:
        """Add a convolution with a bias."""
        kernel = np.asarray(self.weights[f"{name}.weight"]) if kernel is None else kernel
        return self._conv(x, name, kernel, np.asarray(self.weights[f"{name}.bias"]))

    def enlarge(self, x: str, name: str, factor: int) -> str:
        """Repeat each pixel ``factor`` times in both directions."""
        factors = self.constant(f"{name}.factors", np.array([1, 1, factor, factor], np.float32))
        modes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return self.add("Resize", [x, "", factors], name, **modes)

    def page_model(self, name: str, shapes: Sequence[tuple[str, int, str, str]]) -> onnx.ModelProto:
        """The finished model.

        Args:
            shapes: name, channels, height and width of the input and of the output.
        """
        ends = [
            tensor_info(end, [1, channels, height, width])
            for end, channels, height, width in shapes
        ]
        return self.model(name, ends[:1], ends[1:])

    def _conv(
        self, x: str, name: str, kernel: NDArray, bias: NDArray, stride: int = 1, dilation: int = 1
    ) -> str:
        size, pad = kernel.shape[2], dilation * (kernel.shape[2] // 2)
        inputs = [x, self.half(f"{name}.kernel", kernel), self.constant(f"{name}.offset", bias)]
        shape = {
            "kernel_shape": [size, size],
            "strides": [stride] * 2,
            "pads": [pad] * 4,
            "dilations": [dilation] * 2,
        }
        return self.add("Conv", inputs, f"{name}.conv", **shape)
