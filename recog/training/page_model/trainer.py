"""The training loop of page models: pages with known lines -> a network that finds lines.

An epoch is a fixed number of updates on crops that are drawn anew, each a function of (seed,
update, number in the batch); after it the lines of the dev pages are found and scored.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recog.evaluation.baselines import BaselineScore, mean_score, score_page
from recog.model.page_model import MAPS
from recog.nn.page.network import PageNetwork
from recog.segment.baselines import find_baselines
from recog.segment.page_lines import MULTIPLE, STRIDE
from recog.training.checkpoint import write_checkpoint
from recog.training.loop import Loop, learning_rate
from recog.training.page_model.data import Floats, Page, draw_crop, draw_facing
from recog.training.page_model.recipe import PageOptimisation, PageRecipe
from recog.training.progress import LOG_EVERY, Reporter

MAP_WEIGHTS = (4.0, 2.0, 1.0)  # of the cross-entropy of each map
# of the crops: those through which another page shines, and those of two pages side by side
BLEED_THROUGH, FACING_PAGES = 0.2, 0.15


@dataclass
class PageProgress:
    """Where a run stands. Everything in it goes into the checkpoint's JSON."""

    epoch: int = 0
    update: int = 0  # of this epoch
    step: int = 0
    best: float = -1.0  # dev F1
    best_epoch: int = -1
    loss: float = 0.0  # sum over the updates of this epoch that counted
    counted: int = 0
    seconds: float = 0.0
    finished: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


class PageTrainer(Loop[nn.Module, PageOptimisation]):
    """One run."""

    def __init__(
        self, recipe: PageRecipe, train: list[Page], dev: list[Page], out: Path, report: Reporter,
        network: nn.Module | None = None, *, base: str | None = None,
    ) -> None:  # fmt: skip
        torch.manual_seed(recipe.training.seed)
        super().__init__(network or PageNetwork(recipe.network), recipe.training, out)
        self.recipe, self.train, self.dev, self.report, self.base = recipe, train, dev, report, base
        self.frozen: list[nn.Module] = []  # what a base's other parts stand on, or keep
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.progress = PageProgress()

    def freeze_context(self) -> None:
        """Keep what a context stands on, and the context itself: only the way back up to the maps
        is trained."""
        network = self.network
        if not isinstance(network, PageNetwork) or network.context is None:
            return
        self.frozen = [network.stem, network.down, network.middle, network.context]
        for module in self.frozen:
            module.requires_grad_(False)

    def fingerprint(self) -> dict[str, Any]:
        """What must not change between a run and its resumption; where files lie may."""
        recipe = self.recipe.model_dump(mode="json")
        recipe.pop("name")
        recipe.pop("base")
        for source in (*recipe["data"], *recipe["hands"]):
            source.pop("path")
        for free in ("device", "threads"):
            recipe["training"].pop(free)
        pages = [[Path(page.name).name, len(page.lines)] for page in (*self.train, *self.dev)]
        lines = hashlib.sha256()
        for page in (*self.train, *self.dev):
            for shape in page.lines:
                for points in shape:
                    lines.update(points.tobytes() + b"\n")
        data = {"pages": json.dumps(pages), "lines": lines.hexdigest()}
        return {"recipe": recipe, "data": data, "base model": self.base}

    def migrate(self, identity: dict[str, Any]) -> dict[str, Any]:
        recipe = {"noted": [], "hands": []} | identity["recipe"]
        recipe = {
            "train": self.recipe.train,
            "geometry": self.recipe.geometry.model_dump(mode="json"),
        } | recipe
        recipe["network"] = {"context": [], "spacing": 34.0, "contrast": "page"} | recipe["network"]
        now = self.fingerprint()
        # of runs that did not note it yet
        data = {"lines": now["data"]["lines"]} | identity["data"]
        return {"base model": now["base model"]} | identity | {"recipe": recipe, "data": data}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {f"average.{k}": v for k, v in self.average.items()}, asdict(self.progress)

    def load_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        for name, value in tensors.items():
            if name.startswith("average."):
                self.average[name[8:]].copy_(value)
        self.progress = PageProgress(**progress)

    def epoch(self) -> None:
        p, options = self.progress, self.options
        self.network.train()
        for module in self.frozen:
            module.eval()
        self.report.epoch(p.epoch, options.epochs, p.update, options.updates)
        begun = time.monotonic()
        while p.update < options.updates:
            rate = learning_rate(options, (p.epoch + p.update / options.updates) / options.epochs)
            done = self.step(rate)
            p.update += 1
            p.step += 1
            now = time.monotonic()
            p.seconds, begun = p.seconds + now - begun, now
            if done is None:
                self.report.report_skipped()
            else:
                loss, norm = done
                p.loss += loss
                p.counted += 1
                self.report.advance(f"loss {loss:.3f}")
                if p.step % LOG_EVERY == 0:
                    entry = {
                        "step": p.step,
                        "epoch": p.epoch + 1,
                        "loss": loss,
                        "learning_rate": rate,
                    }
                    self.report.write(entry | {"gradient_norm": norm})
            self.save_when_due()
            self.stop_if_interrupted()
        self._close_epoch()

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Crops (batch, 1, side, side) and their maps, of corpora by their weights whatever their
        sizes."""
        by_source: dict[str, list[Page]] = {}
        for page in self.train:
            by_source.setdefault(page.source, []).append(page)
        sources = sorted(by_source)
        weights = {source.display_name: source.weight for source in self.recipe.data}
        shares = np.array([weights[source] for source in sources])
        crops, maps = [], []
        for k in range(self.options.batch):
            rng = np.random.default_rng((self.options.seed, step, k))
            pages = by_source[sources[int(rng.choice(len(sources), p=shares / shares.sum()))]]
            page = pages[int(rng.integers(len(pages)))]
            crop, targets = self.draw(page, pages[int(rng.integers(len(pages)))], rng)
            crops.append(crop)
            maps.append(targets)
        return torch.from_numpy(np.stack(crops))[:, None], torch.from_numpy(np.stack(maps))

    def draw(self, page: Page, other: Page, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A crop (side, side) of a page, with some of another of its corpus, and what the network
        should see in it."""
        side, spacing = self.options.crop, self.recipe.network.spacing
        if rng.random() < FACING_PAGES:
            return draw_facing(page, other, rng, side, spacing=spacing)
        return draw_crop(
            page, rng, side, spacing=spacing, behind=other if rng.random() < BLEED_THROUGH else None
        )

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of a batch of crops."""
        return map_loss(logits[:, : len(MAPS)], targets)

    def step(self, rate: float) -> tuple[float, float] | None:
        """One update; gives the loss and the gradient norm before clipping, None where there was
        none."""
        self.set_learning_rate(rate)
        ink, targets = (x.to(self.device) for x in self.batch(self.progress.step))
        with self.autocast():
            logits = self.network(ink.contiguous(memory_format=torch.channels_last))
        loss = self.loss(logits.float(), targets)
        return self.apply_loss(loss)

    def apply_loss(self, loss: Tensor) -> tuple[float, float] | None:
        """Update the weights by a loss; gives its value and the gradient norm before clipping, None
        where these are not finite and the weights stay."""
        norm = self.backward(loss)
        value, norm_value = float(loss.detach()), float(norm)
        if not self.update(value, norm_value):
            return None
        self.update_average()
        return value, norm_value

    def update_average(self) -> None:
        """Let the averaged weights follow the network's."""
        decay = min(self.options.average, (self.progress.step + 1) / (self.progress.step + 10))
        for name, current in self.network.state_dict().items():
            if current.is_floating_point():
                self.average[name].lerp_(current, 1.0 - decay)
            else:
                self.average[name].copy_(current)

    def evaluate(self) -> dict[str, float]:
        """F1 of the averaged weights on dev, by corpus."""
        scores: dict[str, list[BaselineScore]] = {}
        for page, maps in self.dev_maps():
            lines = [STRIDE * line for line in find_baselines(maps)]
            scores.setdefault(page.source, []).append(
                score_page([base for base, _ in page.lines], lines)
            )
        return {source: mean_score(of).f1 for source, of in sorted(scores.items())}

    @torch.no_grad()
    def dev_maps(self) -> Iterator[tuple[Page, NDArray[np.float32]]]:
        """What the averaged weights give for each dev page, as probabilities."""
        network = PageNetwork(self.recipe.network).to(self.device)
        network.load_state_dict(self.average)
        network.eval()
        for page in self.dev:
            height, width = page.ink.shape
            padded = np.zeros((-height % MULTIPLE + height, -width % MULTIPLE + width), np.float32)
            padded[:height, :width] = page.ink / np.float32(255.0)
            with self.autocast():
                logits = network(torch.from_numpy(padded)[None, None].to(self.device))
            yield page, torch.sigmoid(logits.float())[0].cpu().numpy()

    def best_weights(self) -> dict[str, Tensor]:
        """The averaged weights as they are kept when they are the best so far."""
        return dict(self.average)

    def _close_epoch(self) -> None:
        p = self.progress
        scores = self.evaluate()
        overall = float(np.mean(list(scores.values())))
        entry = {
            "epoch": p.epoch + 1, "step": p.step, "loss": p.loss / max(1, p.counted), "seconds": round(p.seconds, 1),
            "f1": overall, "sources": {name: round(score, 4) for name, score in scores.items()},
        }  # fmt: skip
        p.history.append(entry)
        better = overall > p.best
        if better:
            p.best, p.best_epoch = overall, p.epoch
        p.epoch, p.update, p.loss, p.counted = p.epoch + 1, 0, 0.0, 0
        if better:
            write_checkpoint(
                self.best, self.best_weights(), {"dev": entry["sources"], "epoch": p.epoch}
            )
        self.save()
        self.report.stop()
        self.report.write(entry)
        by = "  ".join(f"{name} {100 * score:.1f}" for name, score in scores.items())
        self.report.say(
            f"epoch {p.epoch}  loss {entry['loss']:.3f}  dev F1 {100 * overall:.2f} %{'  (best so far)' if better else ''}"
            f"\n  by source: {by}"
        )


def map_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each pixel, and for the thin maps the Dice loss (Milletari et al. 2016),
    which empty paper cannot drown."""
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean((0, 2, 3))
    probabilities = torch.sigmoid(logits)
    dice = 1.0 - (2.0 * (probabilities * targets).sum((0, 2, 3)) + 1.0) / (
        (probabilities + targets).sum((0, 2, 3)) + 1.0
    )
    return (entropy * entropy.new_tensor(MAP_WEIGHTS)).sum() + dice[0] + 0.5 * dice[1]
