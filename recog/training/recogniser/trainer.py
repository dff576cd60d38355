"""The training loop of recognisers: CTC, averaged weights, one or many processes.

A run depends on its recipe and its data alone, and ``training/last.safetensors`` has its progress.
After a kill at any moment the same command resumes from there and, on the CPU, ends with bitwise
the same weights as a run without a break: batches and augmentation are functions of (seed, epoch,
row), dropout is a function of (seed, step), and the number of threads is restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from pydantic import ValidationError
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from recog.nn.encoder import Encoder
from recog.training.checkpoint import write_checkpoint
from recog.training.energy import Meter
from recog.training.loop import Loop, Progress
from recog.training.progress import Reporter
from recog.training.recogniser.batches import Batch, Epoch, Item, plan_epoch
from recog.training.recogniser.ctc_loss import Losses, head_losses
from recog.training.recogniser.data import Dataset
from recog.training.recogniser.diagnosis import Diagnosis
from recog.training.recogniser.distributed import worker_count
from recog.training.recogniser.line_synthesis import WordCrops
from recog.training.recogniser.recipe import Optimisation, Recipe
from recog.training.recogniser.scoring import DevResult, evaluate


@dataclass
class RecogniserProgress(Progress):
    """Progress of a run.

    Attributes:
        cpu_seconds: of this process and its data workers.
        joules: of the processor; None if its counters could not be read at some time.
    """

    KEYS: ClassVar = {"count": "labels"}

    cpu_seconds: float = 0.0
    joules: float | None = 0.0


class Trainer(Loop[Encoder, Optimisation, Reporter]):
    """A training run of a recogniser.

    Args:
        recipe: with the number of epochs decided.
        data: from :func:`recog.training.recogniser.data.prepare`.
        network: with the initial weights, fresh or a base model's.
        out: model folder; the run keeps its files in ``out/training``.
        report: takes the progress.
        base: checksum of the base model's weights; None for fresh ones.
        words: word crops for line synthesis.
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
        super().__init__(network, recipe.training, out, report)
        self.recipe, self.data, self.base, self.words = recipe, data, base, words
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.model = self._distributed()
        self.average = {
            k: v.detach().clone()
            for k, v in self.network.state_dict().items()
            if v.is_floating_point()
        }
        self.progress = RecogniserProgress()
        self.plan: list[list[Item]] = []
        self.diagnosis: Diagnosis | None = None  # from the first epoch on
        self.meter = Meter()
        weights = (1.0, self.options.shortcut, self.options.sounds, self.options.intermediate)
        self.loss_weights = torch.tensor(weights, device=self.device)

    def _distributed(self) -> torch.nn.Module:
        """The network; with several processes, one that averages its gradients over them."""
        if self.world == 1:
            return self.network
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(self.network, device_ids=ids, broadcast_buffers=False)

    # ---- checkpoints

    def fingerprint(self) -> dict[str, Any]:
        """Recipe, data, alphabet, base model and processes, without paths and workers."""
        return {
            "recipe": resume_settings(self.recipe),
            "data": self.data.fingerprint,
            "alphabet": list(self.data.alphabet.symbols),
            "base model": self.base,
            "processes": self.world,
        }

    def migrate(self, fingerprint: dict[str, Any]) -> dict[str, Any]:
        recipe = fingerprint["recipe"]
        data = [{**source, "path": ""} for source in recipe["data"]]
        try:
            recipe = Recipe.model_validate({**recipe, "name": "old", "data": data})
        except ValidationError:  # an option that no longer exists
            return fingerprint
        return {**fingerprint, "recipe": resume_settings(recipe)}

    def save(self) -> None:
        p = self.progress
        seconds, joules = self.meter.spent()
        p.cpu_seconds += seconds
        p.joules = None if joules is None or p.joules is None else p.joules + joules
        if self.rank == 0:
            super().save()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {f"average.{k}": v for k, v in self.average.items()}, self.progress.to_json()

    def load_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        for k, v in tensors.items():
            if k.startswith("average."):
                self.average[k[8:]].copy_(v)
        self.progress = RecogniserProgress.from_json(progress)

    # ---- an epoch

    def start_epoch(self) -> None:
        self.plan = plan_epoch(self.data.train, self.progress.epoch, self.recipe, self.words)
        self.epoch_batches = len(self.plan)
        self.model.train()
        if self.diagnosis is None:
            self.diagnosis = Diagnosis(self.data, self.recipe)

    def batches(self) -> Iterator[list[Batch]]:
        """The batches of each update; frozen convolutions thaw between them."""
        for group in groups(self._loader(), self.options.accumulate):
            if self.options.freeze:
                self.freeze_convolutions(self.completed() < self.options.freeze)
            yield group

    def batch_size(self, batch: Any) -> int:
        return len(batch)

    def _loader(self) -> DataLoader[Batch]:
        epoch = Epoch(
            self.plan,
            self.data.store,
            self.recipe,
            self.progress.epoch,
            start=self.progress.batch,
            rank=self.rank,
            world=self.world,
        )
        workers = worker_count(self.options.workers, self.device)
        return DataLoader(
            epoch,
            batch_size=None,
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=6 if workers else None,
        )

    def record(self, batch: list[Batch], figures: tuple[list[float], float], rate: float) -> None:
        p, (losses, norm) = self.progress, figures
        labels = sum(part.labels for part in batch)
        p.loss += losses[0]
        p.count += labels
        per_label = [loss / labels for loss in losses]
        rows = sum(len(part.items) for part in batch) * self.world
        self.report.step(p.step, p.epoch, per_label, rate, norm, rows, len(batch))

    def stop_if_interrupted(self) -> None:
        if self.world > 1:  # all processes stop together
            flag = torch.tensor([float(self._stop)], device=self.device)
            dist.all_reduce(flag)
            self._stop = bool(flag.item() > 0)
        super().stop_if_interrupted()

    def freeze_convolutions(self, freeze: bool) -> None:
        """Freeze the convolutions, weights and statistics, or let them train."""
        front = self.network.front
        if freeze:
            front.eval()  # every time: an evaluation puts the whole network back into training
        if all(p.requires_grad != freeze for p in front.parameters()):
            return
        front.train(not freeze)
        front.requires_grad_(not freeze)
        self.model = self._distributed()  # it fixes which parameters have gradients

    # ---- an update

    def step(self, batch: Sequence[Batch], rate: float) -> tuple[list[float], float] | None:
        """Update the weights from accumulated batches.

        Returns:
            CTC losses of the heads, summed over all batches and processes, and the gradient norm;
            None where they are not finite, and the weights stay.
        """
        self.set_learning_rate(rate)
        # dropout
        torch.manual_seed((self.options.seed * 1_000_003 + self.progress.step) * 4096 + self.rank)
        self.optimiser.zero_grad(set_to_none=True)
        labels = sum(part.labels for part in batch)
        parts = []
        for k, part in enumerate(batch, 1):
            local = isinstance(self.model, DistributedDataParallel) and k < len(batch)
            with self.model.no_sync() if local else nullcontext():  # type: ignore[operator]
                parts.append(self._losses(part))
                # gradients are averaged over processes: the sum over the global batch is world
                # times their mean
                loss = (parts[-1].sums @ self.loss_weights) * (self.world / labels)
                loss.backward()
        norm = self.clip_gradients()
        sums = torch.stack([losses.sums.detach() for losses in parts]).sum(0)
        sums = torch.cat((sums, norm.detach().view(1)))
        if self.world > 1:
            dist.all_reduce(sums)
            sums[-1] /= self.world
        *losses, norm_value = sums.tolist()
        if not self.update(losses[0], norm_value):
            return None
        if self.diagnosis is not None:
            for part, of_part in zip(batch, parts, strict=True):
                examples = [item.example for item in part.items]
                self.diagnosis.add_losses(examples, of_part.rows.tolist())
        self._update_average()
        return losses, norm_value

    def _losses(self, batch: Batch) -> Losses:
        """CTC losses of this process' share of a batch."""
        features, lengths, weights = (
            tensor.to(self.device, non_blocking=True)
            for tensor in (batch.features, batch.lengths, batch.weights)
        )
        with self.autocast():
            log_probs, frames, below = self.model(features, lengths)
        return head_losses(
            log_probs,
            below,
            frames,
            batch,
            weights,
            phones=self.network.config.sounds,
            phone_weight=self.options.sounds,
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

    def before_first_step(self) -> None:
        if self.base is not None:
            self.evaluate_base()

    def evaluate_base(self) -> None:
        """Evaluate the base model on dev; only better weights replace it."""
        result = self.evaluate()
        self.progress.best = result.selection_error
        self.save_best(result)
        self.report.say(
            f"before training  dev CER {100 * result.cer:.2f} %  WER {100 * result.wer:.2f} %"
        )

    def judge(self, result: DevResult) -> tuple[bool, float]:
        best, error = self.progress.best, result.selection_error
        return best is None or error < best, error

    def summary(self, result: DevResult) -> dict[str, Any]:
        return result.summary()

    def save_best(self, result: DevResult) -> None:
        if self.rank == 0:
            state = {"dev": result.summary(), "epoch": self.progress.epoch}
            write_checkpoint(self.best, dict(self.average), state)

    def report_epoch(self, entry: dict[str, Any], result: DevResult, better: bool) -> None:
        self.report.report_dev(entry, result, better)
        if self.rank == 0 and self.diagnosis is not None:
            p = self.progress
            self.report.explain(p.step, self.diagnosis.after_epoch(p.history))

    def best_result(self) -> str:
        return f"dev CER {100 * self.progress.best:.2f} %"


def resume_settings(recipe: Recipe) -> dict[str, Any]:
    """The part of a recipe that must not change before a run resumes."""
    settings = recipe.model_dump(mode="json")
    settings.pop("name")
    settings.pop("pronunciations")  # its content counts, and is in the data's fingerprint
    for source in settings["data"]:
        source.pop("path")
        source.pop("licence")
    for free in ("workers", "device", "threads"):
        settings["training"].pop(free)
    return settings


def groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Batches in lists of ``size``; the last list may be shorter."""
    iterator = iter(batches)
    while group := list(islice(iterator, size)):
        yield group


def seeded_network(recipe: Recipe, symbols: int) -> Encoder:
    """A fresh network whose weights are a function of the recipe's seed."""
    torch.manual_seed(recipe.training.seed)
    return Encoder(recipe.encoder, symbols)
