"""Recurrent layers that never let padding touch a valid frame.

A bidirectional layer is two one-directional ones. The backward one reads every sequence reversed *within its own
length*, so that it starts at the last valid frame and not in the padding. (``pack_padded_sequence`` would do the same,
but on the CPU a packed batch changes its active size from step to step and oneDNN builds a kernel for each of them.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _Reverse(torch.autograd.Function):
    """Reorder frames by an index that is its own inverse, so that the gradient is reordered alike. Whole frames are copied,
    which is ten times faster than a gather of single numbers."""

    @staticmethod
    def forward(ctx, x: Tensor, index: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(index)
        return _reorder(x, index)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (index,) = ctx.saved_tensors
        return _reorder(grad, index), None


def _reorder(x: Tensor, index: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[2]).index_select(0, index).view(x.shape)


def reversal_index(lengths: Tensor, time: int) -> Tensor:
    """Index (time * batch,) into the frames of (time, batch, ...) that reverses the first ``lengths[b]`` of each sequence
    and leaves the rest in place."""
    t = torch.arange(time, device=lengths.device).unsqueeze(1)
    n = lengths.unsqueeze(0)
    source = torch.where(t < n, n - 1 - t, t)
    return (source * len(lengths) + torch.arange(len(lengths), device=lengths.device)).flatten()


def init_lstm(lstm: nn.LSTM) -> None:
    """Orthogonal recurrent weights, Glorot input weights, forget-gate bias 1 (Jozefowicz et al. 2015)."""
    hidden = lstm.hidden_size
    for name, p in lstm.named_parameters():
        if name.startswith("weight_hh"):
            for gate in range(4):
                nn.init.orthogonal_(p.data[gate * hidden : (gate + 1) * hidden])
        elif name.startswith("weight_ih"):
            for gate in range(4):
                nn.init.xavier_uniform_(p.data[gate * hidden : (gate + 1) * hidden])
        else:
            p.data.zero_()
            if name.startswith("bias_ih"):
                p.data[hidden : 2 * hidden] = 1.0  # gates in torch's order: i f g o


class _Drop(torch.autograd.Function):
    """Product with a mask of bytes, kept as bytes for the gradient."""

    @staticmethod
    def forward(ctx, x: Tensor, keep: Tensor, scale: float) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(keep)
        ctx.scale = scale
        return (x * keep).mul_(scale)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (keep,) = ctx.saved_tensors
        return (grad * keep).mul_(ctx.scale), None, None


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014) with ``p`` to the nearest 1/256: a random byte decides for each number.

    The CPU draws a word of eight bytes as fast as torch's own dropout draws for one number, which takes 2 % of a step.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.cut = min(255, round(256 * p))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.cut == 0:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        keep = (words.view(torch.uint8)[: x.numel()] >= self.cut).view(torch.uint8).view(x.shape)
        return _Drop.apply(x, keep, 256.0 / (256 - self.cut))  # type: ignore[no-any-return]


class BidirectionalLSTM(nn.Module):
    """One bidirectional LSTM layer (Hochreiter and Schmidhuber 1997; Graves and Schmidhuber 2005).

    Input (time, batch, features), output (time, batch, 2 * hidden). Output frames past a sequence's length are
    undefined; valid ones do not depend on them.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.ahead = nn.LSTM(inputs, hidden)
        self.back = nn.LSTM(inputs, hidden)
        init_lstm(self.ahead)
        init_lstm(self.back)

    def forward(self, x: Tensor, index: Tensor | None) -> Tensor:
        """``index`` from :func:`reversal_index`; None when every sequence fills the batch."""
        ahead, _ = self.ahead(x)
        if index is None:
            back = self.back(x.flip(0))[0].flip(0)
        else:
            back = _Reverse.apply(self.back(_Reverse.apply(x, index))[0], index)
        return torch.cat((ahead, back), dim=-1)
