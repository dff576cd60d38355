"""The training of the geometry network: where the writing is, its size and its direction.

The targets follow from the lines of the pages. Crops are drawn at every size and in every
direction, so that the network learns how writing looks, not how pages lie.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recog.nn.page.geometry import GeometryNetwork
from recog.segment.page_geometry import CELL, UNIT, page_geometry
from recog.training.page_model.crops import add_scan_frame, degrade, draw_point
from recog.training.page_model.data import Floats, Page
from recog.training.page_model.recipe import PageRecipe
from recog.training.page_model.trainer import PageTrainer
from recog.training.progress import Reporter

LONGER_SIDE = (420.0, 2000.0)  # pixels that a whole page would have at the scale of a crop
FINE = 4  # pixels of a crop per pixel of the grid that lines are drawn on, to average cells from
PRESENT = 0.3  # share of a cell that lines must cover for it to count as written on


def draw_geometry(page: Page, rng: np.random.Generator, side: int) -> tuple[Floats, Floats]:
    """Draw a crop of a page in any direction and at any size, and its geometry.

    Returns:
        The crop (side, side), and the maps (GEOMETRY_MAPS, side / 16, side / 16). Size and
        directions are 0 where nothing is written.
    """
    height, width = page.ink.shape
    low, high = np.log(LONGER_SIDE)
    scale = float(np.exp(rng.uniform(low, high))) / max(height, width)
    turn = 90.0 * int(rng.integers(4)) + float(
        rng.normal(0, 3.0) if rng.random() < 0.85 else rng.uniform(-45, 45)
    )
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    if page.lines and rng.random() < 0.7:
        centre = draw_point(page.lines[int(rng.integers(len(page.lines)))][0], rng)
    else:
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * np.array([[cosine, -sine + rng.normal(0, 0.03)], [sine, cosine]])
    matrix[:, 2] = side / 2 + rng.uniform(-0.3, 0.3, 2) * side - matrix[:, :2] @ centre
    ink, warp = page.ink, matrix
    if scale <= 0.6:  # shrink by area first: a warp would skip pixels
        shrunk = cv2.resize(page.ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        ink = np.asarray(shrunk, np.uint8)
        warp = np.hstack([matrix[:, :2] / scale, matrix[:, 2:]])
    crop = cv2.warpAffine(ink, warp, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32)
    crop = crop / np.float32(255.0)
    return add_scan_frame(degrade(crop, rng), _geometry(page, matrix, scale, side), rng)


def _geometry(page: Page, matrix: NDArray[np.float64], scale: float, side: int) -> Floats:
    fine = side // FINE
    sizes = np.where(np.isfinite(page.sizes), page.sizes, np.median(page.sizes))
    values = np.zeros((6, fine, fine), np.float32)
    for (baseline, polygon), size in zip(page.lines, sizes, strict=True):
        outline = (polygon @ matrix[:, :2].T + matrix[:, 2]) / FINE
        if (outline.max(0) < 0).any() or (outline.min(0) > fine).any() or not np.isfinite(size):
            continue
        across, down = matrix[:, :2] @ (baseline[-1] - baseline[0])
        angle = np.arctan2(down, across)
        drawn = [
            1.0,
            np.log2(max(size * scale, 1.0) / UNIT),
            np.cos(angle),
            np.sin(angle),
            np.cos(2 * angle),
            np.sin(2 * angle),
        ]
        corners = [np.round(outline * 8).astype(np.int32)]
        for k, value in enumerate(drawn):
            cv2.fillPoly(values[k], corners, float(value), cv2.LINE_8, 3)
    cells = values.reshape(6, side // CELL, CELL // FINE, side // CELL, CELL // FINE).mean((2, 4))
    share = cells[0]
    present = share > PRESENT
    geometry = np.where(present, cells / np.maximum(share, 1e-6), 0.0).astype(np.float32)
    for k in (2, 4):
        geometry[k : k + 2] /= np.maximum(np.hypot(geometry[k], geometry[k + 1]), 1e-6)
    return geometry


def geometry_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the presence of writing, and the errors of size and direction there.

    The error of the size is in octaves, that of a direction the squared distance of unit vectors.
    """
    present = targets[:, 0]
    loss = F.binary_cross_entropy_with_logits(logits[:, 0], present)
    count = present.sum() + 1.0
    loss = loss + ((logits[:, 1] - targets[:, 1]).abs() * present).sum() / count
    for first in (2, 4):
        apart = ((logits[:, first : first + 2] - targets[:, first : first + 2]) ** 2).sum(1)
        loss = loss + (apart * present).sum() / count
    return loss


class GeometryTrainer(PageTrainer):
    """A training run of a geometry network, on pages of one longer side."""

    def __init__(
        self,
        recipe: PageRecipe,
        train: list[Page],
        dev: list[Page],
        out: Path,
        report: Reporter,
        *,
        base: str,
    ) -> None:
        torch.manual_seed(recipe.training.seed)
        network = GeometryNetwork(recipe.geometry)
        super().__init__(recipe, train, dev, out, report, network, base=base)
        self.config = recipe.geometry

    def draw(self, page: Page, other: Page, rng: np.random.Generator) -> tuple[Floats, Floats]:
        return draw_geometry(page, rng, self.options.crop)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return geometry_loss(logits, targets)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Accuracy on the dev pages in each of four directions, by corpus.

        Half of it is for the direction (within 30 degrees), half for the size (within a third of an
        octave).
        """
        network = GeometryNetwork(self.config).to(self.device)
        network.load_state_dict(self.average)
        network.eval()
        right: dict[str, list[float]] = {}
        for page in self.dev_pages:
            scale = self.config.side / max(page.ink.shape)
            small = cv2.resize(page.ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            size = scale * float(np.median(page.sizes[np.isfinite(page.sizes)]))
            for turns in range(4):
                ink = np.rot90(small, -turns)
                padded = np.zeros([-(-n // 32) * 32 for n in ink.shape], np.float32)
                padded[: ink.shape[0], : ink.shape[1]] = ink / np.float32(255.0)
                maps = (
                    network(torch.from_numpy(padded)[None, None].to(self.device))[0].cpu().numpy()
                )
                geometry = page_geometry(maps)
                off = abs((geometry.angle - 90 * turns + 180) % 360 - 180)
                right.setdefault(page.source, []).append(
                    0.5 * (off < 30) + 0.5 * (abs(np.log2(max(geometry.size, 0.1) / size)) < 1 / 3)
                )
        return {source: float(np.mean(of)) for source, of in sorted(right.items())}
