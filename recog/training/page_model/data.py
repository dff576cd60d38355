"""Pages with known lines -> crops for a page network, and the maps that it should see in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.corpora import importer
from recog.corpora.manifest import load_data
from recog.corpora.rows import Row
from recog.corpora.splits import split_rows
from recog.errors import UserError
from recog.media.image.reader import read_image
from recog.model.page_model import MAPS
from recog.segment.line_spacing import line_sizes, writing_size
from recog.segment.page_lines import STRIDE, Contrast, page_ink
from recog.segment.polarity import dark_on_light
from recog.training.page_model.recipe import PageRecipe
from recog.training.recogniser.recipe import Source

BASELINE_WIDTH, END_RADIUS = 3, 4  # pixels of the output
MAX_SLOPE = 40.0  # degrees from level up to which a line is one that the network should find
FRAME_SHARE = 0.08  # of the crops, those that show some of the frame of a scan
SCALES = (0.6, 1.6)  # of the size of the writing, about the one that the network works at
GEOMETRY_SIDE = 1600  # pixels of the longer side of a page that a geometry network learns from
LARGEST_PAGE = 6000  # pixels of a side: a page of a few words in tiny type is scaled no further
Floats = NDArray[np.float32]
Shape = tuple[Floats, Floats]  # baseline and polygon, in pixels of the scaled page
Warp = Callable[[Floats], Floats]  # points of the page -> points of a crop


@dataclass(frozen=True)
class Page:
    """A page at the size at which its network sees it, 0 paper to 255 ink, and its lines."""

    source: str
    name: str
    ink: NDArray[np.uint8]
    lines: tuple[Shape, ...]

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """The size of each line's writing in pixels; infinite where nothing tells."""
        return line_sizes(self.lines)


def load_pages(recipe: PageRecipe) -> tuple[list[Page], list[Page], list[str]]:
    """Pages of train and of dev, and what is wrong with those that were left out.

    They are scaled to the spacing of the network; for a geometry network all are as large as
    :data:`GEOMETRY_SIDE`.

    Raises:
        UserError: there are none of either.
    """
    pages: dict[str, list[Page]] = {"train": [], "dev": []}
    problems: list[str] = []
    spacing, contrast = recipe.network.spacing, recipe.network.contrast
    if recipe.train == "geometry":
        spacing, contrast = 0.0, "local"
    for source in recipe.data:
        if source.optional and not Path(source.path).exists():
            problems.append(f"{source.path}: is not there, and optional.")
            continue
        shapes: dict[Path, list[Shape]] = {}
        splits: dict[Path, str] = {}
        for row in _rows(source):
            splits[row.media] = (row.split or "train") if source.split == "auto" else source.split
            if row.line is not None and len(row.line.baseline) >= 2 and len(row.line.polygon) >= 3:
                shape = (
                    np.array(row.line.baseline, np.float32),
                    np.array(row.line.polygon, np.float32),
                )
                shapes.setdefault(row.media, []).append(shape)
        for media, lines in shapes.items():
            if splits[media] not in pages:
                continue
            try:
                pages[splits[media]].append(
                    load_page(source.display_name, media, lines, spacing, contrast)
                )
            except UserError as error:
                problems.append(str(error))
    for split, of_split in pages.items():
        if not of_split:
            raise UserError(
                f"There is no page of {split} with baselines and polygons in the data of {recipe.name}."
            )
    return pages["train"], pages["dev"], problems


def _rows(source: Source) -> Iterable[Row]:
    """The lines of a source: of a corpus by its layout, or of a bare folder, a tenth of which is
    for dev."""
    if source.layout is not None:
        return importer(source.layout, **source.options)(Path(source.path))
    return split_rows(load_data(Path(source.path))).rows


def load_page(
    source: str, media: Path, lines: list[Shape], spacing: float, contrast: Contrast
) -> Page:
    """A page scaled so that its lines are ``spacing`` pixels apart, or to :data:`GEOMETRY_SIDE`
    where that is 0.

    Raises:
        UserError: the image cannot be read, or its lines do not tell how large the writing is.
    """
    image = dark_on_light(read_image(media))
    size = writing_size(lines)
    if size < 1.0:
        raise UserError(
            f"{media}: its lines do not tell how large the writing is; each needs a baseline and a polygon."
        )
    longest = max(image.shape)
    scale = min(spacing / size, LARGEST_PAGE / longest) if spacing else GEOMETRY_SIDE / longest
    ink = page_ink(image, scale, contrast)
    scaled = tuple(
        (base * np.float32(scale), polygon * np.float32(scale)) for base, polygon in lines
    )
    return Page(source, str(media), ink, scaled)


def draw_maps(lines: tuple[Shape, ...], warp: Warp, side: int) -> Floats:
    """What the network should see in a crop: (maps, side, side). Lines that are far from level are
    not for it to see.

    Args:
        warp: from the scaled page to the output.
    """
    maps = np.zeros((len(MAPS), side, side), np.float32)
    for baseline, polygon in lines:
        base = warp(baseline)
        if (base.max(0) < -20).any() or (base.min(0) > side + 20).any():
            continue
        across, down = base[-1] - base[0]
        if abs(down) > np.tan(np.deg2rad(MAX_SLOPE)) * across:
            continue
        cv2.fillPoly(maps[2], [np.round(warp(polygon) * 8).astype(np.int32)], 1.0, cv2.LINE_8, 3)
        cv2.polylines(
            maps[0],
            [np.round(base * 8).astype(np.int32)],
            False,
            1.0,
            BASELINE_WIDTH,
            cv2.LINE_8,
            3,
        )
        for x, y in (base[0], base[-1]):
            cv2.circle(maps[1], (round(float(x)), round(float(y))), END_RADIUS, 1.0, -1)
    return maps


def draw_crop(
    page: Page, rng: np.random.Generator, side: int, *, spacing: float, behind: Page | None = None
) -> tuple[Floats, Floats]:
    """A crop of a page, scaled, turned, slanted and curled, its ink and paper varied, some of it
    ruled; and its maps.

    Args:
        spacing: pixels between lines that the network works at. Half of the crops are scaled by the
            size of a line that they show, for pages on which sizes differ.
        behind: a page whose ink may shine through.
    """
    height, width = page.ink.shape
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    if page.lines and rng.random() < 0.6:  # at the end or a bend of a line
        k = int(rng.integers(len(page.lines)))
        baseline = page.lines[k][0]
        centre = baseline[int(rng.integers(len(baseline)))]
        if rng.random() < 0.5 and np.isfinite(page.sizes[k]):
            scale *= float(np.clip(spacing / max(page.sizes[k], 1.0), 0.5, 2.0))
    else:
        centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    turn, slant = float(rng.normal(0, 3.0)), float(rng.normal(0, 0.03))
    if rng.random() < 0.1:
        turn = float(rng.uniform(-20.0, 20.0))
    turn = float(np.deg2rad(turn))
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * np.array(
        [[np.cos(turn), -np.sin(turn) + slant], [np.sin(turn), np.cos(turn)]]
    )
    matrix[:, 2] = side / 2 + rng.uniform(-0.3, 0.3, 2) * side - matrix[:, :2] @ centre
    bow, length, phase = (
        float(rng.normal(0, 0.15)) * spacing,
        float(rng.uniform(0.7, 3.0)) * side,
        rng.uniform(0, 2 * np.pi),
    )

    def lift(x: NDArray[np.floating]) -> NDArray[np.floating]:  # a page that curls
        return bow * np.sin(2 * np.pi * x / length + phase)

    def to_output(points: Floats) -> Floats:
        moved = points @ matrix[:, :2].T + matrix[:, 2]
        moved[:, 1] -= lift(moved[:, 0])
        return np.asarray(moved / STRIDE, np.float32)

    crop = _warp_crop(page.ink, matrix, lift(np.arange(side, dtype=np.float64)), side)
    if behind is not None:
        mirrored = matrix * np.array([[-1.0], [1.0]]) + np.array([[0, 0, side], [0, 0, 0]])
        shine = cv2.GaussianBlur(
            _warp_crop(behind.ink, mirrored, np.zeros(side), side), (0, 0), rng.uniform(0.8, 2.5)
        )
        crop = np.maximum(crop, np.float32(rng.uniform(0.1, 0.7)) * shine)
    return add_scan_frame(degrade(crop, rng), draw_maps(page.lines, to_output, side // STRIDE), rng)


def draw_facing(
    left: Page, right: Page, rng: np.random.Generator, side: int, *, spacing: float
) -> tuple[Floats, Floats]:
    """A crop of two pages side by side with hardly a gap between them, as of an opened sheet of
    letters; and its maps.

    That lines end there is to be seen only by all of them together, so that composed crops have to
    teach it.
    """
    gap, fold = spacing * float(rng.uniform(0.3, 2.5)), side * float(rng.uniform(0.3, 0.7))
    turn = float(np.deg2rad(rng.normal(0, 1.5)))
    crop = np.zeros((side, side), np.float32)
    maps = np.zeros((len(MAPS), side // STRIDE, side // STRIDE), np.float32)
    for page, sign in ((left, -1.0), (right, 1.0)):
        scale = float(np.exp(rng.uniform(np.log(0.8), np.log(1.3))))
        rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        middle = (
            page.lines[int(rng.integers(len(page.lines)))][0].mean(axis=0)
            if page.lines
            else np.zeros(2, np.float32)
        )
        shift = np.array([0.0, side / 2 + rng.uniform(-0.2, 0.2) * side]) - rotation @ middle
        ends = [base @ rotation.T + shift for base, _ in page.lines]
        shown = [
            end[:, 0] for end in ends if (end[:, 1] > 0).any() and (end[:, 1] < side).any()
        ] or [np.zeros(1)]
        nearest = np.concatenate(shown).max() if sign < 0 else np.concatenate(shown).min()
        shift[0] += fold + sign * gap / 2 - nearest
        matrix = np.column_stack([rotation, shift])

        def to_output(points: Floats, matrix: NDArray[np.float64] = matrix) -> Floats:
            return np.asarray((points @ matrix[:, :2].T + matrix[:, 2]) / STRIDE, np.float32)

        half = np.s_[:, : int(fold)] if sign < 0 else np.s_[:, int(fold) :]
        half_map = (
            np.s_[:, :, : int(fold) // STRIDE] if sign < 0 else np.s_[:, :, int(fold) // STRIDE :]
        )
        crop[half] = _warp_crop(page.ink, matrix, np.zeros(side), side)[half]
        maps[half_map] = draw_maps(page.lines, to_output, side // STRIDE)[half_map]
    return add_scan_frame(degrade(crop, rng), maps, rng)


def _warp_crop(
    ink: NDArray[np.uint8], matrix: NDArray[np.float64], lift: NDArray[np.floating], side: int
) -> Floats:
    """A square of a page, every column of it lifted by so many pixels; 0 to 1, with paper around
    the page."""
    back = cv2.invertAffineTransform(matrix)
    x, y = np.meshgrid(np.arange(side, dtype=np.float64), np.arange(side, dtype=np.float64))
    y += lift
    at = [(back[k, 0] * x + back[k, 1] * y + back[k, 2]).astype(np.float32) for k in (0, 1)]
    return np.asarray(
        cv2.remap(ink, at[0], at[1], cv2.INTER_LINEAR).astype(np.float32) / np.float32(255.0)
    )


def degrade(crop: Floats, rng: np.random.Generator) -> Floats:
    """A crop with its ink and paper varied: strength, noise, blur, resolution and rules."""
    side = crop.shape[0]
    crop = crop ** float(np.exp(rng.normal(0, 0.35))) * np.float32(rng.uniform(0.5, 1.1))
    if rng.random() < 0.2:
        small = cv2.resize(
            crop, None, fx=(f := rng.uniform(0.4, 0.9)), fy=f, interpolation=cv2.INTER_AREA
        )
        crop = np.asarray(
            cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.float32
        )
    if rng.random() < 0.3:
        crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 1.2)), np.float32)
    for axis, share in ((0, 0.25), (1, 0.12)):  # ruled paper, and the columns of a table
        if rng.random() < share:
            apart, first = rng.uniform(10, 40) * (1 + 4 * axis), rng.uniform(0, 10)
            strokes = np.arange(first, side, apart).astype(int)
            ruled = crop if axis == 0 else crop.T
            ruled[strokes] = np.maximum(ruled[strokes], np.float32(rng.uniform(0.1, 0.7)))
    if rng.random() < 0.4:
        crop = crop + rng.normal(0, rng.uniform(0.01, 0.08), crop.shape).astype(np.float32)
    return np.ascontiguousarray(crop, np.float32)


def add_scan_frame(
    crop: Floats, targets: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Some crops with the dark frame of a scan along an edge, beyond which nothing is to be seen.

    Args:
        crop: (side, side).
        targets: (maps, n, n), where n divides the side.
    """
    if rng.random() < FRAME_SHARE:
        edge, share = int(rng.integers(4)), float(rng.uniform(0.02, 0.3))
        beyond = np.rot90(crop, edge)[: int(share * len(crop))]
        beyond[:] = rng.uniform(0, 0.3) + rng.uniform(0, 0.5) * rng.random(beyond.shape)
        beyond[-2:] = rng.uniform(0.3, 1.0)
        np.rot90(targets, edge, axes=(1, 2))[:, : int(share * targets.shape[1])] = 0.0
    return crop, targets
