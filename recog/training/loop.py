"""The training loop: updates, checkpoints, exact resume, interruption and divergence."""

from __future__ import annotations

import math
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from recog.errors import UserError
from recog.model.folder import CONFIG
from recog.training.checkpoint import (
    first_difference,
    optimiser_tensors,
    read_checkpoint,
    restore_optimiser,
    write_checkpoint,
)
from recog.training.device import bf16_is_fast, pick_device
from recog.training.optimiser import adamw, learning_rate
from recog.training.progress import Reporter
from recog.training.recipe_base import BaseOptimisation

CHECKPOINT_SECONDS = 40.0
MAX_SKIPPED_UPDATES = 100  # in a row, without a finite gradient

Network = TypeVar("Network", bound=nn.Module)
Options = TypeVar("Options", bound=BaseOptimisation)
ReporterT = TypeVar("ReporterT", bound=Reporter)


class Interrupted(Exception):
    """Ctrl-C or SIGTERM arrived; the checkpoint is written."""


@dataclass
class Progress:
    """Progress of a run, as its checkpoint has it in JSON.

    Attributes:
        epoch: epochs done.
        batch: batches of this epoch done.
        step: updates done.
        best: the best error on dev so far; None before the first evaluation.
        best_epoch: its epoch, -1 before.
        loss: sum over this epoch.
        count: labels, tokens or updates in ``loss``.
        seconds: of training.
        finished: whether the model is exported.
        history: an entry for each epoch.
    """

    KEYS: ClassVar[dict[str, str]] = {}  # fields with another name in the checkpoint

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    best_epoch: int = -1
    loss: float = 0.0
    count: int = 0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The fields with the names that checkpoints use."""
        return {self.KEYS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Any:
        """The progress in a checkpoint."""
        names = {key: name for name, key in cls.KEYS.items()}
        return cls(**{names.get(key, key): value for key, value in state.items()})


class Loop(ABC, Generic[Network, Options, ReporterT]):
    """A training run into the model folder ``out``.

    A subclass defines the batches, the update, the evaluation on dev, the further contents of a
    checkpoint, and the fingerprint that must not change before a run resumes.

    Attributes:
        epoch_batches: batches of the current epoch; :meth:`start_epoch` sets it.
    """

    progress: Any
    epoch_batches: int = 1

    def __init__(self, network: Network, options: Options, out: Path, report: ReporterT) -> None:
        self.options, self.out, self.report = options, out, report
        self.folder = out / "training"
        self.device = pick_device(options.device)
        self.network = network.to(self.device)
        self.names, self.optimiser = adamw(self.network, options)
        self.bf16 = options.amp == "bf16" or (options.amp == "auto" and bf16_is_fast(self.device))
        self._stop = False
        self._skipped = 0
        self._saved = time.monotonic()

    # ---- the parts of a kind of training

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What must not change before a run resumes: recipe, data and base model."""

    def migrate(self, fingerprint: dict[str, Any]) -> dict[str, Any]:
        """A fingerprint of an older version, with the defaults of options added since."""
        return fingerprint

    @abstractmethod
    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors of a checkpoint beside network and optimiser, and the progress as JSON."""

    @abstractmethod
    def load_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Restore what :meth:`state` gave."""

    @abstractmethod
    def start_epoch(self) -> None:
        """Set the network to training, and set :attr:`epoch_batches`."""

    @abstractmethod
    def batches(self) -> Iterator[Any]:
        """The rest of this epoch's batches, one for each update."""

    @abstractmethod
    def step(self, batch: Any, rate: float) -> Any:
        """Update the weights at the learning rate ``rate``.

        Returns:
            The figures of the update; None where they are not finite, and the weights stay.
        """

    @abstractmethod
    def record(self, batch: Any, figures: Any, rate: float) -> None:
        """Count an update, and report it."""

    @abstractmethod
    def evaluate(self) -> Any:
        """The result on dev."""

    @abstractmethod
    def judge(self, result: Any) -> tuple[bool, float]:
        """Whether a result is the best so far, and the value to compare later ones with."""

    @abstractmethod
    def summary(self, result: Any) -> dict[str, Any]:
        """A result as it stands in the history."""

    @abstractmethod
    def save_best(self, result: Any) -> None:
        """Write :attr:`best`."""

    @abstractmethod
    def report_epoch(self, entry: dict[str, Any], result: Any, better: bool) -> None:
        """Report the end of an epoch; ``entry`` is that of the history."""

    @abstractmethod
    def best_result(self) -> str:
        """The best result so far, in words."""

    def batch_size(self, _batch: Any) -> int:
        """Batches that an update consists of."""
        return 1

    def before_first_step(self) -> None:
        """Hook before the first update of a new run."""

    # ---- checkpoints

    @property
    def last(self) -> Path:
        """The checkpoint that a run resumes from."""
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights that were best on dev so far."""
        return self.folder / "best.safetensors"

    def save(self) -> None:
        """Write :attr:`last`."""
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

    def resume(self) -> bool:
        """Load :attr:`last`; gives whether there is one.

        Raises:
            UserError: the checkpoint belongs to another recipe or other data; the message names the
                first difference.
        """
        if not self.last.exists():
            return False
        tensors, state = read_checkpoint(self.last)
        difference = first_difference(self.migrate(state["identity"]), self.fingerprint())
        if difference:
            raise UserError(
                f"{self.out}: holds a training with other settings ({difference}); "
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

    def train(self, data: str, export: Callable[[], object]) -> None:
        """Resume or start the run, train to the end, and export the model.

        A finished run only says so.

        Args:
            data: the run and its data in words, for the opening message.
            export: writes the model folder.

        Raises:
            KeyboardInterrupt: on SIGINT or SIGTERM; the checkpoint is written.
        """
        say = self.report.say
        resumed = self.resume()
        p = self.progress
        if p.finished and (self.out / CONFIG).exists():
            say(f"{self.out}: this training is finished ({self.best_result()}).")
            return
        start = f"going on from epoch {p.epoch + 1}, step {p.step}" if resumed else "starting"
        say(f"{data}, {self._describe()}; {start}.")
        if not resumed:
            self.before_first_step()
        try:
            self.run()
        except Interrupted:
            say(f"Interrupted; the same command goes on from step {self.progress.step}.")
            raise KeyboardInterrupt from None
        if not self.report.quiet:  # the process that writes
            export()
            self.progress.finished = True
            self.save()

    def _describe(self) -> str:
        """Size, length and device of the run in words."""
        parameters = sum(p.numel() for p in self.network.parameters())
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        return (
            f"{parameters / 1e6:.1f} M parameters, {self.options.epochs} epochs on {self.device}"
            f"{threads}{', bf16' if self.bf16 else ''}"
        )

    def run(self) -> None:
        """Train to the end, or until interrupted.

        Raises:
            Interrupted: on SIGINT or SIGTERM; the checkpoint is written.
        """
        previous = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        self._saved = time.monotonic()
        try:
            while self.progress.epoch < self.options.epochs:
                self.epoch()
        finally:
            for s, handler in previous.items():
                signal.signal(s, handler)

    def epoch(self) -> None:
        """Train for the rest of an epoch, and close it."""
        p = self.progress
        self.start_epoch()
        started = time.monotonic()
        self.report.epoch(p.epoch, self.options.epochs, p.batch, self.epoch_batches)
        for batch in self.batches():
            rate = learning_rate(self.options, self.completed())
            figures = self.step(batch, rate)
            p.batch += self.batch_size(batch)
            p.step += 1
            now = time.monotonic()
            p.seconds, started = p.seconds + now - started, now
            if figures is None:
                self.report.report_skipped(self.batch_size(batch))
            else:
                self.record(batch, figures, rate)
            if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self.save()
            self.stop_if_interrupted()
        self.close_epoch()

    def close_epoch(self) -> None:
        """Evaluate on dev, keep the best weights, and save."""
        p = self.progress
        self.save()  # evaluation takes minutes, in which a run may be stopped
        result = self.evaluate()
        better, value = self.judge(result)
        entry = {
            "epoch": p.epoch + 1,
            "step": p.step,
            "loss": p.loss / max(1, p.count),
            "seconds": round(p.seconds, 1),
            **self.summary(result),
        }
        p.history.append(entry)
        if better:
            p.best, p.best_epoch = value, p.epoch
        p.epoch, p.batch, p.loss, p.count = p.epoch + 1, 0, 0.0, 0
        if better:
            self.save_best(result)
        self.save()
        self.report_epoch(entry, result, better)

    def completed(self) -> float:
        """The share of the run (0 to 1) that is done; the learning rate follows it."""
        p = self.progress
        return float((p.epoch + p.batch / self.epoch_batches) / self.options.epochs)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop = True

    def stop_if_interrupted(self) -> None:
        """Write the checkpoint and raise :class:`Interrupted`, if a signal arrived."""
        if self._stop:
            self.save()
            raise Interrupted

    # ---- an update

    def autocast(self) -> AbstractContextManager[Any]:
        """Context of the forward pass: bfloat16 where it is used."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def set_learning_rate(self, rate: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def backward(self, loss: Tensor) -> Tensor:
        """Compute and clip the gradients of ``loss``; gives their norm before clipping."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        return self.clip_gradients()

    def clip_gradients(self) -> Tensor:
        """Clip the gradients; gives their norm before clipping."""
        return torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)

    def update(self, *values: float) -> bool:
        """Update the weights if loss and gradient norm are finite; gives whether they are.

        Raises:
            UserError: too many updates in a row were not finite.
        """
        if all(math.isfinite(value) for value in values):
            self.optimiser.step()
            self._skipped = 0
            return True
        self._skipped += 1
        if self._skipped >= MAX_SKIPPED_UPDATES:
            raise UserError(
                f"The training has diverged: {MAX_SKIPPED_UPDATES} updates in a row had no finite "
                "gradient; give a lower --learning-rate, and --restart."
            )
        return False
