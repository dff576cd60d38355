"""The device of a training, and whether bfloat16 is fast on it."""

from __future__ import annotations

import os

import torch

from recog.errors import UserError


def pick_device(name: str) -> torch.device:
    """The device of a recipe; ``auto`` is this process' GPU where there is one.

    Raises:
        UserError: the device is not available.
    """
    if name == "auto":
        local_rank = int(os.environ.get("LOCAL_RANK", 0))
        name = f"cuda:{local_rank}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"The device '{name}' is not available; use cpu or auto.") from None
    return device


def bf16_is_fast(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16.

    Without it a CPU is a hundred times slower.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # not in every build, as those for macOS
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())
