"""The training loop of language models: truncated back-propagation through time.

(Williams and Peng 1990.) ``batch`` readers start at evenly spaced places of the text and read side
by side, window after window, each with its own state. A step is a function of the recipe, the text
and its number, and ``training/last.safetensors`` has the rest: after a kill at any moment the same
command resumes from there and, on the CPU, ends with bitwise the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recog.model.language_model import UNKNOWN_ID
from recog.nn.language_model import Carried, LanguageNetwork, log_uniform
from recog.training.checkpoint import write_checkpoint
from recog.training.language_model.data import TextData
from recog.training.language_model.recipe import LanguageOptimisation, LanguageRecipe
from recog.training.loop import Loop, Progress
from recog.training.progress import LOG_EVERY, Reporter

# places of the dev text that are read side by side, and tokens at a time
DEV_ROWS, DEV_WINDOW = 16, 64

Ids = NDArray[np.int64]


@dataclass
class LanguageProgress(Progress):
    """Progress of a run: ``batch`` counts windows, ``count`` tokens."""

    KEYS: ClassVar = {"batch": "window", "count": "tokens"}


class LanguageReporter(Reporter):
    """Reports perplexities."""

    def update(
        self, step: int, epoch: int, loss: float, rate: float, norm: float, tokens: int
    ) -> None:
        """Report an update: loss per token, learning rate, gradient norm, tokens."""
        self.lines += tokens
        speed = self.lines / max(1e-9, time.monotonic() - self.clock)
        self.advance(f"perplexity {perplexity(loss):.2f}  {speed:.0f} tokens/s")
        if step % LOG_EVERY == 0:
            entry = {
                "step": step,
                "epoch": epoch + 1,
                "loss": loss,
                "learning_rate": rate,
                "gradient_norm": norm,
            }
            self.write(entry | {"tokens_per_second": round(speed)})
            if self.tensorboard is not None:
                for key in ("loss", "learning_rate", "gradient_norm"):
                    self.tensorboard.add_scalar(f"train/{key}", entry[key], step)

    def report_dev_perplexity(self, entry: dict[str, Any], better: bool) -> None:
        """Report an epoch's perplexity on dev."""
        self.stop()
        self.write(entry)
        self.say(
            f"epoch {entry['epoch']}  loss {entry['loss']:.3f}  dev perplexity "
            f"{entry['perplexity']:.3f}"
            f"{'  (best so far)' if better else ''}"
        )
        if self.tensorboard is not None:
            self.tensorboard.add_scalar("dev/perplexity", entry["perplexity"], entry["step"])
            self.tensorboard.flush()


def perplexity(loss: float) -> float:
    """exp of a mean negative log-probability; infinite where that overflows."""
    return math.exp(loss) if loss < 700.0 else math.inf


class LanguageTrainer(Loop[LanguageNetwork, LanguageOptimisation, LanguageReporter]):
    """A training run of a language model."""

    def __init__(
        self, recipe: LanguageRecipe, data: TextData, out: Path, report: LanguageReporter
    ) -> None:
        torch.manual_seed(recipe.training.seed)
        network = LanguageNetwork(recipe.network, len(data.symbols))
        super().__init__(network, recipe.training, out, report)
        self.recipe, self.data = recipe, data
        self.rows = max(1, min(self.options.batch, len(data.train) // (2 * self.options.window)))
        self.reach = len(data.train) // self.rows  # tokens that a reader reads in an epoch
        self.epoch_batches = max(1, (self.reach - 1) // self.options.window)
        self.carried = self.network.start(self.rows)
        self.progress = LanguageProgress()

    # ---- checkpoints

    def fingerprint(self) -> dict[str, Any]:
        """Recipe, data and symbols, without paths."""
        recipe = self.recipe.model_dump(mode="json")
        recipe.pop("name")
        for source in recipe["data"]:
            source.pop("path")
            # older checkpoints do not name these options
            for name, default in (("every", 1), ("times", 1), ("without", [])):
                if source[name] == default:
                    source.pop(name)
        for free in ("device", "threads"):
            recipe["training"].pop(free)
        return {"recipe": recipe, "data": self.data.fingerprint, "symbols": list(self.data.symbols)}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        hidden, cell = self.carried
        return {"carried.hidden": hidden, "carried.cell": cell}, self.progress.to_json()

    def load_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        hidden, cell = tensors["carried.hidden"], tensors["carried.cell"]
        self.carried = (hidden.to(self.device), cell.to(self.device))
        self.progress = LanguageProgress.from_json(progress)

    # ---- an epoch

    def start_epoch(self) -> None:
        self.network.train()
        if self.progress.batch == 0:
            self.carried = self.network.start(self.rows)

    def batches(self) -> Iterator[Ids]:
        """Windows (rows, time + 1) of the text, which each epoch cuts elsewhere."""
        p = self.progress
        rng = np.random.default_rng((self.options.seed, p.epoch))
        offset = int(rng.integers(len(self.data.train)))
        while p.batch < self.epoch_batches:
            yield self._window(offset, p.batch)

    def record(self, batch: Ids, figures: tuple[float, float], rate: float) -> None:
        p, (loss, norm), count = self.progress, figures, batch[:, 1:].size
        p.loss += loss * count
        p.count += count
        self.report.update(p.step, p.epoch, loss, rate, norm, count)

    def _window(self, offset: int, number: int) -> Ids:
        """(rows, window + 1) tokens that the readers read next.

        A window's last token is the first of the next window.
        """
        text = self.data.train
        first = number * self.options.window
        places = np.arange(first, min(first + self.options.window, self.reach - 1) + 1)
        starts = offset + self.reach * np.arange(self.rows)
        return text[(starts[:, None] + places) % len(text)].astype(np.int64)

    def step(self, batch: Ids, rate: float) -> tuple[float, float] | None:
        """Update the weights from windows (rows, time + 1).

        Returns:
            The loss per token and the gradient norm; None where they are not finite, and the
            weights stay.
        """
        self.set_learning_rate(rate)
        rng = np.random.default_rng((self.options.seed, self.progress.step, 1))
        batch[rng.random(batch.shape) < self.options.unknown] = UNKNOWN_ID
        goes_on = torch.from_numpy(rng.random(self.rows) >= self.options.reset).to(self.device)
        hidden, cell = self.carried
        before = (hidden * goes_on[None, :, None], cell * goes_on[None, :, None])
        torch.manual_seed(self.options.seed * 1_000_003 + self.progress.step)  # dropout
        loss, after = self._loss(torch.from_numpy(batch).to(self.device), before)
        norm = self.backward(loss)
        value, norm_value = torch.stack((loss.detach(), norm.detach().to(loss.dtype))).tolist()
        if not self.update(value, norm_value):
            self.carried = self.network.start(self.rows)
            return None
        self.carried = (after[0].detach().float(), after[1].detach().float())
        return value, norm_value

    def _loss(self, batch: Tensor, before: Carried) -> tuple[Tensor, Carried]:
        """Mean of -ln P of the tokens, and the state after them."""
        inputs, targets, symbols = batch[:, :-1], batch[:, 1:], len(self.data.symbols)
        with self.autocast():
            if 0 < self.options.candidates < symbols:
                drawn = log_uniform(torch.rand(self.options.candidates), symbols).to(self.device)
                return self.network.sampled_loss(inputs, targets, before, drawn)
            log_probs, after = self.network(inputs, before)
        return -log_probs.gather(2, targets[:, :, None]).mean(), after

    # ---- evaluation

    @torch.no_grad()
    def evaluate(self) -> float:
        """Perplexity of the dev text."""
        self.network.eval()
        carried: Carried | None = None

        def score(inputs: Ids, targets: Ids) -> float:
            nonlocal carried
            log_probs, carried = self.network(
                torch.from_numpy(inputs).to(self.device), carried or self.network.start(len(inputs))
            )
            expected: Tensor = torch.from_numpy(targets).to(self.device)
            return float(log_probs.gather(2, expected[:, :, None]).double().sum())

        try:
            return dev_perplexity(self.data.dev, score)
        finally:
            self.network.train()

    def judge(self, result: float) -> tuple[bool, float]:
        best = self.progress.best
        return best is None or result < best, result

    def summary(self, result: float) -> dict[str, Any]:
        return {"perplexity": result}

    def save_best(self, result: float) -> None:
        weights = {k: v.detach() for k, v in self.network.state_dict().items()}
        state = {"dev": self.summary(result), "epoch": self.progress.epoch}
        write_checkpoint(self.best, weights, state)

    def report_epoch(self, entry: dict[str, Any], result: float, better: bool) -> None:
        self.report.report_dev_perplexity(entry, better)

    def best_result(self) -> str:
        return f"dev perplexity {self.progress.best:.3f}"


def dev_perplexity(dev: NDArray[np.int32], score: Callable[[Ids, Ids], float]) -> float:
    """Perplexity of a text, read at a few places side by side from the zero state.

    Args:
        dev: (tokens,) the text.
        score: takes inputs and targets (rows, time), window after window, and gives the sum of the
            targets' log-probabilities. It carries the state from window to window.
    """
    rows = max(1, min(DEV_ROWS, len(dev) // 256))
    reach = (len(dev) - 1) // rows
    inputs = dev[: rows * reach].reshape(rows, reach).astype(np.int64)
    targets = dev[1 : rows * reach + 1].reshape(rows, reach).astype(np.int64)
    windows = [slice(i, i + DEV_WINDOW) for i in range(0, reach, DEV_WINDOW)]
    total = sum(score(inputs[:, part], targets[:, part]) for part in windows)
    return perplexity(-total / targets.size)
