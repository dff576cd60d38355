"""The context: the head of a page network that tells main text from marginalia and stamps.

Notes by other hands differ from the rest of the page. So the head looks at most of the page: it
takes the two coarsest levels of the network through residual blocks of dilated convolutions (Yu and
Koltun 2016, "Multi-Scale Context Aggregation by Dilated Convolutions"), and their mean.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recog.model.page_model import MAPS, PageNetworkConfig
from recog.nn.conv import ConvNormReLU
from recog.nn.export.page_model import PageGraph

WIDTH, NARROW = 64, 32  # channels between and in the blocks
MEAN_AFTER = 1  # the block after which the mean over the page is added
DROPOUT = 0.15  # of whole channels


class ContextBlock(nn.Module):
    """A dilated convolution in a bottleneck, added to its input."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.narrow = ConvNormReLU(WIDTH, NARROW, kernel=1)
        self.around = ConvNormReLU(NARROW, NARROW, dilation=dilation)
        self.wide = nn.Conv2d(NARROW, WIDTH, 1)
        nn.init.zeros_(self.wide.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, WIDTH, height, width) -> the same shape."""
        added: Tensor = x + self.wide(self.around(self.narrow(x)))
        return added


class PageContext(nn.Module):
    """Features and maps of a page network to logits of the main text.

    The logits are on the grid of the second coarsest level.
    """

    def __init__(self, config: PageNetworkConfig) -> None:
        super().__init__()
        self.pooling = pooling(config)
        self.dropout = nn.Dropout2d(DROPOUT)
        self.enter = ConvNormReLU(
            config.widths[-2] + config.widths[-1] + len(MAPS), WIDTH, kernel=1
        )
        self.blocks = nn.ModuleList(ContextBlock(dilation) for dilation in config.context)
        self.mean = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.leave = nn.Conv2d(WIDTH, 1, 1)

    def forward(self, fine: Tensor, coarse: Tensor, maps: Tensor) -> Tensor:
        """Compute the logits of the main text.

        Args:
            fine: (batch, widths[-2], height, width).
            coarse: (batch, widths[-1], height / 2, width / 2).
            maps: (batch, maps, pooling * height, pooling * width) probabilities.

        Returns:
            (batch, 1, height, width).
        """
        coarse = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        x = self.enter(self.dropout(torch.cat([fine, coarse, F.max_pool2d(maps, self.pooling)], 1)))
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i == MEAN_AFTER:
                x = x + self.mean(F.relu(x).mean((2, 3)))[:, :, None, None]
        logits: Tensor = self.leave(self.dropout(F.relu(self.norm(x))))
        return logits


def pooling(config: PageNetworkConfig) -> int:
    """Pixels of the maps per pixel of the second coarsest level, along a side."""
    return int(2 ** (len(config.widths) - 2))


def add_context(g: PageGraph, config: PageNetworkConfig, inputs: tuple[str, str, str]) -> str:
    """Add a :class:`PageContext` to a graph; its logits have the size of the maps.

    Args:
        inputs: fine, coarse and maps, as :meth:`PageContext.forward` takes them.
    """
    fine, coarse, maps = inputs
    size = pooling(config)
    pooled = g.add(
        "MaxPool", [maps], "context.pooled", kernel_shape=[size, size], strides=[size, size]
    )
    x = g.add(
        "Concat", [fine, g.enlarge(coarse, "context.coarse", 2), pooled], "context.inputs", axis=1
    )
    x = g.block(x, "context.enter")
    for i, dilation in enumerate(config.context):
        name = f"context.blocks.{i}"
        inner = g.block(g.block(x, f"{name}.narrow"), f"{name}.around", dilation=dilation)
        x = g.add("Add", [x, g.plain(inner, f"{name}.wide")], f"{name}.sum")
        if i == MEAN_AFTER:
            mean = g.add(
                "ReduceMean",
                [g.add("Relu", [x], "context.mean.relu")],
                "context.mean.pooled",
                axes=[2, 3],
            )
            matrix = np.asarray(g.weights["context.mean.weight"])[:, :, None, None]
            x = g.add("Add", [x, g.plain(mean, "context.mean", matrix)], "context.mean.sum")
    names = ("weight", "bias", "running_mean", "running_var")
    w = {name: np.asarray(g.weights[f"context.norm.{name}"], np.float64) for name in names}
    scale = w["weight"] / np.sqrt(w["running_var"] + 1e-5)
    for operator, name, value in (
        ("Mul", "scale", scale),
        ("Add", "shift", w["bias"] - w["running_mean"] * scale),
    ):
        constant = g.constant(
            f"context.norm.{name}.value", value.astype(np.float32).reshape(1, -1, 1, 1)
        )
        x = g.add(operator, [x, constant], f"context.norm.{name}")
    return g.enlarge(
        g.plain(g.add("Relu", [x], "context.norm.relu"), "context.leave"), "context.logits", size
    )
