"""Everything that a run needs to go on, in one safetensors file: tensors as tensors, the rest as
JSON in its header.

One file, written beside and renamed, so that a kill at any moment leaves the old one or the new one
and never half of one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recog.errors import UserError
from recog.util.atomic_files import atomic_path

FORMAT = "recog-checkpoint-1"


def write_checkpoint(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write ``tensors`` and the JSON-able ``state`` to ``path``, all or nothing.

    Raises:
        UserError: it cannot be written, for instance because the disk is full.
    """
    packed = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    try:
        with atomic_path(path) as part:
            save_file(packed, part, metadata={"format": FORMAT, "state": json.dumps(state)})
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: the checkpoint cannot be written ({error}).") from None


def read_state(path: Path) -> dict[str, Any]:
    """The state of a checkpoint without its tensors; see :func:`read_checkpoint`."""
    return _open(path, tensors=False)[1]


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and the state of a checkpoint.

    Raises:
        UserError: it is damaged or not a checkpoint.
    """
    return _open(path, tensors=True)


def _open(path: Path, *, tensors: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UserError(f"{path}: is not a checkpoint of this version of recog.")
            names = file.keys() if tensors else ()
            return {name: file.get_tensor(name) for name in names}, json.loads(metadata["state"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(
            f"{path}: the checkpoint is damaged ({error}); delete it to start again."
        ) from None


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """The moments of AdamW under the names of the parameters, in the order in which the optimiser
    holds them."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    moments = {}
    for name, parameter in zip(names, parameters, strict=True):
        for key, value in optimiser.state.get(parameter, {}).items():
            moments[f"optimiser.{key}.{name}"] = torch.as_tensor(value)
    return moments


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]
) -> None:
    """Put back what :func:`optimiser_tensors` gave."""
    fused = bool(optimiser.defaults.get("fused"))
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        state = {}
        for key in ("step", "exp_avg", "exp_avg_sq"):
            value = tensors.get(f"optimiser.{key}.{name}")
            if value is not None:
                # AdamW keeps its step on the CPU unless it is fused
                here = key == "step" and not fused
                state[key] = value.clone() if here else value.to(parameter.device, copy=True)
        if state:
            optimiser.state[parameter] = state
