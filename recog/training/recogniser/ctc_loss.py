"""CTC losses of a network's heads."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from recog.nn.encoder import Auxiliary
from recog.training.recogniser.batches import Batch


class Losses(NamedTuple):
    """CTC losses of a batch.

    Attributes:
        sums: (heads,) sum over the rows, for each of :data:`recog.training.progress.HEADS`.
        rows: (batch,) of the main head.
    """

    sums: Tensor
    rows: Tensor


def head_losses(
    log_probs: Tensor,
    below: Auxiliary,
    frames: Tensor,
    batch: Batch,
    weights: Tensor,
    *,
    phones: int,
    phone_weight: float,
) -> Losses:
    """CTC losses of all heads of a network.

    Args:
        log_probs: (batch, frames, symbols + phones) of the main heads.
        below: log-probabilities of the auxiliary heads.
        frames: (batch,) valid frames.
        batch: has the targets.
        weights: (batch,) of the rows.
        phones: number of phones; 0 without a head for them.
        phone_weight: of the phones' loss in that of the intermediate heads.
    """
    symbols = log_probs.shape[2] - phones
    pronounced = weights * (batch.phone_lengths > 0).to(weights)

    def symbol_loss(scores: Tensor) -> Tensor:
        return ctc(scores[..., :symbols], frames, batch.targets, batch.target_lengths)

    def phone_loss(scores: Tensor) -> Tensor:
        if not phones:
            return scores.new_zeros(())
        rows = ctc(scores[..., symbols:], frames, batch.phones, batch.phone_lengths)
        return (rows * pronounced).sum()

    rows = symbol_loss(log_probs)
    main, shortcut, intermediate = (rows * weights).sum(), *rows.new_zeros(2)
    if below.shortcut is not None:
        shortcut = (symbol_loss(below.shortcut) * weights).sum()
    if below.intermediate is not None:
        intermediate = (symbol_loss(below.intermediate) * weights).sum()
        intermediate = intermediate + phone_weight * phone_loss(below.intermediate)
    return Losses(torch.stack((main, shortcut, phone_loss(log_probs), intermediate)), rows.detach())


def ctc(log_probs: Tensor, frames: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """CTC loss (Graves et al. 2006) of each row, in float32.

    A row that augmentation made too short for its labels has the loss 0. Where runs must be
    repeatable the loss is computed on the CPU: the sums of its gradient on a GPU have no fixed
    order.

    Args:
        log_probs: (batch, frames, symbols).
        frames: (batch,) valid frames.
        targets: labels of all rows, one row after the other.
        lengths: (batch,) of the targets.
    """
    if torch.are_deterministic_algorithms_enabled():
        device, log_probs, frames = log_probs.device, log_probs.cpu(), frames.cpu()
        return _ctc(log_probs, frames, targets, lengths).to(device)
    return _ctc(log_probs, frames, targets, lengths)


def _ctc(log_probs: Tensor, frames: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    return F.ctc_loss(
        log_probs.float().transpose(0, 1),
        targets.to(log_probs.device) if log_probs.device.type == "cuda" else targets,
        frames,
        lengths.to(frames.device),
        reduction="none",
        zero_infinity=True,
    )
