"""The shapes a model can have: what ``config.json`` and a recipe say about features and network. No
torch here."""

from __future__ import annotations

from itertools import pairwise
from math import gcd, isfinite
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)


class Strict(BaseModel):
    """Base of every configuration: unknown keys are an error, so that a typing mistake never passes
    in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Grown(Strict):
    """A configuration with keys that came when models and runs of it were there already: what is in
    ``LATER`` and at its default is not written, so that those that do without stay as they were."""

    LATER: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        same = {
            name
            for name in self.LATER
            if getattr(self, name) == type(self).model_fields[name].default
        }
        return {name: value for name, value in handler(self).items() if name not in same}


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
MEMORYLESS = frozenset({"gru", "rnn"})  # have no memory cell, whose updates could be dropped
TORCH_ONLY = frozenset({"layer-norm", "multiplicative"})  # no ONNX operator computes them
MAX_MAP = 1024  # memory cells in each direction of a convolutional LSTM
MIN_CONFIDENCE = 1e-12  # confidences are interpolated by their logarithms; below it all are alike

N = TypeVar("N", bound=Any)


def ceil_div(n: N, by: int) -> N:
    """``n / by`` rounded up: of whole numbers, or of tensors of them."""
    return (n + by - 1) // by


class ConvLayer(Grown):
    """One convolution with batch norm, ReLU and pooling; sizes are (height, width).

    ``collapse`` uses no padding in height: with a kernel as high as its input it leaves one row.
    ``recurrent`` makes it a bidirectional convolutional LSTM along the width
    (:mod:`recog.nn.cells.convolutional`) with ``channels`` maps in each direction, whose ``kernel``
    (k, 1) convolves columns; it does not pool.
    """

    LATER = ("recurrent",)
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
        """Channels of its output."""
        return 2 * self.channels if self.recurrent else self.channels

    def height_after(self, height: int) -> int:
        """Rows left of ``height`` after the convolution and the pooling."""
        padding = 0 if self.collapse else self.kernel[0] // 2
        rows = (height + 2 * padding - self.kernel[0]) // self.stride[0] + 1
        return ceil_div(rows, self.pool[0])


class EncoderConfig(Grown):
    """Shape of :class:`recog.nn.encoder.Encoder`.

    ``cell`` names one of :mod:`recog.nn.cells`; ``hidden`` are its units in each direction.
    ``dropout`` is between layers, ``recurrent_dropout`` inside them, on the updates of the memory
    cells. ``attention`` is the number of heads of a self-attention over the last layer's states
    (:mod:`recog.nn.attention`), 0 for none. ``sounds`` are the outputs of a second head that hears
    how words are pronounced, its blank included; 0 where there is none. ``intermediate`` is the
    recurrent layer, counted from 1, over which more heads of the same kinds are trained (Lee and
    Watanabe 2021, "Intermediate loss regularization for CTC-based speech recognition"), 0 for none;
    like ``shortcut``, in training only.
    """

    LATER = ("cell", "bidirectional", "recurrent_dropout", "attention", "sounds", "intermediate")

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
                f"{self.states} features of a state cannot be shared out to {self.attention} attention heads"
            )
        if self.intermediate >= self.layers:
            raise ValueError(
                f"intermediate is {self.intermediate}, which must be less than the {self.layers} layers"
            )
        return self

    @property
    def states(self) -> int:
        """Features of a frame after the recurrent layers."""
        return self.hidden * (2 if self.bidirectional else 1)

    @property
    def torch_only(self) -> bool:
        """Whether the network has a part that no ONNX operator computes, and so runs in torch
        alone."""
        return self.cell in TORCH_ONLY

    @property
    def recurrence(self) -> str:
        """The recurrent layers, for people: "bidirectional LSTM"."""
        return f"{'bidirectional' if self.bidirectional else 'one-directional'} {CELL_NAMES[self.cell]}"

    @model_validator(mode="after")
    def _rows(self) -> EncoderConfig:
        rows = self.height
        for layer in self.convolutions:
            if layer.recurrent and rows * layer.channels > MAX_MAP:
                raise ValueError(
                    f"a recurrent layer's {layer.channels} maps of {rows} rows have more than {MAX_MAP} cells"
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
        """The encoder with fewer input columns per output frame: the last strides and pools along
        the width give way first. The same weights fit it.

        Raises:
            ValueError: its strides and pools do not allow that.
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
        """Output frames for an input of ``columns`` columns."""
        for layer in self.convolutions:
            columns = ceil_div(ceil_div(columns, layer.stride[1]), layer.pool[1])
        return columns


class SpectrogramConfig(Strict):
    """Log-mel features; see :mod:`recog.features.log_mel`. ``mean`` and ``deviation`` are the
    corpus's, per band."""

    kind: Literal["log-mel"] = "log-mel"
    sample_rate: int = Field(16_000, ge=4_000, le=96_000)
    window: int = Field(400, ge=16, le=16_384)
    hop: int = Field(160, ge=1, le=16_384)
    fft: int = Field(512, ge=16, le=65_536)
    bands: int = Field(80, ge=1, le=512)
    low: float = 20.0
    high: float = 7_600.0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _possible(self) -> SpectrogramConfig:
        if self.window > self.fft:
            raise ValueError(f"a window of {self.window} samples does not fit an FFT of {self.fft}")
        if not 0.0 <= self.low < self.high <= self.sample_rate / 2:
            raise ValueError(
                "the mel filters must lie between 0 Hz and half the sample rate, low below high"
            )
        if not all(map(isfinite, (*self.mean, *self.deviation))):
            raise ValueError("mean and deviation must be finite numbers")
        return self


class StripConfig(Strict):
    """Line strips; see :mod:`recog.features.line_strip`. ``even`` makes dense writing wider and
    sparse writing narrower, with Latin script as the measure."""

    kind: Literal["strip"] = "strip"
    height: int = Field(48, ge=8, le=512)
    even: bool = True


class Calibration(Strict):
    """A map from raw confidences to the share of words that are right, as a model's config keeps
    it.

    ``raw`` are the knots, rising, and ``right`` the shares there, never falling. Between two knots
    the share is linear in ln raw; before the first and after the last it is theirs.
    """

    kind: Literal["isotonic"] = "isotonic"
    raw: tuple[float, ...] = Field(min_length=1, max_length=100)
    right: tuple[float, ...] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _rising(self) -> Calibration:
        if len(self.raw) != len(self.right):
            raise ValueError(
                f"the calibration has {len(self.raw)} knots and {len(self.right)} shares"
            )
        if not all(MIN_CONFIDENCE <= x <= 1.0 for x in self.raw) or not all(
            0.0 <= y <= 1.0 for y in self.right
        ):
            raise ValueError("the calibration's knots and shares must lie between 0 and 1")
        if any(a >= b for a, b in pairwise(self.raw)) or any(
            a > b for a, b in pairwise(self.right)
        ):
            raise ValueError("the calibration's knots must rise, and its shares never fall")
        return self

    def apply(self, confidences: ArrayLike) -> NDArray[np.float64]:
        """Calibrated confidences, 0 to 1, of raw ones, in any shape."""
        raw = np.maximum(np.asarray(confidences, np.float64), MIN_CONFIDENCE)
        return np.asarray(np.interp(np.log(raw), np.log(self.raw), self.right))

    def __call__(self, confidence: float) -> float:
        """:meth:`apply` for a single word."""
        return float(self.apply(confidence))


LM_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


class View(Strict):
    """How a line of writing is shown to the network: leaned to the right by ``slant`` columns a row
    (to the left where it is negative), then ``width`` times as wide. Speech is made ``width`` times
    as long."""

    slant: float = Field(0.0, ge=-1.0, le=1.0)
    width: float = Field(1.0, ge=0.5, le=2.0)


def views_fault(modality: str, views: tuple[View, ...]) -> str | None:
    """What is wrong with views for a kind of media; None where nothing is."""
    if modality == "speech" and (views[0] != View() or any(view.slant for view in views)):
        return "the first view of speech is as it is (0,1), and none has a slant"
    return None


class Rescoring(Strict):
    """How a recogniser's own neural language model counts; see
    :class:`recog.decoding.rescoring.nbest.Rescorer`. ``unknown_cost`` is that of
    :class:`recog.lm.neural.NeuralLM`."""

    weight: float = Field(gt=0.0, le=100.0)
    interpolate: float = Field(0.0, ge=0.0, le=1.0)
    margin: float = Field(6.0, ge=0.0, le=1000.0)
    unknown_cost: float = Field(2.0, ge=0.0, le=100.0)


class DecodingConfig(Grown):
    """How the model's outputs are best decoded, as tuned on dev; see
    :class:`recog.decoding.Decoder` for the options.

    ``lm`` names the language model's file in the model folder; ``languages`` files of others, each
    used for lines that are likely to be in its language (see
    :func:`recog.decoding.rescoring.language_id.identify_languages`); ``sounds`` says whether a model
    that hears sounds finds the words of its language model in them, or in its letters; ``offset``
    is added to the times of words, in frames, as a CTC network emits early or late by about as much
    everywhere; ``temperature`` divides the log-probabilities before they are normalised again:
    above 1 the network counts for less. A line, or a segment of speech, is taken in the first of
    the ``views``, and in the others too where it is more doubtful than ``doubt``
    (:func:`recog.decoding.rescoring.test_time_augmentation.uncertainty_of`). With ``rescoring`` the
    model's folder has a neural language model, which orders the readings anew. ``dev`` records what
    tuning measured, for people to read.
    """

    LATER: ClassVar[tuple[str, ...]] = ("languages", "sounds", "views", "doubt", "rescoring")

    lm: str | None = Field(None, pattern=LM_FILE)
    languages: dict[str, Annotated[str, Field(pattern=LM_FILE)]] = {}
    sounds: bool = True
    beam: int = Field(0, ge=0, le=10_000)
    alpha: float = Field(0.5, ge=0.0, le=100.0)
    beta: float = Field(0.5, ge=-100.0, le=100.0)
    unknown_cost: float = Field(2.0, ge=0.0, le=100.0)
    sentence: bool = False
    temperature: float = Field(1.0, gt=0.0, le=100.0)
    offset: float = Field(0.0, ge=-100.0, le=100.0)
    views: tuple[View, ...] = Field((View(),), min_length=1, max_length=8)
    doubt: float = Field(0.12, ge=0.0, le=100.0)
    rescoring: Rescoring | None = None
    dev: dict[str, Any] = {}
