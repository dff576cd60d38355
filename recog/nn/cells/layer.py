"""Recurrent layers that never let padding touch a valid frame.

A bidirectional layer is two one-directional cells. The backward one reads every sequence reversed
*within its own length*, so that it starts at the last valid frame and not in the padding.
(``pack_padded_sequence`` would do the same, but on the CPU a packed batch changes its active size
from step to step and oneDNN builds a kernel for each of them.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from recog.model.config import Cell
from recog.nn.cells.fused import GRU, LSTM, RNN, run_fused
from recog.nn.cells.gated import gated
from recog.nn.cells.variants import LayerNormLSTM, MultiplicativeLSTM, PeepholeLSTM

CELLS: dict[Cell, Any] = {
    "lstm": LSTM,
    "peephole": PeepholeLSTM,
    "gru": GRU,
    "layer-norm": LayerNormLSTM,
    "multiplicative": MultiplicativeLSTM,
    "rnn": RNN,
}


class _Reverse(torch.autograd.Function):
    """Reorders frames by an index that is its own inverse, and the gradient alike.

    Whole frames are copied, which is ten times faster than a gather of single numbers.
    """

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
    """Index (time * batch,) that reverses each sequence within its length.

    It is into the frames of (time, batch, ...) and leaves the frames past ``lengths`` in place.
    """
    t = torch.arange(time, device=lengths.device).unsqueeze(1)
    n = lengths.unsqueeze(0)
    source = torch.where(t < n, n - 1 - t, t)
    return (source * len(lengths) + torch.arange(len(lengths), device=lengths.device)).flatten()


def _reversed(x: Tensor, index: Tensor | None) -> Tensor:
    return x.flip(0) if index is None else _Reverse.apply(x, index)


class RecurrentLayer(nn.Module):
    """One layer of a cell in one direction or both (Graves and Schmidhuber 2005).

    Input (time, batch, inputs), output (time, batch, outputs), ``outputs`` being the hidden size
    times the directions. Output frames past a sequence's length are undefined; valid ones do not
    depend on them.

    Args:
        cell: a name of :data:`CELLS`, or a function of ``inputs`` and ``hidden``.
        inputs, hidden: sizes.
        bidirectional: whether a second cell reads from the end.
        dropout: share of the cell updates left out in training, the same units at all frames of an
            item (Semeniuta et al. 2016, "Recurrent dropout without memory loss"; the mask over time
            of Gal and Ghahramani 2016). Only for cells with a memory cell: not ``gru``, not
            ``rnn``.
    """

    def __init__(
        self,
        cell: Cell | Callable[[int, int], nn.Module],
        inputs: int,
        hidden: int,
        *,
        bidirectional: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        make = CELLS[cell] if isinstance(cell, str) else cell
        self.hidden, self.dropout = hidden, dropout
        self.ahead: Any = make(inputs, hidden)
        self.back: Any = make(inputs, hidden) if bidirectional else None
        for direction in self.cells():
            direction.initialise()

    @property
    def outputs(self) -> int:
        """Features of an output frame."""
        return self.hidden * len(self.cells())

    def cells(self) -> list[Any]:
        """The cell of each direction."""
        return [self.ahead] if self.back is None else [self.ahead, self.back]

    def forward(self, x: Tensor, index: Tensor | None) -> Tensor:
        """``index`` from :func:`reversal_index`; None when every sequence fills the batch."""
        inputs = [x] if self.back is None else [x, _reversed(x, index)]
        outputs = self._run(inputs)
        if self.back is None:
            return outputs[0]
        return torch.cat((outputs[0], _reversed(outputs[1], index)), dim=-1)

    def _run(self, inputs: list[Tensor]) -> list[Tensor]:
        cells, masks = self.cells(), self._masks(inputs[0])
        if masks[0] is None and isinstance(cells[0], nn.RNNBase):
            return [run_fused(cell, x)[0] for cell, x in zip(cells, inputs, strict=True)]
        steps = [cell.step(x, mask) for cell, x, mask in zip(cells, inputs, masks, strict=True)]
        return gated([cell.input_gates(x) for cell, x in zip(cells, inputs, strict=True)], steps)

    def _masks(self, x: Tensor) -> list[Tensor | None]:
        """Factors (batch, hidden) of the cell updates' dropout in each direction, or None."""
        if not self.training or not self.dropout:
            return [None for _ in self.cells()]
        keep = 1.0 - self.dropout
        like = torch.empty(x.shape[1], self.hidden, device=x.device)
        return [torch.empty_like(like).bernoulli_(keep).div_(keep) for _ in self.cells()]
