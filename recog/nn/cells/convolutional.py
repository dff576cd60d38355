"""The convolutional LSTM (Shi et al. 2015) as a layer along the image's width.

Its state is a column of ``channels`` maps, and input and state are convolved along the height::

    i = sigmoid(K_i * x + L_i * h + p_i o c + b_i)
    f = sigmoid(K_f * x + L_f * h + p_f o c + b_f)
    c' = f o c + i o tanh(K_g * x + L_g * h + b_g)
    o = sigmoid(K_o * x + L_o * h + p_o o c' + b_o)
    h' = o o tanh(c')

(``*`` convolves with zeros past the edges, ``o`` is element-wise; equation 3 of the paper.) A
convolution of so few rows is a small matrix. So this is the peephole LSTM with banded matrices: one
product per frame here, and an LSTM node in ONNX.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recog.model.config import ConvLayer
from recog.nn.cells.gated import Step
from recog.nn.cells.layer import RecurrentLayer, reversal_index


class ConvLSTMCell(nn.Module):
    """One direction of the convolutional LSTM.

    Input (time, batch, inputs * height), output (time, batch, channels * height), maps before rows.
    Parameters: 4 C k (I + C) + 4 C + 3 C height, for I input maps, C channels and a kernel of k.
    The peepholes start at 0.
    """

    def __init__(self, inputs: int, channels: int, height: int, kernel: int) -> None:
        super().__init__()
        self.inputs, self.channels, self.height = inputs, channels, height
        self.input_kernel = nn.Parameter(torch.empty(4 * channels, inputs, kernel))
        self.state_kernel = nn.Parameter(torch.empty(4 * channels, channels, kernel))
        self.bias = nn.Parameter(torch.empty(4 * channels))
        self.peepholes = nn.Parameter(torch.zeros(3 * channels * height))

    def initialise(self) -> None:
        """Fresh weights: Glorot kernels gate by gate, forget-gate bias 1."""
        for kernel in (self.input_kernel, self.state_kernel):
            for gate in kernel.data.split(self.channels):
                nn.init.xavier_uniform_(gate)
        self.bias.data.zero_()
        self.bias.data[self.channels : 2 * self.channels] = 1.0

    def input_gates(self, x: Tensor) -> Tensor:
        """The input's share of the gates, (time, batch, 4 C height)."""
        columns = x.reshape(-1, self.inputs, self.height)
        gates = F.conv1d(
            columns, self.input_kernel, self.bias, padding=self.input_kernel.shape[2] // 2
        )
        return gates.view(*x.shape[:2], -1)

    def step(self, x: Tensor, mask: Tensor | None) -> Step:
        """The weights of the step, with the banded matrix of the kernels."""
        units = self.channels * self.height
        alone = torch.eye(units, dtype=self.bias.dtype, device=x.device).view(
            units, self.channels, self.height
        )
        matrix = F.conv1d(alone, self.state_kernel, padding=self.state_kernel.shape[2] // 2)
        return Step(matrix.flatten(1), peepholes=self.peepholes, mask=mask)


class ConvLSTM(nn.Module):
    """A bidirectional convolutional LSTM over (batch, inputs, height, width) images.

    Args:
        inputs, height: maps and rows of the input.
        spec: ``channels`` maps in each direction and the ``kernel`` (k, 1).
    """

    def __init__(self, inputs: int, height: int, spec: ConvLayer) -> None:
        super().__init__()

        def cell(_inputs: int, _hidden: int) -> ConvLSTMCell:
            return ConvLSTMCell(inputs, spec.channels, height, spec.kernel[0])

        self.maps, self.height = spec.maps, height
        self.layer = RecurrentLayer(cell, inputs * height, spec.channels * height)

    def widths(self, widths: Tensor) -> Tensor:
        """Valid widths after the layer."""
        return widths

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Run the layer along the width of images.

        Args:
            x: (batch, channels, height, width).
            widths: valid columns of each, (batch,).

        Returns:
            (batch, maps, height, width), zeros past the widths; and the widths.
        """
        batch, _, _, width = x.shape
        index = reversal_index(widths, width)
        y = self.layer(x.permute(3, 0, 1, 2).flatten(2), index).view(
            width, batch, self.maps, self.height
        )
        valid = torch.arange(width, device=x.device).unsqueeze(1) < widths.unsqueeze(0)
        return (y * valid[:, :, None, None]).permute(1, 2, 3, 0), widths
