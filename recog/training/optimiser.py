"""AdamW and the schedule of its learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from recog.training.recipe_base import BaseOptimisation

# devices with a fused kernel of AdamW; for 12 million parameters on a CPU it is seven times as fast
FUSED_DEVICES = ("cpu", "cuda")


def adamw(network: nn.Module, options: BaseOptimisation) -> tuple[list[str], torch.optim.AdamW]:
    """AdamW (Loshchilov and Hutter 2019) for a network, without decay of biases and norms.

    Returns:
        The names of the parameters in the optimiser's order, and the optimiser.
    """
    matrices = [(n, p) for n, p in network.named_parameters() if p.ndim > 1]
    vectors = [(n, p) for n, p in network.named_parameters() if p.ndim <= 1]
    groups = [
        {"params": [p for _, p in matrices], "weight_decay": options.weight_decay},
        {"params": [p for _, p in vectors], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in FUSED_DEVICES for _, p in matrices + vectors)
    optimiser = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98), fused=fused)
    return [n for n, _ in matrices + vectors], optimiser


def learning_rate(options: BaseOptimisation, progress: float) -> float:
    """Learning rate when the share ``progress`` (0 to 1) of the run is done.

    After a linear warm-up it follows a cosine to 1 % of the peak, a straight line to 0 for
    ``one-cycle`` (Smith 2018), or stays ``constant``.
    """
    peak = options.learning_rate
    if progress < options.warmup:
        return peak * max(progress / options.warmup, 1e-3)
    if options.schedule == "constant":
        return peak
    rest = (progress - options.warmup) / max(1e-9, 1.0 - options.warmup)
    if options.schedule == "one-cycle":
        return peak * max(0.0, 1.0 - rest)
    return peak * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * rest)))
