"""The training loop of a language model: truncated back-propagation through time over running text
(Williams and Peng 1990).

``batch`` readers stand at evenly spaced places of the text and read on side by side, window by
window, each with its own state. As with recognisers, what a step does is a function of the recipe,
the text and the step's number, and the rest is in ``training/last.safetensors``: after a kill at
any moment the same command goes on from there and, on the CPU, ends with bitwise the same weights
as a run that was never interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recog.model.language_model import UNKNOWN_ID
from recog.nn.language_model import Carried, LanguageNetwork, log_uniform
from recog.training.checkpoint import write_checkpoint
from recog.training.language_model.data import TextData
from recog.training.language_model.recipe import LanguageOptimisation, LanguageRecipe
from recog.training.loop import Loop, learning_rate
from recog.training.progress import LOG_EVERY, Reporter

# places of the dev text that are read side by side, and tokens at a time
DEV_ROWS, DEV_WINDOW = 16, 64

Ids = NDArray[np.int64]


@dataclass
class LanguageProgress:
    """Where a run stands. Everything in it goes into the checkpoint's JSON."""

    epoch: int = 0
    window: int = 0  # windows of this epoch already done
    step: int = 0
    best: float | None = None  # dev perplexity
    best_epoch: int = -1
    loss: float = 0.0  # sum over this epoch so far
    tokens: int = 0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


class LanguageReporter(Reporter):
    """The same report, of perplexities."""

    def update(
        self, step: int, epoch: int, loss: float, rate: float, norm: float, tokens: int
    ) -> None:
        """Count one update: loss per token, learning rate, gradient norm before clipping,
        tokens."""
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
        """Tell an epoch's perplexity on dev."""
        self.stop()
        self.write(entry)
        self.say(
            f"epoch {entry['epoch']}  loss {entry['loss']:.3f}  dev perplexity {entry['perplexity']:.3f}"
            f"{'  (best so far)' if better else ''}"
        )
        if self.tensorboard is not None:
            self.tensorboard.add_scalar("dev/perplexity", entry["perplexity"], entry["step"])
            self.tensorboard.flush()


def perplexity(loss: float) -> float:
    """exp of a mean negative log-probability, infinite rather than an overflow."""
    return math.exp(loss) if loss < 700.0 else math.inf


class LanguageTrainer(Loop[LanguageNetwork, LanguageOptimisation]):
    """One run: the network, its optimiser and how far it has come."""

    def __init__(
        self, recipe: LanguageRecipe, data: TextData, out: Path, report: LanguageReporter
    ) -> None:
        torch.manual_seed(recipe.training.seed)
        super().__init__(LanguageNetwork(recipe.network, len(data.symbols)), recipe.training, out)
        self.recipe, self.data, self.report = recipe, data, report
        self.rows = max(1, min(self.options.batch, len(data.train) // (2 * self.options.window)))
        self.reach = len(data.train) // self.rows  # tokens that a reader reads in an epoch
        self.windows = max(1, (self.reach - 1) // self.options.window)
        self.carried = self.network.start(self.rows)
        self.progress = LanguageProgress()

    # ---- checkpoints
    # -------------------------------------------------------------------------------------------------

    def fingerprint(self) -> dict[str, Any]:
        """What must not change between a run and its resumption; where files lie may."""
        recipe = self.recipe.model_dump(mode="json")
        recipe.pop("name")
        for source in recipe["data"]:
            source.pop("path")
            # what older checkpoints do not name
            for name, usual in (("every", 1), ("times", 1), ("without", [])):
                if source[name] == usual:
                    source.pop(name)
        for free in ("device", "threads"):
            recipe["training"].pop(free)
        return {"recipe": recipe, "data": self.data.fingerprint, "symbols": list(self.data.symbols)}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"carried.hidden": self.carried[0], "carried.cell": self.carried[1]}, asdict(
            self.progress
        )

    def load_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        self.carried = (
            tensors["carried.hidden"].to(self.device),
            tensors["carried.cell"].to(self.device),
        )
        self.progress = LanguageProgress(**progress)

    # ---- the loop
    # ----------------------------------------------------------------------------------------------------

    def epoch(self) -> None:
        p = self.progress
        self.network.train()
        if p.window == 0:
            self.carried = self.network.start(self.rows)
        # every epoch cuts the text elsewhere
        offset = int(
            np.random.default_rng((self.options.seed, p.epoch)).integers(len(self.data.train))
        )
        begun = time.monotonic()
        self.report.epoch(p.epoch, self.options.epochs, p.window, self.windows)
        while p.window < self.windows:
            share = (p.epoch + p.window / self.windows) / self.options.epochs
            rate = learning_rate(self.options, share)
            tokens = self._window(offset, p.window)
            done = self.step(tokens, rate)
            p.window += 1
            p.step += 1
            now = time.monotonic()
            p.seconds, begun = p.seconds + now - begun, now
            if done is None:
                self.report.report_skipped()
            else:
                (loss, norm), count = done, tokens[:, 1:].size
                p.loss += loss * count
                p.tokens += count
                self.report.update(p.step, p.epoch, loss, rate, norm, count)
            self.save_when_due()
            self.stop_if_interrupted()
        self._close_epoch()

    def _window(self, offset: int, number: int) -> Ids:
        """(rows, window + 1): what each reader reads next; a window's last token is the next one's
        first."""
        text = self.data.train
        first = number * self.options.window
        places = np.arange(first, min(first + self.options.window, self.reach - 1) + 1)
        starts = offset + self.reach * np.arange(self.rows)
        return text[(starts[:, None] + places) % len(text)].astype(np.int64)

    def step(self, tokens: Ids, rate: float) -> tuple[float, float] | None:
        """One update on windows (rows, time + 1). Returns the loss per token and the gradient norm
        before clipping; None where these are not finite and the windows are left out."""
        self.set_learning_rate(rate)
        numbers = np.random.default_rng((self.options.seed, self.progress.step, 1))
        tokens[numbers.random(tokens.shape) < self.options.unknown] = UNKNOWN_ID
        goes_on = torch.from_numpy(numbers.random(self.rows) >= self.options.reset).to(self.device)
        before = (
            self.carried[0] * goes_on[None, :, None],
            self.carried[1] * goes_on[None, :, None],
        )
        torch.manual_seed(self.options.seed * 1_000_003 + self.progress.step)  # dropout
        batch = torch.from_numpy(tokens).to(self.device)
        loss, after = self._loss(batch, before)
        norm = self.backward(loss)
        value, norm_value = torch.stack((loss.detach(), norm.detach().to(loss.dtype))).tolist()
        if not self.update(value, norm_value):
            self.carried = self.network.start(self.rows)
            return None
        self.carried = (after[0].detach().float(), after[1].detach().float())
        return value, norm_value

    def _loss(self, batch: Tensor, before: Carried) -> tuple[Tensor, Carried]:
        """Mean of -ln P of each token after those before it, and the state after them."""
        inputs, targets, symbols = batch[:, :-1], batch[:, 1:], len(self.data.symbols)
        with self.autocast():
            if 0 < self.options.candidates < symbols:
                drawn = log_uniform(torch.rand(self.options.candidates), symbols).to(self.device)
                return self.network.sampled_loss(inputs, targets, before, drawn)
            log_probs, after = self.network(inputs, before)
        return -log_probs.gather(2, targets[:, :, None]).mean(), after

    # ---- evaluation
    # --------------------------------------------------------------------------------------------------

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
            wanted: Tensor = torch.from_numpy(targets).to(self.device)
            return float(log_probs.gather(2, wanted[:, :, None]).double().sum())

        try:
            return dev_perplexity(self.data.dev, score)
        finally:
            self.network.train()

    def _close_epoch(self) -> None:
        p = self.progress
        value = self.evaluate()
        better = p.best is None or value < p.best
        entry = {
            "epoch": p.epoch + 1, "step": p.step, "loss": p.loss / max(1, p.tokens), "seconds": round(p.seconds, 1),
            "perplexity": value,
        }  # fmt: skip
        p.history.append(entry)
        if better:
            p.best, p.best_epoch = value, p.epoch
        p.epoch, p.window, p.loss, p.tokens = p.epoch + 1, 0, 0.0, 0
        if better:
            weights = {k: v.detach() for k, v in self.network.state_dict().items()}
            write_checkpoint(self.best, weights, {"dev": {"perplexity": value}, "epoch": p.epoch})
        self.save()
        self.report.report_dev_perplexity(entry, better)


def dev_perplexity(dev: NDArray[np.int32], score: Callable[[Ids, Ids], float]) -> float:
    """Perplexity of a text that is read in a few places side by side, from no state on.

    Args:
        dev: (tokens,) the text.
        score: takes inputs and targets (rows, time), window after window, and gives the sum of the
            log-probabilities of the targets, having kept the state from the window before.
    """
    rows = max(1, min(DEV_ROWS, len(dev) // 256))
    reach = (len(dev) - 1) // rows
    inputs = dev[: rows * reach].reshape(rows, reach).astype(np.int64)
    targets = dev[1 : rows * reach + 1].reshape(rows, reach).astype(np.int64)
    windows = [slice(i, i + DEV_WINDOW) for i in range(0, reach, DEV_WINDOW)]
    total = sum(score(inputs[:, part], targets[:, part]) for part in windows)
    return perplexity(-total / targets.size)
