"""The acoustic and optical model: convolutions, deep bidirectional LSTM, CTC head.

Both modalities use one network. A log-mel spectrogram is an image of ``height`` mel bands, a text
line an image of ``height`` pixels. The convolutions turn its columns into frames, the LSTM stack
(or a relative) reads the frames in both directions, and a linear layer scores the symbols of each
frame, the blank first.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from recog.model.config import ConvLayer, EncoderConfig, ceil_div
from recog.nn.attention import SelfAttention
from recog.nn.cells import ConvLSTM, RecurrentLayer, reversal_index
from recog.nn.dropout import Dropout

STATISTICS_MOMENTUM = 0.01  # share of each batch in the running mean and variance


class _MaskedNormReLU(torch.autograd.Function):
    """Batch normalisation over valid positions (Ioffe and Szegedy 2015), ReLU and mask.

    It takes few passes over memory.

    The gradient of the statistics is that of the plain formula with N = number of valid positions
    per channel. Under ``torch.distributed`` the sums run over all processes.
    """

    @staticmethod
    def forward(ctx, x, mask, count, weight, bias, eps):  # type: ignore[override]
        sums = torch.stack((x.sum((0, 2, 3)), x.square().sum((0, 2, 3))))
        if dist.is_initialized() and dist.get_world_size() > 1:
            dist.all_reduce(sums)
        mean = sums[0] / count
        var = (sums[1] / count - mean.square()).clamp_min(0.0)
        y = F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps).relu_().mul_(mask)
        inv = torch.rsqrt(var + eps)
        ctx.save_for_backward(x, y, mask, mean, inv, weight)
        ctx.count = count
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    def backward(ctx, grad, _mean, _var):  # type: ignore[override]
        x, y, mask, mean, inv, weight = ctx.saved_tensors
        g = torch.ops.aten.threshold_backward(grad, y, 0)
        local = torch.stack((g.sum((0, 2, 3)), (g * x).sum((0, 2, 3))))
        total = local
        if dist.is_initialized() and dist.get_world_size() > 1:
            total = local.clone()
            dist.all_reduce(total)
        d_bias, d_weight = local[0], (local[1] - mean * local[0]) * inv
        projected = (total[1] - mean * total[0]) * inv  # sum of g * x_hat
        # dx = w inv (g - sum(g)/N - x_hat sum(g x_hat)/N), as a g + b x + c per channel
        a = weight * inv
        b = -a * inv * projected / ctx.count
        c = -a * total[0] / ctx.count - b * mean
        shape = (1, -1, 1, 1)
        dx = g.mul_(a.view(shape)).addcmul_(x, b.view(shape)).add_(c.view(shape)).mul_(mask)
        return dx, None, None, d_weight, d_bias, None


class ConvBlock(nn.Module):
    """Convolution, batch norm over valid columns, ReLU, mask, max-pooling.

    Widths after it are ``ceil(ceil(w / stride) / pool)``: 'same' padding and a pooling that keeps
    the last, partial window. As activations are not negative and padding is zero, a window that
    reaches into the padding has the maximum of its valid part.
    """

    def __init__(self, inputs: int, spec: ConvLayer) -> None:
        super().__init__()
        self.spec = spec
        kernel, stride = spec.kernel, spec.stride
        padding = (0 if spec.collapse else kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(inputs, spec.channels, kernel, stride, padding, bias=False)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        self.norm = nn.BatchNorm2d(spec.channels)

    def widths(self, widths: Tensor) -> Tensor:
        """Valid widths after the block."""
        return ceil_div(ceil_div(widths, self.spec.stride[1]), self.spec.pool[1])

    def forward(self, x: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """Images (batch, channels, height, width) and valid widths (batch,) after the block."""
        x = self.conv(x)
        widths = ceil_div(widths, self.spec.stride[1])
        mask = _mask(widths, x.shape[3]).to(x.dtype)[:, None, None, :]
        norm = self.norm
        if self.training:
            # statistics in full precision under autocast
            if x.dtype in (torch.bfloat16, torch.float16):
                x = x.float()
            mask = mask.to(x.dtype)
            with torch.no_grad():  # the gradient is masked in the function's own backward
                x.mul_(mask)
            count = widths.sum().to(x.dtype) * x.shape[2]
            if dist.is_initialized() and dist.get_world_size() > 1:
                dist.all_reduce(count)
            x, mean, var = _MaskedNormReLU.apply(x, mask, count, norm.weight, norm.bias, norm.eps)
            with torch.no_grad():
                assert norm.running_mean is not None and norm.running_var is not None
                assert norm.num_batches_tracked is not None
                unbiased = var * (count / (count - 1).clamp_min(1.0))
                for running, batch in ((norm.running_mean, mean), (norm.running_var, unbiased)):
                    # the optimiser skips a batch that overflowed, and so do the statistics
                    running.lerp_(
                        torch.where(batch.isfinite(), batch, running), STATISTICS_MOMENTUM
                    )
                norm.num_batches_tracked.add_(1)
        else:
            x = F.relu(norm(x)) * mask
        if self.spec.pool != (1, 1):
            x = F.max_pool2d(x, self.spec.pool, ceil_mode=True)
            widths = ceil_div(widths, self.spec.pool[1])
        return x, widths


def _mask(lengths: Tensor, size: int) -> Tensor:
    return torch.arange(size, device=lengths.device).unsqueeze(0) < lengths.unsqueeze(1)


class Auxiliary(NamedTuple):
    """Log-probabilities of the heads below the top, in training; None for missing heads."""

    shortcut: Tensor | None = None
    intermediate: Tensor | None = None


class Encoder(nn.Module):
    """A recogniser's network, from feature columns to log-probabilities.

    Args:
        config: its shape.
        symbols: number of output symbols, the blank (index 0) included.
    """

    def __init__(self, config: EncoderConfig, symbols: int) -> None:
        super().__init__()
        self.config = config
        channels = 1
        height = config.height
        blocks: list[nn.Module] = []
        for spec in config.convolutions:
            blocks.append(
                ConvLSTM(channels, height, spec) if spec.recurrent else ConvBlock(channels, spec)
            )
            channels, height = spec.maps, spec.height_after(height)
        self.front = nn.ModuleList(blocks)
        width = channels * (2 if config.columns == "max+mean" else height)
        self.shortcut = nn.Conv1d(width, symbols, 3, padding=1) if config.shortcut else None
        self.early = self.early_sounds = None
        self.layers = nn.ModuleList()
        for _ in range(config.layers):
            layer = RecurrentLayer(
                config.cell,
                width,
                config.hidden,
                bidirectional=config.bidirectional,
                dropout=config.recurrent_dropout,
            )
            self.layers.append(layer)
            width = layer.outputs
            if len(self.layers) == config.intermediate:
                self.early = nn.Linear(width, symbols)
                self.early_sounds = nn.Linear(width, config.sounds) if config.sounds else None
        self.attention = SelfAttention(width, config.attention) if config.attention else None
        self.dropout = Dropout(config.dropout)
        self.head = nn.Linear(width, symbols)
        self.sounds = nn.Linear(width, config.sounds) if config.sounds else None

    def frames(self, lengths: Tensor) -> Tensor:
        """Number of output frames for inputs of ``lengths`` columns."""
        for block in self.front:
            lengths = block.widths(lengths)  # type: ignore[operator]
        return lengths

    def columns(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Convolutional front end: (batch, width, height) -> (batch, frames, channels).

        Returns:
            The frames, and the number of valid frames (batch,).
        """
        mask = _mask(lengths, features.shape[1])
        x = (features * mask.unsqueeze(-1)).transpose(1, 2).unsqueeze(1)
        x = x.contiguous(memory_format=torch.channels_last)
        for block in self.front:
            x, lengths = block(x, lengths)
        if self.config.columns == "max+mean":
            x = torch.cat((x.amax(2), x.mean(2)), dim=1)
        else:
            x = x.flatten(1, 2)
        return x.transpose(1, 2), lengths

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Auxiliary]:
        """Score every frame.

        Args:
            features: (batch, columns, height) float; columns past ``lengths`` are ignored.
            lengths: (batch,) int64, valid columns of each item, at least 1.

        Returns:
            Log-probabilities (batch, frames, symbols + phones) float32, natural log; valid frames
            (batch,); and in training the log-probabilities of the shortcut (Retsinas et al. 2022)
            and of the intermediate heads. Frames past the valid ones are undefined.
        """
        x, lengths = self.columns(features, lengths)
        short = early = None
        if self.training and self.shortcut is not None:
            short = self.shortcut(x.transpose(1, 2)).transpose(1, 2).float().log_softmax(-1)
        x = x.transpose(0, 1).contiguous()
        full = bool((lengths == x.shape[0]).all())
        index = None if full else reversal_index(lengths, x.shape[0])
        for i, layer in enumerate(self.layers):
            if i:
                x = self.dropout(x)
            x = layer(x, index)
            if self.training and self.early is not None and i + 1 == self.config.intermediate:
                early = _scores(self.dropout(x), self.early, self.early_sounds)
        if self.attention is not None:
            x = self.attention(self.dropout(x), None if full else _mask(lengths, x.shape[0]))
        return _scores(self.dropout(x), self.head, self.sounds), lengths, Auxiliary(short, early)


def _scores(x: Tensor, head: nn.Module, sounds: nn.Module | None) -> Tensor:
    """States (frames, batch, features) -> log-probabilities (batch, frames, symbols + phones)."""
    log_probs: Tensor = head(x).float().log_softmax(-1)
    if sounds is not None:
        log_probs = torch.cat((log_probs, sounds(x).float().log_softmax(-1)), dim=-1)
    return log_probs.transpose(0, 1)
