"""Pages with known lines -> crops for a page network, and the maps that it should see in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.corpora import importer
from recog.errors import UserError
from recog.media.image import read_image
from recog.model.page import MAPS
from recog.segment.page import STRIDE, page_ink
from recog.training.page_recipe import PageRecipe

BASELINE_WIDTH, END_RADIUS = 3, 4  # pixels of the output
Shape = tuple[NDArray[np.float32], NDArray[np.float32]]  # baseline and polygon, in pixels of the scaled page


@dataclass(frozen=True)
class Page:
    """A page as its network sees it, 0 paper to 255 ink, and its lines."""

    source: str
    name: str
    ink: NDArray[np.uint8]
    lines: tuple[Shape, ...]


def load_pages(recipe: PageRecipe) -> tuple[list[Page], list[Page], list[str]]:
    """Pages of train and of dev, and what is wrong with those that were left out.

    Raises:
        UserError: there are none of either.
    """
    found: dict[str, list[Page]] = {"train": [], "dev": []}
    problems: list[str] = []
    for source in recipe.data:
        path = Path(source.path)
        pages: dict[Path, list[Shape]] = {}
        splits: dict[Path, str] = {}
        for row in importer(source.layout or "page", **source.options)(path):
            splits[row.media] = (row.split or "train") if source.split == "auto" else source.split
            if row.line is not None and len(row.line.baseline) >= 2 and len(row.line.polygon) >= 3:
                shape = (np.array(row.line.baseline, np.float32), np.array(row.line.polygon, np.float32))
                pages.setdefault(row.media, []).append(shape)
        for media, lines in pages.items():
            try:
                ink, scale = page_ink(read_image(media), recipe.network.side)
            except UserError as error:
                problems.append(str(error))
                continue
            scaled = tuple((base * scale, polygon * scale) for base, polygon in lines)
            page = Page(source.called, str(media), (255 * ink).astype(np.uint8), scaled)
            if splits[media] in found:
                found[splits[media]].append(page)
    for split, pages_of in found.items():
        if not pages_of:
            raise UserError(f"There is no page of {split} with baselines and polygons in the data of {recipe.name}.")
    return found["train"], found["dev"], problems


def draw_maps(lines: tuple[Shape, ...], matrix: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """What the network should see in a crop: (maps, side, side).

    Args:
        matrix: (2, 3) from the scaled page to the output.
    """
    maps = np.zeros((len(MAPS), side, side), np.float32)
    for baseline, polygon in lines:
        base = baseline @ matrix[:, :2].T + matrix[:, 2]
        if (base.max(0) < -20).any() or (base.min(0) > side + 20).any():
            continue
        outline = polygon @ matrix[:, :2].T + matrix[:, 2]
        cv2.fillPoly(maps[2], [np.round(outline * 8).astype(np.int32)], 1.0, cv2.LINE_8, 3)
        cv2.polylines(maps[0], [np.round(base * 8).astype(np.int32)], False, 1.0, BASELINE_WIDTH, cv2.LINE_8, 3)
        for x, y in (base[0], base[-1]):
            cv2.circle(maps[1], (round(float(x)), round(float(y))), END_RADIUS, 1.0, -1)
    return maps


def draw_crop(page: Page, rng: np.random.Generator, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A crop of a page, scaled, turned, slanted, its ink and paper varied, some of it ruled; and its maps."""
    height, width = page.ink.shape
    scale = float(np.exp(rng.uniform(np.log(0.7), np.log(1.35))))
    turn, slant = float(np.deg2rad(rng.normal(0, 2.0))), float(rng.normal(0, 0.02))
    if page.lines and rng.random() < 0.5:  # at the end or a bend of a line
        baseline = page.lines[int(rng.integers(len(page.lines)))][0]
        centre = baseline[int(rng.integers(len(baseline)))]
    else:
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * np.array([[np.cos(turn), -np.sin(turn) + slant], [np.sin(turn), np.cos(turn)]])
    matrix[:, 2] = side / 2 + rng.uniform(-0.3, 0.3, 2) * side - matrix[:, :2] @ centre
    crop: NDArray[Any] = (
        cv2.warpAffine(page.ink, matrix, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32) / 255.0
    )
    crop = crop ** float(np.exp(rng.normal(0, 0.3))) * np.float32(rng.uniform(0.6, 1.1))
    if rng.random() < 0.4:
        crop = crop + rng.normal(0, rng.uniform(0.01, 0.08), crop.shape).astype(np.float32)
    if rng.random() < 0.3:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.25:
        apart, first = rng.uniform(10, 32), rng.uniform(0, 10)
        rows = np.arange(first, side, apart).astype(int)
        crop[rows] = np.maximum(crop[rows], np.float32(rng.uniform(0.1, 0.5)))
    return crop.astype(np.float32), draw_maps(page.lines, matrix / STRIDE, side // STRIDE)
