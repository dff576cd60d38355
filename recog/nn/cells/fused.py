"""Cells for which torch has a kernel over all frames (oneDNN on the CPU, cuDNN on a GPU)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recog.nn.cells.gated import Step


def run_fused(
    layer: nn.Module, x: Tensor, state: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Any]:
    """Run a layer over (time, batch, inputs); gives its outputs and the last state.

    On a GPU it runs in float32, with products in TF32, under autocast too. There autocast means
    float16 for cuDNN's recurrent layers, whatever type was asked for
    (``aten/src/ATen/cudnn/AutocastRNN.cpp``), and most gradients of a CTC loss are too small for
    it.
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
    """The LSTM (Hochreiter and Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    Parameters: 4 H (I + H + 2): torch and cuDNN have two biases. With dropout of the cell updates,
    in training, it uses the step of :mod:`.gated`, as the kernel has no such dropout.
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
    """Gated recurrent unit (Cho et al. 2014), with the reset gate after the product (cuDNN)::

        r = sigmoid(W_r x + R_r h + b_r)
        z = sigmoid(W_z x + R_z h + b_z)
        n = tanh(W_n x + b_n + r * (R_n h + b_m))
        h' = (1 - z) * n + z * h

    Parameters: 3 H (I + H + 2).
    """

    def initialise(self) -> None:
        """Fresh weights."""
        init_fused(self)


class RNN(nn.RNN):
    """The plain network of Elman (1990), h' = tanh(W x + R h + b), a baseline for the gates.

    Parameters: H (I + H + 2).
    """

    def initialise(self) -> None:
        """Fresh weights."""
        init_fused(self)
