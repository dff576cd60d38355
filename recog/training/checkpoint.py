"""Checkpoints: one safetensors file with all that a run needs to resume.

Tensors are stored as tensors, the rest as JSON in the header. The file is written beside the old
one and renamed, so that a kill at any moment leaves a whole checkpoint.
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
        UserError: the file cannot be written, for instance because the disk is full.
    """
    packed = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    try:
        with atomic_path(path) as part:
            save_file(packed, part, metadata={"format": FORMAT, "state": json.dumps(state)})
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: the checkpoint cannot be written ({error}).") from None


def read_state(path: Path) -> dict[str, Any]:
    """Read the state of a checkpoint without its tensors; see :func:`read_checkpoint`."""
    return _open(path, tensors=False)[1]


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors (on the CPU) and the state of a checkpoint.

    Raises:
        UserError: the file is damaged or not a checkpoint.
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
    """The moments of AdamW, named after the parameters.

    Args:
        names: of the parameters, in the optimiser's order.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    moments = {}
    for name, parameter in zip(names, parameters, strict=True):
        for key, value in optimiser.state.get(parameter, {}).items():
            moments[f"optimiser.{key}.{name}"] = torch.as_tensor(value)
    return moments


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]
) -> None:
    """Restore the moments that :func:`optimiser_tensors` gave."""
    fused = bool(optimiser.defaults.get("fused"))
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        state = {}
        for key in ("step", "exp_avg", "exp_avg_sq"):
            value = tensors.get(f"optimiser.{key}.{name}")
            if value is not None:
                # AdamW keeps its step on the CPU unless it is fused
                on_cpu = key == "step" and not fused
                state[key] = value.clone() if on_cpu else value.to(parameter.device, copy=True)
        if state:
            optimiser.state[parameter] = state


def first_difference(old: Any, new: Any, where: str = "") -> str:
    """Describe the first difference of two JSON-like values; empty where they are equal."""
    old = json.loads(json.dumps(old))
    new = json.loads(json.dumps(new))

    def walk(a: Any, b: Any, path: str) -> str:
        if isinstance(a, dict) and isinstance(b, dict):
            for key in sorted(a.keys() | b.keys()):
                difference = walk(a.get(key), b.get(key), f"{path}.{key}" if path else key)
                if difference:
                    return difference
            return ""
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                difference = walk(x, y, f"{path}[{i}]")
                if difference:
                    return difference
            return ""
        if a == b:
            return ""
        if path.startswith("data."):
            return f"the data or the transcripts of '{path[5:]}' have changed"
        return f"{path.removeprefix('recipe.')} was {_abbreviated(a)} and is {_abbreviated(b)}"

    return walk(old, new, where)


def _abbreviated(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."
