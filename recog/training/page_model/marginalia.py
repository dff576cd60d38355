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
from recog.segment.marginalia import letter_pixels, main_text_lines
from recog.segment.page_lines import STRIDE
from recog.training.page_model.data import Page
from recog.training.page_model.page_synthesis import OWN, Hands, Sheet, draw_sheet
from recog.training.page_model.recipe import PageRecipe
from recog.training.page_model.trainer import PageTrainer
from recog.training.progress import Reporter

OFFSETS = tuple(0.25 * k for k in range(-4, 13))  # of the logits of the page's own writing
# of a line that lies on the page's own writing: none of it up to the one, own from the other on
SURE = (0.2, 0.6)


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
            recipe, train, dev, out, report, with_base(recipe, base.weights), base=base.checksum
        )
        self.hands = Hands(recipe.hands)
        self.offset = 0.0
        self.weights = {source.called: source.weight for source in recipe.data}

    def sheet(self, step: int, k: int) -> Sheet:
        """Page ``k`` of a batch, of corpora by their weights."""
        rng = np.random.default_rng((self.options.seed, step, k))
        sources = sorted({page.source for page in self.train})
        shares = np.array([self.weights[source] for source in sources])
        source = sources[int(rng.choice(len(sources), p=shares / shares.sum()))]
        pages = [page for page in self.train if page.source == source]
        noted = source in self.recipe.noted
        return draw_sheet(pages[int(rng.integers(len(pages)))], self.hands, rng, noted=noted)

    def step(self, rate: float) -> tuple[float, float] | None:
        """One update; gives the loss and the gradient norm before clipping, None where no line was
        found to learn from."""
        self.prepare_update(rate)
        torch.manual_seed(self.options.seed * 1_000_003 + self.progress.step)  # dropout
        network = self.network.eval()
        assert isinstance(network, PageNetwork) and network.context is not None
        context = network.context
        sheets = [self.sheet(self.progress.step, k) for k in range(self.options.batch)]
        ink = torch.from_numpy(_stacked([sheet.ink for sheet in sheets]))[:, None].to(self.device)
        with torch.no_grad():
            logits, fine, coarse = network.with_features(ink)
            maps = torch.sigmoid(logits)
        context.train()
        main = context(fine, coarse, maps)[:, 0]
        said, wanted = [], []
        for seen, found, sheet in zip(main, maps.cpu().numpy(), sheets, strict=True):
            for line in find_baselines(found):
                own = is_own(line, sheet.mask)
                if own is None:
                    continue
                rows, columns = letter_pixels(line, found.shape[1:])
                said.append(seen[rows // context.pooling, columns // context.pooling].mean())
                wanted.append(float(own))
        if not said:
            return None
        loss = F.binary_cross_entropy_with_logits(
            torch.stack(said), torch.tensor(wanted, device=self.device)
        )
        return self.descend(loss)

    def evaluate(self) -> dict[str, float]:
        """F1 of the page's own lines on dev, by corpus, at the best of :data:`OFFSETS`.

        How many of the lines on a page are its own differs between what is learned from and what is
        read, so that the probabilities are shifted: by the offset that gives the best mean over the
        corpora.
        """
        scores: dict[float, dict[str, list[BaselineScore]]] = {offset: {} for offset in OFFSETS}
        for page, maps in self.dev_maps():
            lines, main = find_baselines(maps), maps[len(MAPS)]
            known: dict[tuple[bool, ...], BaselineScore] = {}
            for offset, of in scores.items():
                own = (
                    main_text_lines(lines, shifted(main, offset))
                    if lines
                    else np.zeros(0, np.bool_)
                )
                key = tuple(own.tolist())
                if key not in known:
                    chosen = [STRIDE * lines[k] for k in np.flatnonzero(own)]
                    known[key] = score_page([base for base, _ in page.lines], chosen)
                of.setdefault(page.source, []).append(known[key])
        means = {
            offset: {source: mean_score(pages).f1 for source, pages in sorted(of.items())}
            for offset, of in scores.items()
        }
        self.offset = max(OFFSETS, key=lambda offset: float(np.mean(list(means[offset].values()))))
        return means[self.offset]

    def best_weights(self) -> dict[str, Tensor]:
        """The averaged weights, the bias of the context's last layer shifted by the offset."""
        bias = "context.leave.bias"
        return {
            name: value - self.offset if name == bias else value
            for name, value in self.average.items()
        }


def shifted(probabilities: NDArray[np.float32], offset: float) -> NDArray[np.float32]:
    """Probabilities whose logits are lowered by an offset."""
    odds = np.exp(-offset) * probabilities / np.maximum(1.0 - probabilities, 1e-7)
    return np.asarray(odds / (1.0 + odds), np.float32)


def with_base(recipe: PageRecipe, base: dict[str, Tensor]) -> PageNetwork:
    """A network of the recipe with the weights of ``base``, of which only the context can be
    trained."""
    network = PageNetwork(recipe.network)
    plain = {name: value for name, value in base.items() if not name.startswith("context.")}
    network.load_state_dict(network.state_dict() | plain)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith("context."))
    return network


def fits(config: PageNetworkConfig, base: PageNetworkConfig) -> bool:
    """Whether weights of ``base`` are those of a network of this shape but for its context."""
    return config.model_copy(update={"context": ()}) == base.model_copy(update={"context": ()})


def is_own(line: Polyline, mask: NDArray[np.uint8]) -> bool | None:
    """Whether a line that was found lies on the page's own writing; None where it does in part."""
    rows, columns = letter_pixels(line, (-(-mask.shape[0] // STRIDE), -(-mask.shape[1] // STRIDE)))
    share = float((mask[STRIDE * rows, STRIDE * columns] == OWN).mean())
    return None if SURE[0] <= share <= SURE[1] else share > SURE[1]


def _stacked(images: list[NDArray[np.float32]]) -> NDArray[np.float32]:
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
