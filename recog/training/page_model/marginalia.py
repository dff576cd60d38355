"""Training of the head of a page network that tells main text from marginalia.

The page network itself stays as it is. Each page of a batch is synthesised
(:mod:`recog.training.page_model.page_synthesis`). The network finds lines on it, and each line
belongs to the main text or not by where it lies: this is the target along the line.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recog.evaluation.baselines import BaselineScore, mean_score, score_page
from recog.model.page_model import MAPS, PageNetworkConfig
from recog.nn.page.network import PageNetwork
from recog.segment.baselines import Polyline, find_baselines
from recog.segment.marginalia import letter_pixels, main_text_lines
from recog.segment.page_lines import STRIDE
from recog.training.page_model.data import Page
from recog.training.page_model.page_synthesis import (
    MAIN,
    LineImages,
    SyntheticPage,
    synthesise_page,
)
from recog.training.page_model.recipe import PageRecipe
from recog.training.page_model.trainer import PageTrainer
from recog.training.progress import Reporter

LOGIT_OFFSETS = tuple(0.25 * k for k in range(-4, 13))  # of the logits of the main text
# share of a line on the main text, up to which it is marginalia, and from which it is main text
MAIN_SHARES = (0.2, 0.6)


class Base(NamedTuple):
    """The weights of a page network, and the checksum of their file."""

    weights: dict[str, Tensor]
    checksum: str


class PageContextTrainer(PageTrainer):
    """A training run of the context alone.

    Args:
        base: a page network without context.
    """

    def __init__(
        self,
        recipe: PageRecipe,
        train: list[Page],
        dev: list[Page],
        out: Path,
        report: Reporter,
        base: Base,
    ) -> None:
        torch.manual_seed(recipe.training.seed)
        network = network_on_base(recipe, base.weights)
        super().__init__(recipe, train, dev, out, report, network, base=base.checksum)
        self.line_images = LineImages(recipe.hands)
        self.offset = 0.0

    def batch(self, step: int) -> list[SyntheticPage]:
        """Synthetic pages."""
        pages = []
        for k in range(self.options.batch):
            rng = np.random.default_rng((self.options.seed, step, k))
            page, _ = self.draw_page(rng)
            noted = page.source in self.recipe.noted
            pages.append(synthesise_page(page, self.line_images, rng, noted=noted))
        return pages

    def step(self, batch: list[SyntheticPage], rate: float) -> tuple[float, float] | None:
        """Update the context from synthetic pages; None also where they have no usable line."""
        self.set_learning_rate(rate)
        torch.manual_seed(self.options.seed * 1_000_003 + self.progress.step)  # dropout
        network = self.network.eval()
        assert isinstance(network, PageNetwork) and network.context is not None
        context = network.context
        ink = torch.from_numpy(pad_and_stack([page.ink for page in batch]))[:, None]
        with torch.no_grad():
            logits, fine, coarse = network.with_features(ink.to(self.device))
            maps = torch.sigmoid(logits)
        context.train()
        main_text = context(fine, coarse, maps)[:, 0]
        line_logits, labels = [], []
        for logit_map, page_maps, page in zip(main_text, maps.cpu().numpy(), batch, strict=True):
            for line in find_baselines(page_maps):
                label = is_main_text(line, page.mask)
                if label is None:
                    continue
                rows, columns = letter_pixels(line, page_maps.shape[1:])
                pooled = logit_map[rows // context.pooling, columns // context.pooling]
                line_logits.append(pooled.mean())
                labels.append(float(label))
        if not line_logits:
            return None
        targets = torch.tensor(labels, device=self.device)
        return self.apply_loss(
            F.binary_cross_entropy_with_logits(torch.stack(line_logits), targets)
        )

    def evaluate(self) -> dict[str, float]:
        """F1 of the main text's lines on dev, by corpus, at the best of :data:`LOGIT_OFFSETS`.

        The share of marginalia differs between synthetic and real pages. So the probabilities are
        shifted by the offset with the best mean over the corpora.
        """
        scores: dict[float, dict[str, list[BaselineScore]]] = {
            offset: {} for offset in LOGIT_OFFSETS
        }
        for page, maps in self.dev_maps():
            lines, main_text = find_baselines(maps), maps[len(MAPS)]
            baselines = [baseline for baseline, _ in page.lines]
            known: dict[tuple[bool, ...], BaselineScore] = {}
            for offset, by_source in scores.items():
                is_main = np.zeros(0, np.bool_)
                if lines:
                    is_main = main_text_lines(lines, shift_logits(main_text, offset))
                key = tuple(is_main.tolist())
                if key not in known:
                    chosen = [STRIDE * lines[k] for k in np.flatnonzero(is_main)]
                    known[key] = score_page(baselines, chosen)
                by_source.setdefault(page.source, []).append(known[key])
        means = {
            offset: {source: mean_score(of).f1 for source, of in sorted(by_source.items())}
            for offset, by_source in scores.items()
        }
        self.offset = max(
            LOGIT_OFFSETS, key=lambda offset: float(np.mean(list(means[offset].values())))
        )
        return means[self.offset]

    def best_weights(self) -> dict[str, Tensor]:
        """The averaged weights, with the offset in the bias of the context's last layer."""
        bias = "context.leave.bias"
        return {
            name: value - self.offset if name == bias else value
            for name, value in self.average.items()
        }


def shift_logits(probabilities: NDArray[np.float32], offset: float) -> NDArray[np.float32]:
    """Probabilities, their logits lowered by ``offset``."""
    odds = np.exp(-offset) * probabilities / np.maximum(1.0 - probabilities, 1e-7)
    return np.asarray(odds / (1.0 + odds), np.float32)


def network_on_base(recipe: PageRecipe, base: dict[str, Tensor]) -> PageNetwork:
    """A network of the recipe with the weights of ``base``; only the context is trained."""
    network = PageNetwork(recipe.network)
    plain = {name: value for name, value in base.items() if not name.startswith("context.")}
    network.load_state_dict(network.state_dict() | plain)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith("context."))
    return network


def same_shape(config: PageNetworkConfig, base: PageNetworkConfig) -> bool:
    """Whether two networks have one shape apart from the context."""
    return config.model_copy(update={"context": ()}) == base.model_copy(update={"context": ()})


def is_main_text(line: Polyline, mask: NDArray[np.uint8]) -> bool | None:
    """Whether a detected line lies on the main text; None if only a part does."""
    rows, columns = letter_pixels(line, (-(-mask.shape[0] // STRIDE), -(-mask.shape[1] // STRIDE)))
    share = float((mask[STRIDE * rows, STRIDE * columns] == MAIN).mean())
    return None if MAIN_SHARES[0] <= share <= MAIN_SHARES[1] else share > MAIN_SHARES[1]


def pad_and_stack(images: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Images padded with zeros to one shape: (images, height, width)."""
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    stacked = np.zeros((len(images), height, width), np.float32)
    for target, image in zip(stacked, images, strict=True):
        target[: image.shape[0], : image.shape[1]] = image
    return stacked
