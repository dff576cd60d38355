"""Relatives of the LSTM without a fused kernel, built on :mod:`recog.nn.cells.gated`.

Each cell gives the input's share of the gates, for all frames in one product, and the weights of
the step. Gates are in torch's order i f g o.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recog.nn.cells.gated import EPSILON, Step


def init_gates(input_weight: Tensor, recurrent_weight: Tensor, bias: Tensor) -> None:
    """Initialise gate by gate: Glorot input weights, orthogonal recurrent weights.

    The forget-gate bias is 1 (Jozefowicz et al. 2015).
    """
    hidden = recurrent_weight.shape[1]
    with torch.no_grad():
        for gate in range(4):
            rows = slice(gate * hidden, (gate + 1) * hidden)
            nn.init.orthogonal_(recurrent_weight[rows])
            nn.init.xavier_uniform_(input_weight[rows])
        bias.zero_()
        bias[hidden : 2 * hidden] = 1.0


class GatedCell(nn.Module):
    """Base of the relatives: input weights (4 H, I), recurrent weights (4 H, H), bias (4 H)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.input_weight = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.recurrent_weight = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.empty(4 * hidden))

    def initialise(self) -> None:
        """Fresh weights."""
        init_gates(self.input_weight, self.recurrent_weight, self.bias)

    def input_gates(self, x: Tensor) -> Tensor:
        """The input's share of the gates, (time, batch, 4 H) of (time, batch, I)."""
        return F.linear(x, self.input_weight, self.bias)

    def step(self, x: Tensor, mask: Tensor | None) -> Step:
        """The weights of the step, ``mask`` (batch, H) being that of the cell updates."""
        raise NotImplementedError


class PeepholeLSTM(GatedCell):
    """LSTM with peepholes from the cell to the gates (Gers and Schmidhuber 2000)::

        i = sigmoid(W_i x + R_i h + p_i * c + b_i)
        f = sigmoid(W_f x + R_f h + p_f * c + b_f)
        c' = f * c + i * tanh(W_g x + R_g h + b_g)
        o = sigmoid(W_o x + R_o h + p_o * c' + b_o)
        h' = o * tanh(c')

    Parameters: 4 H (I + H + 1) + 3 H. The peepholes (3 H, of i f o) start at 0.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self.peepholes = nn.Parameter(torch.zeros(3 * hidden))

    def step(self, x: Tensor, mask: Tensor | None) -> Step:
        return Step(self.recurrent_weight.t(), peepholes=self.peepholes, mask=mask)


class LayerNormLSTM(GatedCell):
    """Layer-normalised LSTM (Ba et al. 2016, equations 20 to 22 of its supplement)::

        (i f g o) = LN(R h) * a + LN(W x) * a_x + b
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(LN(c') * a_c + b_c)

    LN takes mean and deviation over all four gates together, and of c' over its units. The biases
    of the first two normalisations are part of b. Parameters: 4 H (I + H + 3) + 2 H.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self.input_gain = nn.Parameter(torch.ones(4 * hidden))
        self.gain = nn.Parameter(torch.ones(4 * hidden))
        self.state_gain = nn.Parameter(torch.ones(hidden))
        self.state_bias = nn.Parameter(torch.zeros(hidden))

    def input_gates(self, x: Tensor) -> Tensor:
        product = F.linear(x, self.input_weight)
        return F.layer_norm(product, product.shape[-1:], self.input_gain, self.bias, EPSILON)

    def step(self, x: Tensor, mask: Tensor | None) -> Step:
        return Step(
            self.recurrent_weight.t(),
            gain=self.gain,
            state_gain=self.state_gain,
            state_bias=self.state_bias,
            mask=mask,
        )


class MultiplicativeLSTM(GatedCell):
    """Multiplicative LSTM (Krause et al. 2016): each input has its own transition of the state::

        m = (W_m x) * (M h)
        i = sigmoid(W_i x + R_i m + b_i)    (f and o likewise)
        g = tanh(W_g x + R_g m + b_g)
        c' = f * c + i * g
        h' = o * tanh(c')

    Parameters: 4 H (I + H + 1) + H (I + H).
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self.multiplier_weight = nn.Parameter(torch.empty(hidden, inputs))
        self.inner_weight = nn.Parameter(torch.empty(hidden, hidden))

    def initialise(self) -> None:
        super().initialise()
        nn.init.xavier_uniform_(self.multiplier_weight)
        nn.init.orthogonal_(self.inner_weight)

    def step(self, x: Tensor, mask: Tensor | None) -> Step:
        multiplier = F.linear(x, self.multiplier_weight)
        return Step(
            self.recurrent_weight.t(), multiplier=multiplier, inner=self.inner_weight.t(), mask=mask
        )
