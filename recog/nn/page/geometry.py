"""The geometry network: presence, size and direction of the writing on a page.

A small encoder maps a reduced copy of the page to a vector for every 16 x 16 pixels. Directions are
unit vectors, of the angle and of its double. The double gives the axis even where a texture may be
upside down.
"""

from __future__ import annotations

from itertools import pairwise

import onnx
import torch.nn.functional as F
from torch import Tensor, nn

from recog.model.page_model import GEOMETRY_MAPS, GeometryConfig
from recog.nn.conv import ConvNormReLU
from recog.nn.export.graph import Weights
from recog.nn.export.page_model import PageGraph


class GeometryNetwork(nn.Module):
    """Ink to geometry. The input's sides must be multiples of 32."""

    def __init__(self, config: GeometryConfig) -> None:
        super().__init__()
        self.config = config
        w = config.widths
        self.stem = ConvNormReLU(1, w[0], kernel=5, stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(ConvNormReLU(a, b, stride=2), ConvNormReLU(b, b)) for a, b in pairwise(w)
        )
        self.around = nn.ModuleList(
            ConvNormReLU(w[-1], w[-1], dilation=d) for d in config.dilations
        )
        self.side = nn.Conv2d(w[-1], w[-2], 1)
        self.up = ConvNormReLU(w[-2], w[-2])
        self.head = nn.Conv2d(w[-2], len(GEOMETRY_MAPS), 1)

    def forward(self, ink: Tensor) -> Tensor:
        """Compute the geometry maps of pages.

        Args:
            ink: (batch, 1, height, width), 0 paper to 1 ink.

        Returns:
            (batch, GEOMETRY_MAPS, height / 16, width / 16), presence as a logit.
        """
        levels = [self.stem(ink)]
        for block in self.down:
            levels.append(block(levels[-1]))
        x = levels[-1]
        for block in self.around:
            x = x + block(x)
        x = self.up(F.interpolate(self.side(x), scale_factor=2.0, mode="nearest") + levels[-2])
        logits: Tensor = self.head(x)
        return logits


def build_geometry_onnx(config: GeometryConfig, weights: Weights) -> onnx.ModelProto:
    """The graph of a :class:`GeometryNetwork` with these weights."""
    g = PageGraph(weights)
    levels = [g.block("ink", "stem", 2)]
    for i in range(len(config.widths) - 1):
        levels.append(g.block(g.block(levels[-1], f"down.{i}.0", 2), f"down.{i}.1"))
    x = levels[-1]
    for i, dilation in enumerate(config.dilations):
        x = g.add("Add", [x, g.block(x, f"around.{i}", dilation=dilation)], f"around.{i}.sum")
    x = g.add("Add", [g.enlarge(g.plain(x, "side"), "wide", 2), levels[-2]], "sum")
    g.add("Identity", [g.plain(g.block(x, "up"), "head")], "geometry")
    ends = [("ink", 1, "height", "width"), ("geometry", len(GEOMETRY_MAPS), "rows", "columns")]
    return g.page_model("recog-page-geometry", ends)
