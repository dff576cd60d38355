"""The cells that torch has one kernel for, all frames of a direction in a call (oneDNN on the CPU,
cuDNN on a GPU)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recog.nn.cells.gated import Step


def run_fused(
    layer: nn.Module, x: Tensor, state: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Any]:
    """A whole layer at once, (time, batch, inputs) -> its outputs and the state after the last
    frame.

    On a GPU in float32, its products in TF32, under autocast too: for cuDNN's recurrent layers that
    means float16 whatever type was asked for (``aten/src/ATen/cudnn/AutocastRNN.cpp``), and most
    gradients of a CTC loss are too small for it.
    """
    if x.device.type == "cuda" and torch.is_autocast_enabled("cuda"):
        with torch.autocast("cuda", enabled=False):
            result: tuple[Tensor, Any] = layer(x.float(), state)
    else:
        result = layer(x, state)
    return result


def init_fused(cell: nn.RNNBase) -> None:
    """Glorot input weights and orthogonal recurrent weights gate by gate, biases 0."""
    for name, p in cell.named_parameters():
        if name.startswith("bias"):
            p.data.zero_()
            continue
        for gate in p.data.split(cell.hidden_size):
            if name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            else:
                nn.init.xavier_uniform_(gate)


def init_lstm(lstm: nn.LSTM) -> None:
    """:func:`init_fused`, with a forget-gate bias of 1 (Jozefowicz et al. 2015)."""
    init_fused(lstm)
    bias = lstm.all_weights[0][2]
    bias.data[lstm.hidden_size : 2 * lstm.hidden_size] = 1.0  # gates in torch's order: i f g o


class LSTM(nn.LSTM):
    """The standard cell (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al.
    2000).

    Parameters: 4 H (I + H + 2): torch and cuDNN keep two biases where one would do. With dropout of
    its cell updates, in training, it takes the step that its relatives do, as the kernel knows of
    none.
    """

    def initialise(self) -> None:
        """Fresh weights."""
        init_lstm(self)

    def input_gates(self, x: Tensor) -> Tensor:
        """The input's share of the gates, (time, batch, 4 H) of (time, batch, I)."""
        weight, _, *biases = self.all_weights[0]
        return F.linear(x, weight, biases[0] + biases[1])

    def step(self, x: Tensor, mask: Tensor | None) -> Step:
        """The weights of the step, ``mask`` (batch, H) being that of the cell updates."""
        return Step(self.all_weights[0][1].t(), mask=mask)


class GRU(nn.GRU):
    """Gated recurrent unit (Cho et al. 2014), in cuDNN's form: the reset gate is applied after the product, with its bias::

        r = sigmoid(W_r x + R_r h + b_r)     z = sigmoid(W_z x + R_z h + b_z)
        n = tanh(W_n x + b_n + r * (R_n h + b_m))     h' = (1 - z) * n + z * h

    Parameters: 3 H (I + H + 2).
    """

    def initialise(self) -> None:
        """Fresh weights."""
        init_fused(self)


class RNN(nn.RNN):
    """The plain network of Elman (1990), h' = tanh(W x + R h + b): what gates are worth is measured
    against it.

    Parameters: H (I + H + 2).
    """

    def initialise(self) -> None:
        """Fresh weights."""
        init_fused(self)
