"""The block of page networks."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ConvNormReLU(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride)."""
        return F.relu(self.norm(self.conv(x)), inplace=True)
