"""Everything that a run needs to go on, in one safetensors file: tensors as tensors, the rest as JSON in its header.

One file, written beside and renamed, so that a kill at any moment leaves the old one or the new one and never half of one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recog.errors import UserError

FORMAT = "recog-checkpoint-1"


def write_checkpoint(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write ``tensors`` and the JSON-able ``state`` to ``path``, all or nothing."""
    beside = path.with_name(path.name + ".part")
    packed = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    save_file(packed, beside, metadata={"format": FORMAT, "state": json.dumps(state)})
    with beside.open("rb+") as file:
        os.fsync(file.fileno())
    beside.replace(path)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and the state of a checkpoint.

    Raises:
        UserError: it is damaged or not a checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UserError(f"{path}: is not a checkpoint of this version of recog.")
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata["state"])  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: the checkpoint is damaged ({error}); delete it to start again.") from None


def optimiser_tensors(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """The moments of AdamW under the names of the parameters, in the order in which the optimiser holds them."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    found = {}
    for name, parameter in zip(names, parameters, strict=True):
        for key, value in optimiser.state.get(parameter, {}).items():
            found[f"optimiser.{key}.{name}"] = torch.as_tensor(value)
    return found


def restore_optimiser(optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]) -> None:
    """Put back what :func:`optimiser_tensors` gave."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        state = {}
        for key in ("step", "exp_avg", "exp_avg_sq"):
            value = tensors.get(f"optimiser.{key}.{name}")
            if value is not None:
                state[key] = value.clone() if key == "step" else value.to(parameter.device, copy=True)
        if state:
            optimiser.state[parameter] = state
