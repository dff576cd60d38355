"""A page -> its lines of writing, in reading order: each a baseline and an outline, in pixels of
the page.

The scale follows the writing. A first look at a reduced copy tells how far apart the lines are and
which way they run (:mod:`recog.segment.page_geometry`); then the page is scaled so that they are as
far apart as the line network was trained on, and levelled. Large pages go through it in tiles.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.model.folder import GRAPH
from recog.model.onnx_session import open_session, run_graph
from recog.model.page_model import (
    DEFAULT,
    GEOMETRY_GRAPH,
    GEOMETRY_MAPS,
    MAPS,
    PageBundle,
    open_page_bundle,
)
from recog.segment.baselines import find_baselines, outlines
from recog.segment.fold import split_at_fold
from recog.segment.line_spacing import writing_size
from recog.segment.marginalia import main_text_lines
from recog.segment.page_geometry import CELL, PageGeometry, page_geometry
from recog.segment.reading_order import is_table, reading_order
from recog.transcript import Point

STRIDE = 2  # pixels of the network's input to one of its output
OPERATORS = frozenset({"Resize", "Sigmoid"})  # that a page network has beside those of a recogniser
MULTIPLE = 32  # of which the sides of its input must be
ASKEW = 0.005  # pixels that lines fall or rise for one to the right, from which a page is levelled
# pixels of a page that the network sees at once, and what it sees around them
TILE, HALO = 1536, 96
MOST_PIXELS = 24_000_000  # of a scaled page: larger ones are looked at in a coarser copy
MISMATCH = 1.35  # how far the lines that are found may differ in size from what the first look said
FAINTEST = 0.15 * 255  # of the light of the paper that ink takes away, at least: less is paper
STROKE = 1.25  # times what a quarter-sized copy has of it, where strokes are thinner than a pixel
Contrast = Literal["page", "local"]
Lines = list[tuple[tuple[Point, ...], tuple[Point, ...]]]  # baseline and polygon of each


class PageSegmenter:
    """Finds the lines of pages. Thread-safe.

    Args:
        bundle: a page model. One without a geometry network takes that of the shipped model.
    """

    def __init__(self, bundle: PageBundle) -> None:
        self.bundle = bundle
        self._session = open_session(bundle.file(GRAPH), also=OPERATORS)
        self._input = _input_name(self._session, bundle, GRAPH, len(bundle.config.network.maps))

    @cached_property
    def _geometry(self) -> tuple[PageBundle, Any, str]:
        """The model whose geometry network is used, that network and the name of its input."""
        bundle = (
            self.bundle if self.bundle.config.geometry is not None else open_page_bundle(DEFAULT)
        )
        session = open_session(bundle.file(GEOMETRY_GRAPH), also=OPERATORS)
        return bundle, session, _input_name(session, bundle, GEOMETRY_GRAPH, len(GEOMETRY_MAPS))

    def geometry(self, image: NDArray[np.uint8]) -> PageGeometry:
        """How large the writing of a grey page (height, width) is, in its pixels, and which way it
        runs."""
        bundle, session, name = self._geometry
        assert bundle.config.geometry is not None
        scale = bundle.config.geometry.side / max(image.shape)
        [[maps]] = run_graph(
            session, bundle.path / GEOMETRY_GRAPH, {name: _padded(page_ink(image, scale))}
        )
        rows, columns = (-(-round(n * scale) // CELL) for n in image.shape)
        return page_geometry(maps[:, :rows, :columns], scale)

    def lines(
        self,
        image: NDArray[np.uint8],
        geometry: PageGeometry | None = None,
        *,
        marginalia: bool = False,
        table: bool | None = None,
    ) -> Lines:
        """The lines of an upright grey page (height, width), in reading order.

        Args:
            geometry: of the page, where it is known; else it is looked at first.
            marginalia: also those that are no writing of the page's own, but notes, visas and
                stamps of others on it.
            table: whether the page is a table, which is read row by row; None finds out.
        """
        geometry = geometry or self.geometry(image)
        lines = self._lines_along_main_axis(image, geometry, marginalia, table)
        for cells, part in geometry.regions():
            others = self._region_lines(image, cells, part, marginalia)
            if others:
                lines = [
                    line for line in lines if not _lies_in(line, cells, geometry.scale)
                ] + others
        return lines

    def _lines_along_main_axis(
        self,
        image: NDArray[np.uint8],
        geometry: PageGeometry,
        marginalia: bool,
        table: bool | None = None,
    ) -> Lines:
        """The lines that run as most of a page do, in reading order."""
        network = self.bundle.config.network
        size = geometry.size or network.spacing * max(image.shape) / network.side
        slope = float(
            np.tan(np.deg2rad(np.clip((geometry.angle + 45.0) % 90.0 - 45.0, -44.0, 44.0)))
        )
        for last in (False, True):
            scale = min(network.spacing / size, (MOST_PIXELS / image.size) ** 0.5)
            ink, back = deskew(
                page_ink(image, scale, network.contrast), slope if geometry.cells else 0.0
            )
            maps = self._maps(ink)
            baselines = find_baselines(maps)
            if not baselines:
                return []
            baselines = [
                line / STRIDE
                for line in split_at_fold(
                    [STRIDE * line for line in baselines], ink, network.spacing
                )
            ]
            polygons = outlines(baselines, maps[2])
            seen = STRIDE * writing_size(list(zip(baselines, polygons, strict=True))) / scale
            if last or not seen or max(seen / size, size / seen) < MISMATCH:
                break
            size = seen
        table = is_table(baselines) if table is None else table
        if (
            len(maps) > len(MAPS) and not marginalia and not table
        ):  # what stands in a table is of it
            own = np.flatnonzero(main_text_lines(baselines, maps[len(MAPS)]))
            baselines, polygons = [baselines[k] for k in own], [polygons[k] for k in own]
        limits = np.array([image.shape[1] - 1, image.shape[0] - 1], np.float64)

        def on_page(points: NDArray[np.float64]) -> tuple[Point, ...]:
            askew = ((points + 0.5) * STRIDE - 0.5) @ back[:, :2].T + back[:, 2]
            placed = np.clip((askew + 0.5) / scale - 0.5, 0.0, limits)
            return tuple((round(float(x), 1), round(float(y), 1)) for x, y in placed)

        order = reading_order(baselines, float(maps.shape[2]), table=table)
        return [(on_page(baselines[k]), on_page(polygons[k])) for k in order]

    def _region_lines(
        self,
        image: NDArray[np.uint8],
        cells: NDArray[np.bool_],
        geometry: PageGeometry,
        marginalia: bool,
    ) -> Lines:
        """The lines of a part of a page (rows, columns of cells) that run in a direction of their
        own."""
        rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
        step, around = CELL / geometry.scale, geometry.size
        top, left = (max(0, int(first[0] * step - around)) for first in (rows, columns))
        bottom, right = (int((last[-1] + 1) * step + around) for last in (rows, columns))
        part, turns = image[top:bottom, left:right], geometry.quarter
        height, width = part.shape
        turned = np.ascontiguousarray(np.rot90(part, turns))
        lines = []
        for baseline, polygon in self._lines_along_main_axis(
            turned, geometry.turned(turns), marginalia
        ):
            placed = tuple(
                tuple(
                    (round(x + left, 1), round(y + top, 1))
                    for x, y in _unrotate(points, turns, (height, width))
                )
                for points in (baseline, polygon)
            )
            if _lies_in((placed[0], placed[1]), cells, geometry.scale):
                lines.append((placed[0], placed[1]))
        return lines

    def _maps(self, ink: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the line network says of a page (height, width): (maps, height / 2, width / 2), tile
        by tile."""
        height, width = ink.shape
        if height <= TILE + HALO and width <= TILE + HALO:
            return self._run(ink)
        maps = np.zeros(
            (len(self.bundle.config.network.maps), -(-height // STRIDE), -(-width // STRIDE)),
            np.float32,
        )
        rows, columns = (_cuts(n) for n in ink.shape)
        for top, bottom in rows:
            for left, right in columns:
                y, x = max(0, top - HALO), max(0, left - HALO)
                tile = ink[y : bottom + HALO, x : right + HALO]
                if not tile.any():
                    continue
                down, across = (top - y) // STRIDE, (left - x) // STRIDE
                to = np.s_[
                    :, top // STRIDE : -(-bottom // STRIDE), left // STRIDE : -(-right // STRIDE)
                ]
                part = self._run(tile)[
                    :, down : down + maps[to].shape[1], across : across + maps[to].shape[2]
                ]
                maps[to] = part
        return maps

    def _run(self, ink: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = ink.shape
        [[maps]] = run_graph(self._session, self.bundle.path / GRAPH, {self._input: _padded(ink)})
        return np.ascontiguousarray(maps[:, : -(-height // STRIDE), : -(-width // STRIDE)])


def _unrotate(points: tuple[Point, ...], turns: int, shape: tuple[int, int]) -> tuple[Point, ...]:
    """Points of a picture that was turned counter-clockwise by so many times 90 degrees, before it
    was.

    Args:
        shape: height and width before.
    """
    height, width = shape
    return tuple(
        ((x, y), (width - 1 - y, x), (width - 1 - x, height - 1 - y), (y, height - 1 - x))[turns]
        for x, y in points
    )


def _lies_in(
    line: tuple[tuple[Point, ...], tuple[Point, ...]], cells: NDArray[np.bool_], scale: float
) -> bool:
    """Whether most of a line's baseline lies in these cells of a page."""
    corners = np.array(line[0])
    along = np.linspace(0.0, len(corners) - 1, 16)
    points = np.stack(
        [np.interp(along, np.arange(len(corners)), corners[:, k]) for k in (1, 0)], axis=1
    )
    at = np.clip((points * scale / CELL).astype(int), 0, np.array(cells.shape) - 1)
    return float(cells[at[:, 0], at[:, 1]].mean()) > 0.5


def _cuts(length: int) -> list[tuple[int, int]]:
    """A side in parts of about a tile, even but for the last."""
    count = max(1, round(length / TILE))
    step = -(-length // count)
    step += step % STRIDE
    return [(start, min(length, start + step)) for start in range(0, length, step)]


def _padded(ink: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A page as a batch of one, paper 0 to ink 1, with paper to the right and below until its sides
    fit the network."""
    height, width = ink.shape
    padded = np.zeros(
        (1, 1, -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE), np.float32
    )
    np.multiply(ink, np.float32(1 / 255), out=padded[0, 0, :height, :width])
    return padded


def _input_name(session: Any, bundle: PageBundle, graph: str, maps: int) -> str:
    """The name of the input of a network that has one, and one output of so many maps.

    Raises:
        UserError: it has not.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    fits = len(inputs) == len(outputs) == 1 and len(inputs[0].shape) == len(outputs[0].shape) == 4
    if not fits or outputs[0].shape[1] != maps:
        raise UserError(
            f"{bundle.path / graph}: the network does not have the inputs and outputs that the "
            "config says."
        )
    return str(inputs[0].name)


def deskew(ink: NDArray[np.uint8], slope: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A page turned so that lines which fall ``slope`` pixels for one to the right are level, all
    of it kept, and the (2, 3) matrix from its pixels back to those of the page as it was. Hardly
    askew, it stays."""
    if abs(slope) < ASKEW:
        return ink, np.eye(2, 3)
    height, width = ink.shape
    cosine, sine = np.cos(np.arctan(slope)), np.sin(np.arctan(slope))
    back = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    shape = np.ceil(np.abs(back[:, :2]) @ (width, height)).astype(int)
    back[:, 2] = (width - 1) / 2, (height - 1) / 2
    back[:, 2] -= back[:, :2] @ ((shape - 1) / 2)
    level = cv2.warpAffine(ink, back, shape.tolist(), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(level, np.uint8), back


def page_ink(
    image: NDArray[np.uint8], scale: float, contrast: Contrast = "local"
) -> NDArray[np.uint8]:
    """A page as its network sees it: scaled, paper 0 and ink up to 255 whatever the light and the
    pen.

    Args:
        image: (height, width) grey.
        scale: what its sides are multiplied by.
        contrast: what is as dark as ink: the darkest of the "page", or of the "local"
            neighbourhood, so that faint writing beside a black frame is as strong as any other.

    Returns:
        (height, width) ink.
    """
    shape = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(image, shape, interpolation=way)
    small = cv2.resize(
        grey, (max(1, shape[0] // 4), max(1, shape[1] // 4)), interpolation=cv2.INTER_AREA
    )
    paper = np.maximum(cv2.GaussianBlur(cv2.dilate(small, np.ones((9, 9), np.uint8)), (0, 0), 8), 1)
    ink = cv2.bitwise_not(
        cv2.divide(grey, cv2.resize(paper, shape, interpolation=cv2.INTER_LINEAR), scale=255.0)
    )
    if contrast == "page":
        darkest = np.full(
            small.shape, max(float(np.percentile(ink[::4, ::4], 99.5)), FAINTEST), np.float32
        )
    else:
        coarse = cv2.bitwise_not(cv2.divide(small, paper, scale=255.0))
        near = cv2.GaussianBlur(cv2.dilate(coarse, np.ones((25, 25), np.uint8)), (0, 0), 12)
        written = near[near > FAINTEST / 2]
        least = max(FAINTEST, 0.4 * float(np.median(written))) if written.size else FAINTEST
        darkest = np.maximum(STROKE * near.astype(np.float32), least)
    full = cv2.resize(
        np.clip(darkest, 1.0, 255.0).astype(np.uint8), shape, interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(cv2.divide(ink, full, scale=255.0), np.uint8)
