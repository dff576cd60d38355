"""The training loop: CTC, AdamW, moving average, evaluation, checkpoints, resume; one process or many (``torchrun``).

What a run depends on is in its recipe and its data; what it has reached is in ``training/last.safetensors``. After a kill
at any moment the same command goes on from there and, on the CPU, ends with bitwise the same weights as a run that was
never interrupted: batches and augmentation are functions of (seed, epoch, row), dropout one of (seed, step), and the
thread count is kept.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from recog.errors import UserError
from recog.model.runtime import cores
from recog.nn.encoder import Encoder
from recog.training.batches import Batch, Epoch, plan_epoch
from recog.training.checkpoint import optimiser_tensors, read_checkpoint, restore_optimiser, write_checkpoint
from recog.training.data import Dataset
from recog.training.recipe import Optimisation, Recipe
from recog.training.report import Reporter
from recog.training.scoring import DevResult, evaluate

CHECKPOINT_SECONDS = 40.0
MAX_SKIPPED = 100  # updates without a finite gradient in a row


@dataclass
class Progress:
    """Where a run stands. Everything in it goes into the checkpoint's JSON."""

    epoch: int = 0
    batch: int = 0  # batches of this epoch already done
    step: int = 0
    best: float = math.inf
    best_epoch: int = -1
    loss: float = 0.0  # sums over this epoch so far
    labels: int = 0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


class Interrupted(Exception):
    """Ctrl-C or SIGTERM arrived; the checkpoint is written."""


def default_epochs(rows: int, batches: int, base: bool) -> int:
    """Epochs for a recipe that names none: about 4,000 steps (600 from a base model), at least 8 and at most 400 epochs."""
    steps = 600 if base else 4000
    return int(min(400, max(8, math.ceil(steps / max(1, batches)))))


def learning_rate(options: Optimisation, progress: float) -> float:
    """Learning rate when ``progress`` (0 to 1) of the run is done.

    Linear warm-up, then a cosine to 1 % of the peak, or for ``one-cycle`` a straight line to 0 (Smith 2018), or constant.
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
        name = f"cuda:{int(os.environ.get('LOCAL_RANK', 0))}" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise UserError(f"The device '{name}' is not available; use cpu or auto.") from None
    return device


def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is worth it: on the CPU only with hardware for it (without, it is a hundred times slower)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Trainer:
    """One training run into ``out``.

    Args:
        recipe: what to do, with ``training.epochs`` decided.
        data: from :func:`recog.training.data.prepare`.
        network: the initial network (a base model's weights or fresh ones).
        out: model folder; the run keeps its files in ``out/training``.
        report: where progress is told.
        base: checksum of the weights that ``network`` began with; None for fresh ones.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Dataset,
        network: Encoder,
        out: Path,
        report: Reporter,
        *,
        base: str | None = None,
    ) -> None:
        self.recipe, self.data, self.report, self.base = recipe, data, report, base
        self.folder = out / "training"
        self.options = recipe.training
        self.device = pick_device(self.options.device)
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.network = network.to(self.device)
        self.model: torch.nn.Module = self.network
        if self.world > 1:
            ids = [self.device.index] if self.device.type == "cuda" else None
            self.model = DistributedDataParallel(self.network, device_ids=ids, broadcast_buffers=False)
        self.names, self.optimiser = self._optimiser()
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items() if v.is_floating_point()}
        amp = self.options.amp
        self.bf16 = amp == "bf16" or (amp == "auto" and bf16_pays(self.device))
        self.progress = Progress()
        self._stop = False
        self._skipped = 0

    def _optimiser(self) -> tuple[list[str], torch.optim.AdamW]:
        """AdamW (Loshchilov and Hutter 2019); biases and norms are not decayed."""
        matrices = [(n, p) for n, p in self.network.named_parameters() if p.ndim > 1]
        vectors = [(n, p) for n, p in self.network.named_parameters() if p.ndim <= 1]
        groups = [
            {"params": [p for _, p in matrices], "weight_decay": self.options.weight_decay},
            {"params": [p for _, p in vectors], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(
            groups, lr=self.options.learning_rate, betas=(0.9, 0.98), fused=self.device.type == "cuda"
        )
        return [n for n, _ in matrices + vectors], optimiser

    # ---- checkpoints -------------------------------------------------------------------------------------------------

    @property
    def last(self) -> Path:
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    def identity(self) -> dict[str, Any]:
        """What must not change between a run and its resumption; where files lie and how many workers read them may."""
        recipe = self.recipe.model_dump(mode="json")
        recipe.pop("name")
        for source in recipe["data"]:
            source.pop("path")
        for free in ("workers", "device", "threads"):
            recipe["training"].pop(free)
        return {
            "recipe": recipe,
            "data": self.data.fingerprint,
            "alphabet": list(self.data.alphabet.symbols),
            "base model": self.base,
            "processes": self.world,
        }

    def save(self) -> None:
        if self.rank != 0:
            return
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        tensors |= optimiser_tensors(self.optimiser, self.names)
        state = {
            "identity": self.identity(),
            "progress": self.progress.__dict__
            | {"best": None if math.isinf(self.progress.best) else self.progress.best},
            "threads": torch.get_num_threads(),
        }
        write_checkpoint(self.last, tensors, state)

    def resume(self) -> bool:
        """Go on from ``last.safetensors`` where there is one.

        Raises:
            UserError: it belongs to another recipe or other data; the message names the first difference.
        """
        if not self.last.exists():
            return False
        tensors, state = read_checkpoint(self.last)
        difference = first_difference(state["identity"], self.identity())
        if difference:
            raise UserError(
                f"{self.last.parent.parent}: holds a training with other settings ({difference}); "
                "give another --out, the old settings, or --restart to throw its progress away."
            )
        self.network.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("network.")})
        for k, v in tensors.items():
            if k.startswith("average."):
                self.average[k[8:]].copy_(v)
        restore_optimiser(self.optimiser, self.names, tensors)
        torch.set_num_threads(int(state["threads"]))
        kept = state["progress"]
        self.progress = Progress(**(kept | {"best": math.inf if kept["best"] is None else kept["best"]}))
        return True

    # ---- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> Progress:
        """Train to the end, or until interrupted (the checkpoint is then written).

        Raises:
            Interrupted: on SIGINT or SIGTERM.
        """
        p = self.progress
        previous = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            while p.epoch < self.options.epochs:
                self._epoch()
        finally:
            for s, handler in previous.items():
                signal.signal(s, handler)
        return p

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop = True

    def _loader(self, plan: list[Any]) -> DataLoader[Batch]:
        data = Epoch(
            plan, self.data.store, self.recipe, self.progress.epoch,
            start=self.progress.batch, rank=self.rank, world=self.world,
        )  # fmt: skip
        workers = self.options.workers
        if workers < 0:  # features cost about 2 % of a step on the CPU: not worth a process; a GPU waits for them
            workers = min(12, max(1, (os.cpu_count() or 2) - 2)) if self.device.type == "cuda" else 0
        return DataLoader(
            data,
            batch_size=None,
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=6 if workers else None,
        )

    def _epoch(self) -> None:
        p = self.progress
        plan = plan_epoch(self.data.train, p.epoch, self.recipe)
        self.model.train()
        started, saved = time.monotonic(), time.monotonic()
        self.report.epoch(p.epoch, self.options.epochs, p.batch, len(plan))
        for batch in self._loader(plan):
            share = (p.epoch + p.batch / len(plan)) / self.options.epochs
            rate = learning_rate(self.options, share)
            loss, short, norm = self.step(batch, rate)
            p.batch += 1
            p.step += 1
            p.loss += loss
            p.labels += batch.labels
            now = time.monotonic()
            p.seconds += now - started
            started = now
            self.report.step(
                p.step, p.epoch, loss / batch.labels, short / batch.labels, rate, norm, len(batch.items) * self.world
            )
            if now - saved > CHECKPOINT_SECONDS:
                self.save()
                saved = time.monotonic()
            if self._stop_everywhere():
                self.save()
                raise Interrupted
        self.save()  # an evaluation may take longer than a checkpoint's interval
        self._close_epoch(self.evaluate())

    def _stop_everywhere(self) -> bool:
        if self.world == 1:
            return self._stop
        flag = torch.tensor([float(self._stop)], device=self.device)
        dist.all_reduce(flag)
        return bool(flag.item() > 0)

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    def step(self, batch: Batch, rate: float) -> tuple[float, float, float]:
        """One update. Returns the summed CTC loss of both heads over all processes and the gradient norm."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed((self.options.seed * 1_000_003 + self.progress.step) * 4096 + self.rank)  # dropout
        features = batch.features.to(self.device, non_blocking=True)
        lengths = batch.lengths.to(self.device, non_blocking=True)
        weights = batch.weights.to(self.device, non_blocking=True)
        with self.autocast():
            log_probs, frames, short = self.model(features, lengths)
        main = ctc(log_probs, frames, batch, weights)
        second = ctc(short, frames, batch, weights) if short is not None else main.new_zeros(())
        # gradients are averaged over processes: the sum over the global batch is world times their mean
        loss = (main + self.options.shortcut * second) * (self.world / batch.labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
        sums = torch.stack((main.detach(), second.detach(), norm.detach()))
        if self.world > 1:
            dist.all_reduce(sums)
            sums[2] /= self.world
        main_sum, second_sum, norm_value = sums.tolist()
        if math.isfinite(norm_value) and math.isfinite(main_sum):
            self.optimiser.step()
            self._update_average()
            self._skipped = 0
            return main_sum, second_sum, norm_value
        self._skipped += 1
        if self._skipped >= MAX_SKIPPED:
            raise UserError(
                f"The training has diverged: {MAX_SKIPPED} updates in a row had no finite gradient; "
                "give a lower --learning-rate, and --restart."
            )
        return 0.0, 0.0, 0.0

    @torch.no_grad()
    def _update_average(self) -> None:
        step = self.progress.step
        decay = min(self.options.average, (step + 1) / (step + 20))
        state = self.network.state_dict()
        names = list(self.average)
        torch._foreach_lerp_([self.average[n] for n in names], [state[n] for n in names], 1.0 - decay)

    # ---- evaluation --------------------------------------------------------------------------------------------------

    def evaluate(self) -> DevResult:
        """Best path of the averaged weights on dev."""
        current = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(current | self.average)
        try:
            return evaluate(self.network, self.data, self.recipe, self.device, self.rank, self.world)
        finally:
            self.network.load_state_dict(current)
            self.model.train()

    def _close_epoch(self, result: DevResult) -> None:
        p = self.progress
        better = result.cer < p.best
        entry = {
            "epoch": p.epoch + 1, "step": p.step, "loss": p.loss / max(1, p.labels), "seconds": round(p.seconds, 1),
            **result.summary(),
        }  # fmt: skip
        p.history.append(entry)
        if better:
            p.best, p.best_epoch = result.cer, p.epoch
        p.epoch, p.batch, p.loss, p.labels = p.epoch + 1, 0, 0.0, 0
        if self.rank == 0:
            if better:
                write_checkpoint(self.best, dict(self.average), {"dev": result.summary(), "epoch": p.epoch})
            self.save()
        self.report.evaluated(entry, result, better)


def ctc(log_probs: Tensor, frames: Tensor, batch: Batch, weights: Tensor) -> Tensor:
    """CTC loss (Graves et al. 2006) in float32, summed over the batch; rows of weight 0 count nothing.

    Rows that CTC cannot align never come here but through augmentation that shortened them; they are left out.
    """
    losses = F.ctc_loss(
        log_probs.float().transpose(0, 1),
        batch.targets.to(log_probs.device) if log_probs.device.type == "cuda" else batch.targets,
        frames,
        batch.target_lengths.to(frames.device),
        reduction="none",
        zero_infinity=True,
    )
    return (losses * weights).sum()


def first_difference(old: Any, new: Any, where: str = "") -> str:
    """Name of the first place where two JSON-like values differ, with both values; empty if they are equal."""
    old = json.loads(json.dumps(old))
    new = json.loads(json.dumps(new))

    def walk(a: Any, b: Any, path: str) -> str:
        if isinstance(a, dict) and isinstance(b, dict):
            for key in sorted(a.keys() | b.keys()):
                found = walk(a.get(key), b.get(key), f"{path}.{key}" if path else key)
                if found:
                    return found
            return ""
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                found = walk(x, y, f"{path}[{i}]")
                if found:
                    return found
            return ""
        if a == b:
            return ""
        if path.startswith("data."):
            return f"the data or the transcripts of '{path[5:]}' have changed"
        return f"{path.removeprefix('recipe.')} was {_short(a)} and is {_short(b)}"

    return walk(old, new, where)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:37] + "..."


def numbers_of_threads(options: Optimisation) -> int:
    """Threads of a run: the recipe's, else every core, shared with the other processes of ``torchrun`` on this machine."""
    if options.threads:
        return options.threads
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, cores() // beside)


def seeded_network(recipe: Recipe, symbols: int) -> Encoder:
    """A fresh network whose weights are a function of the recipe's seed."""
    torch.manual_seed(recipe.training.seed)
    return Encoder(recipe.encoder, symbols)
