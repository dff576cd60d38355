"""Shape of a recogniser's network: convolutions, recurrent layers, attention.

It does not import torch.
"""

from __future__ import annotations

from math import gcd
from typing import Any, Literal, TypeVar

from pydantic import Field, model_validator

from recog.model.config.base import Extended

Size = tuple[int, int]
Cell = Literal["lstm", "peephole", "gru", "layer-norm", "multiplicative", "rnn"]
CELL_NAMES: dict[Cell, str] = {
    "lstm": "LSTM",
    "peephole": "peephole LSTM",
    "gru": "GRU",
    "layer-norm": "layer-normalised LSTM",
    "multiplicative": "multiplicative LSTM",
    "rnn": "tanh RNN",
}
MEMORYLESS = frozenset({"gru", "rnn"})  # no memory cell, so no recurrent dropout
TORCH_ONLY = frozenset({"layer-norm", "multiplicative"})  # no ONNX operator computes them
MAX_MAP = 1024  # memory cells in each direction of a convolutional LSTM

N = TypeVar("N", bound=Any)


def ceil_div(n: N, by: int) -> N:
    """Divide integers, or tensors of integers, and round up."""
    return (n + by - 1) // by


class ConvLayer(Extended):
    """A convolution with batch norm, ReLU and pooling; sizes are (height, width).

    With ``collapse`` there is no padding in height. A kernel as high as its input then leaves a
    single row. With ``recurrent`` the layer is a bidirectional convolutional LSTM along the width
    (:mod:`recog.nn.cells.convolutional`) with ``channels`` maps in each direction. Its ``kernel``
    (k, 1) convolves columns, and it does not pool.
    """

    ADDED = ("recurrent",)
    channels: int = Field(ge=1, le=2048)
    kernel: Size = (3, 3)
    stride: Size = (1, 1)
    pool: Size = (1, 1)
    collapse: bool = False
    recurrent: bool = False

    @model_validator(mode="after")
    def _odd(self) -> ConvLayer:
        if self.recurrent and (
            self.kernel[1] != 1 or self.stride != (1, 1) or self.pool != (1, 1) or self.collapse
        ):
            raise ValueError(
                "a recurrent layer has a kernel of (k, 1) and no stride, pool or collapse"
            )
        if self.kernel[1] % 2 == 0 or (self.kernel[0] % 2 == 0 and not self.collapse):
            raise ValueError(f"kernel {self.kernel} must be odd, for the padding to be even")
        if (
            min(*self.kernel, *self.stride, *self.pool) < 1
            or max(*self.kernel, *self.stride, *self.pool) > 256
        ):
            raise ValueError("kernel, stride and pool must lie between 1 and 256")
        return self

    @property
    def maps(self) -> int:
        """Number of output channels."""
        return 2 * self.channels if self.recurrent else self.channels

    def height_after(self, height: int) -> int:
        """Output rows for an input of ``height`` rows, after convolution and pooling."""
        padding = 0 if self.collapse else self.kernel[0] // 2
        rows = (height + 2 * padding - self.kernel[0]) // self.stride[0] + 1
        return ceil_div(rows, self.pool[0])


class EncoderConfig(Extended):
    """Shape of :class:`recog.nn.encoder.Encoder`.

    Attributes:
        cell: name of a cell of :mod:`recog.nn.cells`.
        hidden: units of the cell in each direction.
        dropout: dropout between layers.
        recurrent_dropout: dropout inside layers, on the updates of the memory cells.
        attention: heads of a self-attention over the states of the last layer
            (:mod:`recog.nn.attention`), 0 for none.
        sounds: outputs of a second head that recognises phones, including its blank. 0 for no head.
        intermediate: the recurrent layer, counted from 1, on which additional heads of the same
            kinds are trained (Lee and Watanabe 2021, "Intermediate loss regularization for
            CTC-based speech recognition"). 0 for none. Like ``shortcut``, it is for training only.
    """

    ADDED = ("cell", "bidirectional", "recurrent_dropout", "attention", "sounds", "intermediate")

    height: int = Field(ge=1, le=512)
    convolutions: tuple[ConvLayer, ...]
    columns: Literal["max+mean", "flatten"] = "max+mean"
    layers: int = Field(3, ge=1, le=16)
    hidden: int = Field(192, ge=1, le=4096)
    dropout: float = Field(0.2, ge=0.0, lt=1.0)
    shortcut: bool = True
    cell: Cell = "lstm"
    bidirectional: bool = True
    recurrent_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    attention: int = Field(0, ge=0, le=64)
    sounds: int = Field(0, ge=0, le=1024)
    intermediate: int = Field(0, ge=0, le=15)

    @model_validator(mode="after")
    def _possible(self) -> EncoderConfig:
        if self.recurrent_dropout and self.cell in MEMORYLESS:
            raise ValueError(
                f"recurrent_dropout is for cells with a memory cell, which '{self.cell}' has not"
            )
        if self.attention and self.states % self.attention:
            raise ValueError(
                f"{self.states} features of a state cannot be shared out to {self.attention} "
                "attention heads"
            )
        if self.intermediate >= self.layers:
            raise ValueError(
                f"intermediate is {self.intermediate}, which must be less than the {self.layers} "
                "layers"
            )
        return self

    @property
    def states(self) -> int:
        """Number of features of a frame after the recurrent layers."""
        return self.hidden * (2 if self.bidirectional else 1)

    @property
    def torch_only(self) -> bool:
        """Whether a part of the network has no ONNX operator, so that it runs only in torch."""
        return self.cell in TORCH_ONLY

    @property
    def recurrence(self) -> str:
        """Description of the recurrent layers for people, e.g. "bidirectional LSTM"."""
        return f"{'bi' if self.bidirectional else 'one-'}directional {CELL_NAMES[self.cell]}"

    @model_validator(mode="after")
    def _rows(self) -> EncoderConfig:
        rows = self.height
        for layer in self.convolutions:
            if layer.recurrent and rows * layer.channels > MAX_MAP:
                raise ValueError(
                    f"a recurrent layer's {layer.channels} maps of {rows} rows have more than "
                    f"{MAX_MAP} cells"
                )
            rows = layer.height_after(rows)
            if rows < 1:
                raise ValueError("the convolutions leave no row of the input")
        return self

    @property
    def subsampling(self) -> int:
        """Input columns per output frame."""
        n = 1
        for layer in self.convolutions:
            n *= layer.stride[1] * layer.pool[1]
        return n

    def subsampled(self, columns: int) -> EncoderConfig:
        """Reduce the input columns per output frame, with the same weights.

        The last strides and pools along the width are reduced first.

        Raises:
            ValueError: the strides and pools do not allow this number of columns.
        """
        finer, rest = divmod(self.subsampling, columns)
        convolutions = list(self.convolutions)
        for k in reversed(range(len(convolutions))):
            layer = convolutions[k]
            steps = []
            for down, along in (layer.stride, layer.pool):
                share = gcd(along, finer)
                finer //= share
                steps.append((down, along // share))
            convolutions[k] = layer.model_copy(
                update=dict(zip(("stride", "pool"), steps, strict=True))
            )
        if rest or finer != 1:
            raise ValueError(
                f"a network with {self.subsampling} columns a frame cannot have {columns}"
            )
        return self.model_copy(update={"convolutions": tuple(convolutions)})

    def frames(self, columns: int) -> int:
        """Number of output frames for an input of ``columns`` columns."""
        for layer in self.convolutions:
            columns = ceil_div(ceil_div(columns, layer.stride[1]), layer.pool[1])
        return columns
