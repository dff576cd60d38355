"""Training what tells a page's own writing from notes on it, on top of a page network that stays as
it is.

Each page of a batch is composed anew (:mod:`recog.training.page_model.page_synthesis`); the lines
that the network finds there are own or not by where they lie, and what it should say along each of
them is that.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recog.evaluation.baselines import BaselineScore, mean_score, score_page
from recog.model.page_model import MAPS, PageNetworkConfig
from recog.nn.page.network import PageNetwork
from recog.segment.baselines import Polyline, find_baselines
from recog.segment.marginalia import along, own_lines
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

LOGIT_OFFSETS = tuple(0.25 * k for k in range(-4, 13))  # of the logits of the page's own writing
# of a line that lies on the page's own writing: none of it up to the one, own from the other on
MAIN_SHARES = (0.2, 0.6)


class Base(NamedTuple):
    """The weights of a page network, and the checksum of their file."""

    weights: dict[str, Tensor]
    checksum: str


class PageContextTrainer(PageTrainer):
    """One run. Only the context is trained.

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
        super().__init__(
            recipe,
            train,
            dev,
            out,
            report,
            network_on_base(recipe, base.weights),
            base=base.checksum,
        )
        self.hands = LineImages(recipe.hands)
        self.offset = 0.0
        self.weights = {source.display_name: source.weight for source in recipe.data}

    def synthetic_page(self, step: int, k: int) -> SyntheticPage:
        """Page ``k`` of a batch, of corpora by their weights."""
        rng = np.random.default_rng((self.options.seed, step, k))
        sources = sorted({page.source for page in self.train})
        shares = np.array([self.weights[source] for source in sources])
        source = sources[int(rng.choice(len(sources), p=shares / shares.sum()))]
        pages = [page for page in self.train if page.source == source]
        noted = source in self.recipe.noted
        return synthesise_page(pages[int(rng.integers(len(pages)))], self.hands, rng, noted=noted)

    def step(self, rate: float) -> tuple[float, float] | None:
        """One update; gives the loss and the gradient norm before clipping, None where no line was
        found to learn from."""
        self.set_learning_rate(rate)
        torch.manual_seed(self.options.seed * 1_000_003 + self.progress.step)  # dropout
        network = self.network.eval()
        assert isinstance(network, PageNetwork) and network.context is not None
        context = network.context
        sheets = [self.synthetic_page(self.progress.step, k) for k in range(self.options.batch)]
        ink = torch.from_numpy(pad_and_stack([sheet.ink for sheet in sheets]))[:, None].to(
            self.device
        )
        with torch.no_grad():
            logits, fine, coarse = network.with_features(ink)
            maps = torch.sigmoid(logits)
        context.train()
        main = context(fine, coarse, maps)[:, 0]
        logits_of_lines, labels = [], []
        for logit_map, line_maps, sheet in zip(main, maps.cpu().numpy(), sheets, strict=True):
            for line in find_baselines(line_maps):
                is_main = is_main_text(line, sheet.mask)
                if is_main is None:
                    continue
                rows, columns = along(line, line_maps.shape[1:])
                logits_of_lines.append(
                    logit_map[rows // context.pooling, columns // context.pooling].mean()
                )
                labels.append(float(is_main))
        if not logits_of_lines:
            return None
        loss = F.binary_cross_entropy_with_logits(
            torch.stack(logits_of_lines), torch.tensor(labels, device=self.device)
        )
        return self.apply_loss(loss)

    def evaluate(self) -> dict[str, float]:
        """F1 of the page's own lines on dev, by corpus, at the best of :data:`LOGIT_OFFSETS`.

        How many of the lines on a page are its own differs between what is learned from and what is
        read, so that the probabilities are shifted: by the offset that gives the best mean over the
        corpora.
        """
        scores: dict[float, dict[str, list[BaselineScore]]] = {
            offset: {} for offset in LOGIT_OFFSETS
        }
        for page, maps in self.dev_maps():
            lines, main = find_baselines(maps), maps[len(MAPS)]
            known: dict[tuple[bool, ...], BaselineScore] = {}
            for offset, of in scores.items():
                is_main = (
                    own_lines(lines, shift_logits(main, offset)) if lines else np.zeros(0, np.bool_)
                )
                key = tuple(is_main.tolist())
                if key not in known:
                    chosen = [STRIDE * lines[k] for k in np.flatnonzero(is_main)]
                    known[key] = score_page([base for base, _ in page.lines], chosen)
                of.setdefault(page.source, []).append(known[key])
        means = {
            offset: {source: mean_score(pages).f1 for source, pages in sorted(of.items())}
            for offset, of in scores.items()
        }
        self.offset = max(
            LOGIT_OFFSETS, key=lambda offset: float(np.mean(list(means[offset].values())))
        )
        return means[self.offset]

    def best_weights(self) -> dict[str, Tensor]:
        """The averaged weights, the bias of the context's last layer shifted by the offset."""
        bias = "context.leave.bias"
        return {
            name: value - self.offset if name == bias else value
            for name, value in self.average.items()
        }


def shift_logits(probabilities: NDArray[np.float32], offset: float) -> NDArray[np.float32]:
    """Probabilities whose logits are lowered by an offset."""
    odds = np.exp(-offset) * probabilities / np.maximum(1.0 - probabilities, 1e-7)
    return np.asarray(odds / (1.0 + odds), np.float32)


def network_on_base(recipe: PageRecipe, base: dict[str, Tensor]) -> PageNetwork:
    """A network of the recipe with the weights of ``base``, of which only the context can be
    trained."""
    network = PageNetwork(recipe.network)
    plain = {name: value for name, value in base.items() if not name.startswith("context.")}
    network.load_state_dict(network.state_dict() | plain)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith("context."))
    return network


def same_shape(config: PageNetworkConfig, base: PageNetworkConfig) -> bool:
    """Whether weights of ``base`` are those of a network of this shape but for its context."""
    return config.model_copy(update={"context": ()}) == base.model_copy(update={"context": ()})


def is_main_text(line: Polyline, mask: NDArray[np.uint8]) -> bool | None:
    """Whether a line that was found lies on the page's own writing; None where it does in part."""
    rows, columns = along(line, (-(-mask.shape[0] // STRIDE), -(-mask.shape[1] // STRIDE)))
    share = float((mask[STRIDE * rows, STRIDE * columns] == MAIN).mean())
    return None if MAIN_SHARES[0] <= share <= MAIN_SHARES[1] else share > MAIN_SHARES[1]


def pad_and_stack(images: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    return np.stack(
        [
            cv2.copyMakeBorder(
                image,
                0,
                height - image.shape[0],
                0,
                width - image.shape[1],
                cv2.BORDER_CONSTANT,
                value=0,
            )
            for image in images
        ]
    )
