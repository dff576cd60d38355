"""The training loop of page models, and the training of the network that finds lines.

An epoch is a fixed number of updates on crops. A crop is a function of (seed, update, number in the
batch). After an epoch the lines of the dev pages are found and scored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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
from recog.training.loop import Loop, Progress
from recog.training.page_model.crops import draw_crop, draw_facing
from recog.training.page_model.data import Floats, Page
from recog.training.page_model.recipe import PageOptimisation, PageRecipe
from recog.training.progress import LOG_EVERY, Reporter

MAP_WEIGHTS = (4.0, 2.0, 1.0)  # of the cross-entropy of each map
# shares of the crops: with another page shining through, and of two facing pages
BLEED_THROUGH, FACING_PAGES = 0.2, 0.15


@dataclass
class PageProgress(Progress):
    """Progress of a run: ``batch`` and ``count`` are updates, ``best`` is an F1."""

    KEYS: ClassVar = {"batch": "update", "count": "counted"}


class PageTrainer(Loop[nn.Module, PageOptimisation, Reporter]):
    """A training run of the network that finds lines.

    Args:
        network: with the initial weights; None for fresh ones.
        base: checksum of the base model's weights.
    """

    def __init__(
        self,
        recipe: PageRecipe,
        train: list[Page],
        dev: list[Page],
        out: Path,
        report: Reporter,
        network: nn.Module | None = None,
        *,
        base: str | None = None,
    ) -> None:
        torch.manual_seed(recipe.training.seed)
        super().__init__(network or PageNetwork(recipe.network), recipe.training, out, report)
        self.recipe, self.train_pages, self.dev_pages, self.base = recipe, train, dev, base
        self.epoch_batches = self.options.updates
        self.frozen: list[nn.Module] = []
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.progress = PageProgress()
        self.by_source: dict[str, list[Page]] = {}
        for page in train:
            self.by_source.setdefault(page.source, []).append(page)

    def freeze_context(self) -> None:
        """Freeze the context and the layers below it; only the way up to the maps is trained."""
        network = self.network
        if not isinstance(network, PageNetwork) or network.context is None:
            return
        self.frozen = [network.stem, network.down, network.middle, network.context]
        for module in self.frozen:
            module.requires_grad_(False)

    # ---- checkpoints

    def fingerprint(self) -> dict[str, Any]:
        """Recipe, pages, lines and base model, without paths."""
        recipe = self.recipe.model_dump(mode="json")
        recipe.pop("name")
        recipe.pop("base")
        for source in (*recipe["data"], *recipe["hands"]):
            source.pop("path")
        for free in ("device", "threads"):
            recipe["training"].pop(free)
        pages = (*self.train_pages, *self.dev_pages)
        lines = hashlib.sha256()
        for page in pages:
            for shape in page.lines:
                for points in shape:
                    lines.update(points.tobytes() + b"\n")
        names = json.dumps([[Path(page.name).name, len(page.lines)] for page in pages])
        data = {"pages": names, "lines": lines.hexdigest()}
        return {"recipe": recipe, "data": data, "base model": self.base}

    def migrate(self, fingerprint: dict[str, Any]) -> dict[str, Any]:
        geometry = self.recipe.geometry.model_dump(mode="json")
        recipe: dict[str, Any] = {
            "noted": [],
            "hands": [],
            "train": self.recipe.train,
            "geometry": geometry,
        }
        recipe |= fingerprint["recipe"]
        recipe["network"] = {"context": [], "spacing": 34.0, "contrast": "page"} | recipe["network"]
        now = self.fingerprint()
        # older runs did not note the lines and the base
        data = {"lines": now["data"]["lines"]} | fingerprint["data"]
        return {"base model": now["base model"], **fingerprint, "recipe": recipe, "data": data}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {f"average.{k}": v for k, v in self.average.items()}, self.progress.to_json()

    def load_state(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        for name, value in tensors.items():
            if name.startswith("average."):
                self.average[name[8:]].copy_(value)
        self.progress = PageProgress.from_json(progress)

    # ---- an epoch

    def start_epoch(self) -> None:
        self.network.train()
        for module in self.frozen:
            module.eval()

    def batches(self) -> Iterator[Any]:
        while self.progress.batch < self.epoch_batches:
            yield self.batch(self.progress.step)

    def batch(self, step: int) -> Any:
        """Crops (batch, 1, side, side) and their maps."""
        crops, maps = [], []
        for k in range(self.options.batch):
            rng = np.random.default_rng((self.options.seed, step, k))
            page, pages = self.draw_page(rng)
            crop, targets = self.draw(page, pages[int(rng.integers(len(pages)))], rng)
            crops.append(crop)
            maps.append(targets)
        return torch.from_numpy(np.stack(crops))[:, None], torch.from_numpy(np.stack(maps))

    def draw_page(self, rng: np.random.Generator) -> tuple[Page, list[Page]]:
        """Draw a corpus by its weight, whatever its size, and a page of it.

        Returns:
            The page, and all pages of the corpus.
        """
        sources = sorted(self.by_source)
        weights = {source.display_name: source.weight for source in self.recipe.data}
        shares = np.array([weights[source] for source in sources])
        pages = self.by_source[sources[int(rng.choice(len(sources), p=shares / shares.sum()))]]
        return pages[int(rng.integers(len(pages)))], pages

    def draw(self, page: Page, other: Page, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """A crop (side, side) of a page, and its target maps.

        Args:
            other: a page of the same corpus, that may shine through or lie beside the page.
        """
        side, spacing = self.options.crop, self.recipe.network.spacing
        if rng.random() < FACING_PAGES:
            return draw_facing(page, other, rng, side, spacing=spacing)
        behind = other if rng.random() < BLEED_THROUGH else None
        return draw_crop(page, rng, side, spacing=spacing, behind=behind)

    def record(self, batch: Any, figures: tuple[float, float], rate: float) -> None:
        p, (loss, norm) = self.progress, figures
        p.loss += loss
        p.count += 1
        self.report.advance(f"loss {loss:.3f}")
        if p.step % LOG_EVERY == 0:
            entry = {"step": p.step, "epoch": p.epoch + 1, "loss": loss, "learning_rate": rate}
            self.report.write(entry | {"gradient_norm": norm})

    # ---- an update

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of a batch of crops."""
        return map_loss(logits[:, : len(MAPS)], targets)

    def step(self, batch: Any, rate: float) -> tuple[float, float] | None:
        """Update the weights from crops and their maps.

        Returns:
            The loss and the gradient norm; None where they are not finite, and the weights stay.
        """
        self.set_learning_rate(rate)
        ink, targets = (x.to(self.device) for x in batch)
        with self.autocast():
            logits = self.network(ink.contiguous(memory_format=torch.channels_last))
        return self.apply_loss(self.loss(logits.float(), targets))

    def apply_loss(self, loss: Tensor) -> tuple[float, float] | None:
        """Update the weights by the gradients of a loss; returns as :meth:`step` does."""
        norm = self.backward(loss)
        value, norm_value = float(loss.detach()), float(norm)
        if not self.update(value, norm_value):
            return None
        self.update_average()
        return value, norm_value

    def update_average(self) -> None:
        """Update the moving average of the weights."""
        decay = min(self.options.average, (self.progress.step + 1) / (self.progress.step + 10))
        for name, current in self.network.state_dict().items():
            if current.is_floating_point():
                self.average[name].lerp_(current, 1.0 - decay)
            else:
                self.average[name].copy_(current)

    # ---- evaluation

    def evaluate(self) -> dict[str, float]:
        """F1 of the averaged weights on dev, by corpus."""
        scores: dict[str, list[BaselineScore]] = {}
        for page, maps in self.dev_maps():
            lines = [STRIDE * line for line in find_baselines(maps)]
            baselines = [baseline for baseline, _ in page.lines]
            scores.setdefault(page.source, []).append(score_page(baselines, lines))
        return {source: mean_score(of).f1 for source, of in sorted(scores.items())}

    @torch.no_grad()
    def dev_maps(self) -> Iterator[tuple[Page, NDArray[np.float32]]]:
        """Each dev page with the probabilities of the averaged weights."""
        network = PageNetwork(self.recipe.network).to(self.device)
        network.load_state_dict(self.average)
        network.eval()
        for page in self.dev_pages:
            height, width = page.ink.shape
            padded = np.zeros((-height % MULTIPLE + height, -width % MULTIPLE + width), np.float32)
            padded[:height, :width] = page.ink / np.float32(255.0)
            with self.autocast():
                logits = network(torch.from_numpy(padded)[None, None].to(self.device))
            yield page, torch.sigmoid(logits.float())[0].cpu().numpy()

    def judge(self, result: dict[str, float]) -> tuple[bool, float]:
        mean, best = float(np.mean(list(result.values()))), self.progress.best
        return best is None or mean > best, mean

    def summary(self, result: dict[str, float]) -> dict[str, Any]:
        sources = {name: round(score, 4) for name, score in result.items()}
        return {"f1": float(np.mean(list(result.values()))), "sources": sources}

    def best_weights(self) -> dict[str, Tensor]:
        """The averaged weights in the form of :attr:`best`."""
        return dict(self.average)

    def save_best(self, result: dict[str, float]) -> None:
        state = {"dev": self.summary(result)["sources"], "epoch": self.progress.epoch}
        write_checkpoint(self.best, self.best_weights(), state)

    def report_epoch(self, entry: dict[str, Any], result: dict[str, float], better: bool) -> None:
        self.report.stop()
        self.report.write(entry)
        by_source = "  ".join(f"{name} {100 * score:.1f}" for name, score in result.items())
        self.report.say(
            f"epoch {entry['epoch']}  loss {entry['loss']:.3f}  dev F1 {100 * entry['f1']:.2f} %"
            f"{'  (best so far)' if better else ''}\n  by source: {by_source}"
        )

    def best_result(self) -> str:
        return f"dev F1 {100 * self.progress.best:.2f} %"


def map_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each pixel; for the thin maps also the Dice loss (Milletari et al. 2016).

    The Dice loss does not drown in empty paper.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean((0, 2, 3))
    probabilities = torch.sigmoid(logits)
    overlap = (probabilities * targets).sum((0, 2, 3))
    dice = 1.0 - (2.0 * overlap + 1.0) / ((probabilities + targets).sum((0, 2, 3)) + 1.0)
    return (entropy * entropy.new_tensor(MAP_WEIGHTS)).sum() + dice[0] + 0.5 * dice[1]
