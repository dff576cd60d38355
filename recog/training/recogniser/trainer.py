"""The training loop: CTC, AdamW, moving average, evaluation, checkpoints, resume; one process or
many (``torchrun``).

What a run depends on is in its recipe and its data; what it has reached is in
``training/last.safetensors``. After a kill at any moment the same command goes on from there and,
on the CPU, ends with bitwise the same weights as a run that was never interrupted: batches and
augmentation are functions of (seed, epoch, row), dropout one of (seed, step), and the thread count
is kept.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from recog.nn.encoder import Encoder
from recog.training.checkpoint import write_checkpoint
from recog.training.energy import Meter
from recog.training.loop import Loop, learning_rate
from recog.training.progress import Reporter
from recog.training.recogniser.batches import Batch, Epoch, plan_epoch
from recog.training.recogniser.data import Dataset
from recog.training.recogniser.diagnosis import Diagnosis
from recog.training.recogniser.line_synthesis import WordCrops
from recog.training.recogniser.recipe import Modality, Optimisation, Recipe
from recog.training.recogniser.scoring import DevResult, evaluate
from recog.util.parallel import cores


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
    cpu_seconds: float = 0.0  # of this process and its data workers
    joules: float | None = 0.0  # of the processor; None as soon as they could not be read
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


def default_epochs(batches: int, base: bool, modality: Modality) -> int:
    """Epochs for a recipe that names none: about 4,000 steps, at least 8 and at most 400 epochs.

    From a base model 600 steps, and of sound, where a step costs more, 300: a small folder then
    takes under ten minutes.
    """
    steps = {"speech": 300, "handwriting": 600}[modality] if base else 4000
    return int(min(400, max(8, math.ceil(steps / max(1, batches)))))


class Losses(NamedTuple):
    """CTC losses of a batch: summed by each of :data:`recog.training.progress.HEADS`, (heads,), and
    of each row by the main one."""

    sums: Tensor
    rows: Tensor


class Trainer(Loop[Encoder, Optimisation]):
    """One training run into ``out``.

    Args:
        recipe: what to do, with ``training.epochs`` decided.
        data: from :func:`recog.training.recogniser.data.prepare`.
        network: the initial network (a base model's weights or fresh ones).
        out: model folder; the run keeps its files in ``out/training``.
        report: where progress is told.
        base: checksum of the weights that ``network`` began with; None for fresh ones.
        words: to make lines of, where the recipe recombines.
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
        words: WordCrops | None = None,
    ) -> None:
        super().__init__(network, recipe.training, out)
        self.recipe, self.data, self.report, self.base, self.words = (
            recipe,
            data,
            report,
            base,
            words,
        )
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.model = self._distributed()
        self.average = {
            k: v.detach().clone()
            for k, v in self.network.state_dict().items()
            if v.is_floating_point()
        }
        self.progress = Progress()
        self.diagnosis: Diagnosis | None = None  # from the first epoch on
        self.meter = Meter()
        weights = (1.0, self.options.shortcut, self.options.sounds, self.options.intermediate)
        self.shares = torch.tensor(weights, device=self.device)  # of the heads' losses

    def _distributed(self) -> torch.nn.Module:
        """The network, its gradients averaged over the processes where there are several."""
        if self.world == 1:
            return self.network
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(self.network, device_ids=ids, broadcast_buffers=False)

    # ---- checkpoints
    # -------------------------------------------------------------------------------------------------

    def fingerprint(self) -> dict[str, Any]:
        """What must not change between a run and its resumption; where files lie and how many
        workers read them may."""
        return {
            "recipe": resume_settings(self.recipe),
            "data": self.data.fingerprint,
            "alphabet": list(self.data.alphabet.symbols),
            "base model": self.base,
            "processes": self.world,
        }

    def migrate(self, identity: dict[str, Any]) -> dict[str, Any]:
        recipe = identity["recipe"]
        data = [{**source, "path": ""} for source in recipe["data"]]
        try:
            return {
                **identity,
                "recipe": resume_settings(
                    Recipe.model_validate({**recipe, "name": "old", "data": data})
                ),
            }
        except ValidationError:  # an option that is no more
            return identity

    def save(self) -> None:
        p = self.progress
        seconds, joules = self.meter.spent()
        p.cpu_seconds += seconds
        p.joules = None if joules is None or p.joules is None else p.joules + joules
        if self.rank == 0:
            super().save()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        best = None if math.isinf(self.progress.best) else self.progress.best
        return {f"average.{k}": v for k, v in self.average.items()}, self.progress.__dict__ | {
            "best": best
        }

    def load_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        for k, v in tensors.items():
            if k.startswith("average."):
                self.average[k[8:]].copy_(v)
        self.progress = Progress(
            **(progress | {"best": math.inf if progress["best"] is None else progress["best"]})
        )

    # ---- the loop
    # ----------------------------------------------------------------------------------------------------

    def _loader(self, plan: list[Any]) -> DataLoader[Batch]:
        data = Epoch(
            plan, self.data.store, self.recipe, self.progress.epoch,
            start=self.progress.batch, rank=self.rank, world=self.world,
        )  # fmt: skip
        workers = self.options.workers
        # features cost about 2 % of a step on the CPU: not worth a process; a GPU waits for them
        if workers < 0:
            beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
            workers = min(12, max(1, (cores() - 2) // beside)) if self.device.type == "cuda" else 0
        return DataLoader(
            data,
            batch_size=None,
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=6 if workers else None,
        )

    def epoch(self) -> None:
        p = self.progress
        plan = plan_epoch(self.data.train, p.epoch, self.recipe, self.words)
        self.model.train()
        if self.diagnosis is None:
            self.diagnosis = Diagnosis(self.data, self.recipe)
        started = time.monotonic()
        self.report.epoch(p.epoch, self.options.epochs, p.batch, len(plan))
        for batches in groups(self._loader(plan), self.options.accumulate):
            share = self.share(len(plan))
            rate = learning_rate(self.options, share)
            self.freeze_convolutions(share < self.options.freeze)
            done = self.step(batches, rate)
            labels = sum(batch.labels for batch in batches)
            p.batch += len(batches)
            p.step += 1
            now = time.monotonic()
            p.seconds += now - started
            started = now
            lines = sum(len(batch.items) for batch in batches) * self.world
            if done is None:
                self.report.report_skipped(len(batches))
            else:
                losses, norm = done
                p.loss += losses[0]
                p.labels += labels
                per_label = [loss / labels for loss in losses]
                self.report.step(p.step, p.epoch, per_label, rate, norm, lines, len(batches))
            self.save_when_due()
            self.stop_if_interrupted()
        self.save()  # an evaluation may take longer than a checkpoint's interval
        self._close_epoch(self.evaluate())

    def share(self, batches: int) -> float:
        """The share of the run, 0 to 1, that is done, in an epoch of so many batches; the learning
        rate follows it."""
        return (self.progress.epoch + self.progress.batch / batches) / self.options.epochs

    def stop_if_interrupted(self) -> None:
        if self.world > 1:  # of all processes together
            flag = torch.tensor([float(self._stop)], device=self.device)
            dist.all_reduce(flag)
            self._stop = bool(flag.item() > 0)
        super().stop_if_interrupted()

    def freeze_convolutions(self, hold: bool) -> None:
        """Keep the convolutions as they are, weights and statistics, or let them learn (again)."""
        front = self.network.front
        if hold:
            front.eval()  # every time: an evaluation puts the whole network back into training
        if all(p.requires_grad != hold for p in front.parameters()):
            return
        front.train(not hold)
        front.requires_grad_(not hold)
        self.model = (
            self._distributed()
        )  # which parameters have gradients is settled when it is made

    def step(self, batches: Sequence[Batch], rate: float) -> tuple[list[float], float] | None:
        """One update from batches that are accumulated. Returns the CTC losses of the heads, each
        summed over all of them and all processes, and the gradient norm; None where these are not
        finite and the batches are left out."""
        self.set_learning_rate(rate)
        # dropout
        torch.manual_seed((self.options.seed * 1_000_003 + self.progress.step) * 4096 + self.rank)
        self.optimiser.zero_grad(set_to_none=True)
        labels = sum(batch.labels for batch in batches)
        batch_losses = []
        for k, batch in enumerate(batches, 1):
            alone = isinstance(self.model, DistributedDataParallel) and k < len(batches)
            with self.model.no_sync() if alone else nullcontext():  # type: ignore[operator]
                batch_losses.append(self._losses(batch))
                # gradients are averaged over processes: the sum over the global batch is world
                # times their mean
                total = batch_losses[-1].sums @ self.shares
                (total * (self.world / labels)).backward()
        norm = self.clip_gradients()
        sums = torch.cat(
            (
                torch.stack([loss.sums.detach() for loss in batch_losses]).sum(0),
                norm.detach().view(1),
            )
        )
        if self.world > 1:
            dist.all_reduce(sums)
            sums[-1] /= self.world
        *losses, norm_value = sums.tolist()
        if not self.update(losses[0], norm_value):
            return None
        if self.diagnosis is not None:
            for batch, loss in zip(batches, batch_losses, strict=True):
                examples = [item.example for item in batch.items]
                self.diagnosis.add_losses(examples, loss.rows.tolist())
        self._update_average()
        return losses, norm_value

    def _losses(self, batch: Batch) -> Losses:
        """CTC losses of this process's share of a batch."""
        features = batch.features.to(self.device, non_blocking=True)
        lengths = batch.lengths.to(self.device, non_blocking=True)
        weights = batch.weights.to(self.device, non_blocking=True)
        with self.autocast():
            log_probs, frames, below = self.model(features, lengths)
        symbols = log_probs.shape[2] - self.network.config.sounds
        known = weights * (batch.phone_lengths > 0).to(weights)

        def letter_loss(scores: Tensor) -> Tensor:
            return ctc(scores[..., :symbols], frames, batch.targets, batch.target_lengths)

        def phone_loss(scores: Tensor) -> Tensor:
            if self.network.sounds is None:
                return scores.new_zeros(())
            return (
                ctc(scores[..., symbols:], frames, batch.phones, batch.phone_lengths) * known
            ).sum()

        rows = letter_loss(log_probs)
        main, shortcut, intermediate = (rows * weights).sum(), *rows.new_zeros(2)
        if below.shortcut is not None:
            shortcut = (letter_loss(below.shortcut) * weights).sum()
        if below.intermediate is not None:
            intermediate = (
                letter_loss(below.intermediate) * weights
            ).sum() + self.options.sounds * phone_loss(below.intermediate)
        return Losses(
            torch.stack((main, shortcut, phone_loss(log_probs), intermediate)), rows.detach()
        )

    @torch.no_grad()
    def _update_average(self) -> None:
        step = self.progress.step
        decay = min(self.options.average, (step + 1) / (step + 20))
        state = self.network.state_dict()
        names = list(self.average)
        torch._foreach_lerp_(
            [self.average[n] for n in names], [state[n] for n in names], 1.0 - decay
        )

    # ---- evaluation
    # --------------------------------------------------------------------------------------------------

    def evaluate(self) -> DevResult:
        """Best path of the averaged weights on dev."""
        current = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(current | self.average)
        try:
            return evaluate(
                self.network, self.data, self.recipe, self.device, self.rank, self.world
            )
        finally:
            self.network.load_state_dict(current)
            self.model.train()

    def evaluate_base(self) -> None:
        """Before the first step: let the base model's own result on dev be the one to beat, so that
        what is kept is never worse there."""
        result = self.evaluate()
        self.progress.best = result.selection_error
        if self.rank == 0:
            self._save_best(result)
        self.report.say(
            f"before training  dev CER {100 * result.cer:.2f} %  WER {100 * result.wer:.2f} %"
        )

    def _save_best(self, result: DevResult) -> None:
        write_checkpoint(
            self.best, dict(self.average), {"dev": result.summary(), "epoch": self.progress.epoch}
        )

    def _close_epoch(self, result: DevResult) -> None:
        p = self.progress
        better = result.selection_error < p.best
        entry = {
            "epoch": p.epoch + 1, "step": p.step, "loss": p.loss / max(1, p.labels), "seconds": round(p.seconds, 1),
            **result.summary(),
        }  # fmt: skip
        p.history.append(entry)
        if better:
            p.best, p.best_epoch = result.selection_error, p.epoch
        p.epoch, p.batch, p.loss, p.labels = p.epoch + 1, 0, 0.0, 0
        if self.rank == 0:
            if better:
                self._save_best(result)
            self.save()
        self.report.report_dev(entry, result, better)
        if self.rank == 0 and self.diagnosis is not None:
            self.report.explain(p.step, self.diagnosis.after_epoch(p.history))


def resume_settings(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe may not change before a run goes on."""
    settings = recipe.model_dump(mode="json")
    settings.pop("name")
    settings.pop("pronunciations")  # what is in the file counts, and is in the fingerprint
    for source in settings["data"]:
        source.pop("path")
        source.pop("licence")
    for free in ("workers", "device", "threads"):
        settings["training"].pop(free)
    return settings


def groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Batches in lists of ``size``, the last perhaps shorter."""
    iterator = iter(batches)
    while group := list(islice(iterator, size)):
        yield group


def ctc(log_probs: Tensor, frames: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """CTC loss (Graves et al. 2006) of each row, in float32; ``targets`` are all rows' one after
    the other.

    Rows that CTC cannot align never come here but through augmentation that shortened them; theirs
    is 0. Where runs must be repeatable it is computed on the CPU: the sums of its gradient on a GPU
    have no fixed order.
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


def thread_count(options: Optimisation) -> int:
    """Threads of a run: the recipe's, else every core, shared with the other processes of
    ``torchrun`` on this machine."""
    if options.threads:
        return options.threads
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, cores() // beside)


def seeded_network(recipe: Recipe, symbols: int) -> Encoder:
    """A fresh network whose weights are a function of the recipe's seed."""
    torch.manual_seed(recipe.training.seed)
    return Encoder(recipe.encoder, symbols)
