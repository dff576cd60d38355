"""The page network: a small U-Net to baselines, their ends and line bodies.

(Ronneberger et al. 2015.) Levels are added, not concatenated. The maps are those of ARU-Net
(Gruening et al. 2019, "A two-stage method for text line detection in historical documents").
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recog.model.page_model import MAPS, PageNetworkConfig
from recog.nn.conv import ConvNormReLU
from recog.nn.export.graph import Weights
from recog.nn.export.page_model import PageGraph
from recog.nn.page.marginalia import PageContext, add_context


class PageNetwork(nn.Module):
    """Ink to maps of half the size.

    The input's sides must be multiples of 2 to the number of levels.
    """

    def __init__(self, config: PageNetworkConfig) -> None:
        super().__init__()
        self.config = config
        w = config.widths
        self.stem = nn.Sequential(
            ConvNormReLU(1, w[0], kernel=5, stride=2), ConvNormReLU(w[0], w[0])
        )
        self.down = nn.ModuleList(
            nn.Sequential(ConvNormReLU(a, b, stride=2), ConvNormReLU(b, b)) for a, b in pairwise(w)
        )
        self.middle = ConvNormReLU(w[-1], w[-1], dilation=2)
        self.side = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(w))
        self.up = nn.ModuleList(ConvNormReLU(a, a) for a in w[:-1])
        self.head = nn.Conv2d(w[0], len(MAPS), 3, padding=1)
        self.context = PageContext(config) if config.context else None

    def forward(self, ink: Tensor) -> Tensor:
        """Compute the maps of pages.

        Args:
            ink: (batch, 1, height, width), 0 paper to 1 ink.

        Returns:
            Logits (batch, config.maps, height / 2, width / 2).
        """
        logits, fine, coarse = self.with_features(ink)
        if self.context is None:
            return logits
        main = self.context(fine, coarse, torch.sigmoid(logits))
        return torch.cat(
            [logits, F.interpolate(main, scale_factor=float(self.context.pooling), mode="nearest")],
            1,
        )

    def with_features(self, ink: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of ``MAPS``, and the features for :class:`PageContext`.

        Returns:
            The logits, the second coarsest level, and the middle.
        """
        levels = [self.stem(ink)]
        for block in self.down:
            levels.append(block(levels[-1]))
        x = middle = self.middle(levels[-1])
        for i in range(len(self.up) - 1, -1, -1):
            x = F.interpolate(self.side[i](x), scale_factor=2.0, mode="nearest")
            x = self.up[i](x + levels[i])
        return self.head(x), levels[-2], middle


def build_page_onnx(config: PageNetworkConfig, weights: Weights) -> onnx.ModelProto:
    """The graph of a :class:`PageNetwork`, from ink (1, 1, height, width) to probabilities."""
    g = PageGraph(weights)
    levels = [g.block(g.block("ink", "stem.0", 2), "stem.1")]
    for i in range(len(config.widths) - 1):
        levels.append(g.block(g.block(levels[-1], f"down.{i}.0", 2), f"down.{i}.1"))
    x = middle = g.block(levels[-1], "middle", dilation=2)
    for i in range(len(config.widths) - 2, -1, -1):
        x = g.enlarge(g.plain(x, f"side.{i}"), f"up.{i}.wide", 2)
        x = g.block(g.add("Add", [x, levels[i]], f"up.{i}.sum"), f"up.{i}")
    line_maps = g.add("Sigmoid", [g.plain(x, "head")], "found" if config.context else "maps")
    if config.context:
        main = add_context(g, config, (levels[-2], middle, line_maps))
        g.add("Concat", [line_maps, g.add("Sigmoid", [main], "main")], "maps", axis=1)
    return g.page_model(
        "recog-page",
        [("ink", 1, "height", "width"), ("maps", len(config.maps), "half_height", "half_width")],
    )


def page_arrays(network: PageNetwork | Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Weights as float32 arrays."""
    state = network.state_dict() if isinstance(network, torch.nn.Module) else network
    return {name: value.detach().float().cpu().numpy() for name, value in state.items()}
