"""What every training loop shares: device, AdamW, learning rate, checkpoints, resume, interruption,
divergence."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from recog.errors import UserError
from recog.training.checkpoint import (
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)

CHECKPOINT_SECONDS = 40.0
# where AdamW has a fused kernel; of 12 million parameters on a CPU seven times as fast
FUSED_DEVICES = ("cpu", "cuda")
MAX_SKIPPED_UPDATES = 100  # updates without a finite gradient in a row

Network = TypeVar("Network", bound=nn.Module)


class Settings(Protocol):
    """The options that every loop needs."""

    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def warmup(self) -> float: ...
    @property
    def schedule(self) -> str: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def clip(self) -> float: ...
    @property
    def amp(self) -> str: ...
    @property
    def device(self) -> str: ...


Options = TypeVar("Options", bound=Settings)


class Interrupted(Exception):
    """Ctrl-C or SIGTERM arrived; the checkpoint is written."""


class Loop(ABC, Generic[Network, Options]):
    """One run into ``out``: a network, its optimiser and how far they have come.

    A subclass has ``progress``, a dataclass with at least epoch, step and finished, and says what
    an epoch is, what else belongs into a checkpoint, and what must not change before a run goes on
    from one.
    """

    progress: Any

    def __init__(self, network: Network, options: Options, out: Path) -> None:
        self.options = options
        self.folder = out / "training"
        self.device = pick_device(options.device)
        self.network = network.to(self.device)
        self.names, self.optimiser = adamw(self.network, options)
        self.bf16 = options.amp == "bf16" or (options.amp == "auto" and bf16_is_fast(self.device))
        self._stop = False
        self._skipped = 0
        self._saved = time.monotonic()

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What must not change between a run and its resumption."""

    def migrate(self, identity: dict[str, Any]) -> dict[str, Any]:
        """An :meth:`identity` that an older version wrote, the options that it did not have at
        their defaults."""
        return identity

    @abstractmethod
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What a checkpoint needs beside network and optimiser: tensors, and the progress as
        JSON."""

    @abstractmethod
    def load_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Put back what :meth:`kept` gave."""

    @abstractmethod
    def epoch(self) -> None:
        """Train for one epoch, or what is left of it, and count it."""

    # ---- checkpoints
    # -------------------------------------------------------------------------------------------------

    @property
    def last(self) -> Path:
        """The checkpoint that the run goes on from."""
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights that were best on dev so far."""
        return self.folder / "best.safetensors"

    def save(self) -> None:
        """Write the checkpoint that the run goes on from."""
        tensors, progress = self.state()
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()} | tensors
        tensors |= optimiser_tensors(self.optimiser, self.names)
        state = {
            "identity": self.fingerprint(),
            "progress": progress,
            "threads": torch.get_num_threads(),
        }
        write_checkpoint(self.last, tensors, state)
        self._saved = time.monotonic()

    def save_when_due(self) -> None:
        """Write it when the last one is old enough that losing what came after would hurt."""
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self.save()

    def resume(self) -> bool:
        """Go on from :attr:`last` where there is one.

        Raises:
            UserError: it belongs to another recipe or other data; the message names the first
                difference.
        """
        if not self.last.exists():
            return False
        tensors, state = read_checkpoint(self.last)
        difference = first_difference(self.migrate(state["identity"]), self.fingerprint())
        if difference:
            raise UserError(
                f"{self.last.parent.parent}: holds a training with other settings ({difference}); "
                "give another --out, the old settings, or --restart to throw its progress away."
            )
        self.network.load_state_dict(
            {k[8:]: v for k, v in tensors.items() if k.startswith("network.")}
        )
        restore_optimiser(self.optimiser, self.names, tensors)
        torch.set_num_threads(int(state["threads"]))
        self.load_state(tensors, state["progress"])
        return True

    # ---- the loop
    # ----------------------------------------------------------------------------------------------------

    def run(self) -> Any:
        """Train to the end, or until interrupted (the checkpoint is then written); gives the
        progress.

        Raises:
            Interrupted: on SIGINT or SIGTERM.
        """
        previous = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        self._saved = time.monotonic()
        try:
            while self.progress.epoch < self.options.epochs:
                self.epoch()
        finally:
            for s, handler in previous.items():
                signal.signal(s, handler)
        return self.progress

    def run_reporting(self, say: Callable[[str], None]) -> None:
        """:meth:`run` for a user: an interruption is told, and leaves as ``KeyboardInterrupt``."""
        try:
            self.run()
        except Interrupted:
            say(f"Interrupted; the same command goes on from step {self.progress.step}.")
            raise KeyboardInterrupt from None

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop = True

    def stop_if_interrupted(self) -> None:
        """Write the checkpoint and leave, where a signal arrived."""
        if self._stop:
            self.save()
            raise Interrupted

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 where it is used."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def backward(self, loss: Tensor) -> Tensor:
        """Gradients of ``loss``, clipped; gives their norm before."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        return self.clip_gradients()

    def clip_gradients(self) -> Tensor:
        """Clip the gradients; gives their norm before."""
        return torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)

    def update(self, *values: float) -> bool:
        """Take the step where all of these, loss and gradient norm, are finite; else leave the
        batch out.

        Raises:
            UserError: they have not been for too long.
        """
        if all(math.isfinite(value) for value in values):
            self.optimiser.step()
            self._skipped = 0
            return True
        self._skipped += 1
        if self._skipped >= MAX_SKIPPED_UPDATES:
            raise UserError(
                f"The training has diverged: {MAX_SKIPPED_UPDATES} updates in a row had no finite gradient; "
                "give a lower --learning-rate, and --restart."
            )
        return False


def adamw(network: nn.Module, options: Settings) -> tuple[list[str], torch.optim.AdamW]:
    """AdamW (Loshchilov and Hutter 2019), in which biases and norms are not decayed, and the names
    of its parameters in its order."""
    matrices = [(n, p) for n, p in network.named_parameters() if p.ndim > 1]
    vectors = [(n, p) for n, p in network.named_parameters() if p.ndim <= 1]
    groups = [
        {"params": [p for _, p in matrices], "weight_decay": options.weight_decay},
        {"params": [p for _, p in vectors], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in FUSED_DEVICES for _, p in matrices + vectors)
    optimiser = torch.optim.AdamW(groups, lr=options.learning_rate, betas=(0.9, 0.98), fused=fused)
    return [n for n, _ in matrices + vectors], optimiser


def learning_rate(options: Settings, progress: float) -> float:
    """Learning rate when ``progress`` (0 to 1) of the run is done.

    Linear warm-up, then a cosine to 1 % of the peak, or for ``one-cycle`` a straight line to 0
    (Smith 2018), or constant.
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


def pick_device(name: str) -> torch.device:
    """The device a recipe asks for; ``auto`` is the GPU of this process where there is one."""
    if name == "auto":
        name = (
            f"cuda:{int(os.environ.get('LOCAL_RANK', 0))}" if torch.cuda.is_available() else "cpu"
        )
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"The device '{name}' is not available; use cpu or auto.") from None
    return device


def bf16_is_fast(device: torch.device) -> bool:
    """Whether bfloat16 is worth it: only with hardware for it (without, on a CPU, it is a hundred
    times slower)."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # not in every build, as those for macOS
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())


def first_difference(old: Any, new: Any, where: str = "") -> str:
    """Name of the first place where two JSON-like values differ, with both values; empty if they
    are equal."""
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
