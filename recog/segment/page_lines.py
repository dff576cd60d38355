"""Segment a page into lines, in reading order: each a baseline and an outline in pixels.

The geometry network reads a reduced copy and gives the distance and the direction of the lines
(:mod:`recog.segment.page_geometry`). Then the page is scaled to the distance that the line network
was trained on, and deskewed. Large pages go through the line network in tiles.
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
    PageModelFolder,
    open_page_model_folder,
)
from recog.segment.baselines import find_baselines, outlines
from recog.segment.fold import split_at_fold
from recog.segment.line_spacing import writing_size
from recog.segment.marginalia import main_text_lines
from recog.segment.page_geometry import CELL, PageGeometry, page_geometry
from recog.segment.reading_order import is_table, reading_order
from recog.transcript import Point

STRIDE = 2  # pixels of the network's input to a pixel of its output
OPERATORS = frozenset({"Resize", "Sigmoid"})  # of a page network beside those of a recogniser
MULTIPLE = 32  # the sides of the network's input are multiples of it
ASKEW = 0.005  # pixels that lines fall or rise for one to the right, from which a page is deskewed
# pixels of a tile of the page, and of the context around it
TILE, HALO = 1536, 96
MOST_PIXELS = 24_000_000  # of a scaled page; larger pages are scaled down further
MISMATCH = 1.35  # ratio of measured to estimated size of writing, from which a page is scaled anew
FAINTEST = 0.15 * 255  # darkness of the faintest ink, to a paper of 0
# darkness of a stroke to that in a quarter-sized copy, where it is thinner than a pixel
STROKE = 1.25
Contrast = Literal["page", "local"]
Lines = list[tuple[tuple[Point, ...], tuple[Point, ...]]]  # baseline and polygon of each


class PageSegmenter:
    """Segments pages into lines. Thread-safe.

    Args:
        model_folder: a page model. Without a geometry network it uses that of the shipped model.
    """

    def __init__(self, model_folder: PageModelFolder) -> None:
        self.model_folder = model_folder
        self._session = open_session(model_folder.file(GRAPH), also=OPERATORS)
        self._input = _input_name(
            self._session, model_folder, GRAPH, len(model_folder.config.network.maps)
        )

    @cached_property
    def _geometry(self) -> tuple[PageModelFolder, Any, str]:
        """The page model with a geometry network, the network, and the name of its input."""
        model_folder = (
            self.model_folder
            if self.model_folder.config.geometry is not None
            else open_page_model_folder(DEFAULT)
        )
        session = open_session(model_folder.file(GEOMETRY_GRAPH), also=OPERATORS)
        return (
            model_folder,
            session,
            _input_name(session, model_folder, GEOMETRY_GRAPH, len(GEOMETRY_MAPS)),
        )

    def geometry(self, image: NDArray[np.uint8]) -> PageGeometry:
        """The size and direction of the writing of a grey page (height, width)."""
        model_folder, session, name = self._geometry
        assert model_folder.config.geometry is not None
        scale = model_folder.config.geometry.side / max(image.shape)
        [[maps]] = run_graph(
            session, model_folder.path / GEOMETRY_GRAPH, {name: _padded(page_ink(image, scale))}
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
            geometry: of the page; None estimates it first.
            marginalia: keep lines that are no main text: notes, visas and stamps by other hands.
            table: whether the page is a table, which is read row by row; None detects it.
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
        """The lines that run in the main direction of a page, in reading order."""
        network = self.model_folder.config.network
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
            measured = STRIDE * writing_size(list(zip(baselines, polygons, strict=True))) / scale
            if last or not measured or max(measured / size, size / measured) < MISMATCH:
                break
            size = measured
        table = is_table(baselines) if table is None else table
        # all lines of a table are main text
        if len(maps) > len(MAPS) and not marginalia and not table:
            main = np.flatnonzero(main_text_lines(baselines, maps[len(MAPS)]))
            baselines, polygons = [baselines[k] for k in main], [polygons[k] for k in main]
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
        """The lines of a part of a page, given by its cells, whose writing has its own geometry."""
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
        """Run the line network on a page (height, width), tile by tile.

        Returns:
            (maps, height / 2, width / 2).
        """
        height, width = ink.shape
        if height <= TILE + HALO and width <= TILE + HALO:
            return self._run(ink)
        maps = np.zeros(
            (len(self.model_folder.config.network.maps), -(-height // STRIDE), -(-width // STRIDE)),
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
        """Run the line network on one tile."""
        height, width = ink.shape
        [[maps]] = run_graph(
            self._session, self.model_folder.path / GRAPH, {self._input: _padded(ink)}
        )
        return np.ascontiguousarray(maps[:, : -(-height // STRIDE), : -(-width // STRIDE)])


def _unrotate(points: tuple[Point, ...], turns: int, shape: tuple[int, int]) -> tuple[Point, ...]:
    """Map points of a turned image to the original image.

    Args:
        turns: quarter turns, counter-clockwise, that the image was given.
        shape: height and width of the original.
    """
    height, width = shape
    return tuple(
        ((x, y), (width - 1 - y, x), (width - 1 - x, height - 1 - y), (y, height - 1 - x))[turns]
        for x, y in points
    )


def _lies_in(
    line: tuple[tuple[Point, ...], tuple[Point, ...]], cells: NDArray[np.bool_], scale: float
) -> bool:
    """Whether most of a baseline lies in these cells of a page."""
    corners = np.array(line[0])
    along = np.linspace(0.0, len(corners) - 1, 16)
    points = np.stack(
        [np.interp(along, np.arange(len(corners)), corners[:, k]) for k in (1, 0)], axis=1
    )
    at = np.clip((points * scale / CELL).astype(int), 0, np.array(cells.shape) - 1)
    return float(cells[at[:, 0], at[:, 1]].mean()) > 0.5


def _cuts(length: int) -> list[tuple[int, int]]:
    """Cut a side into parts of about a tile, equal but for the last."""
    count = max(1, round(length / TILE))
    step = -(-length // count)
    step += step % STRIDE
    return [(start, min(length, start + step)) for start in range(0, length, step)]


def _padded(ink: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A page as a batch of one, paper 0 to ink 1, padded with paper until it fits the network."""
    height, width = ink.shape
    padded = np.zeros(
        (1, 1, -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE), np.float32
    )
    np.multiply(ink, np.float32(1 / 255), out=padded[0, 0, :height, :width])
    return padded


def _input_name(session: Any, model_folder: PageModelFolder, graph: str, maps: int) -> str:
    """The name of the only input of a page network.

    Raises:
        UserError: the network has other inputs, or another output than so many maps.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    fits = len(inputs) == len(outputs) == 1 and len(inputs[0].shape) == len(outputs[0].shape) == 4
    if not fits or outputs[0].shape[1] != maps:
        raise UserError(
            f"{model_folder.path / graph}: the network does not have the inputs and outputs that "
            "the "
            "config says."
        )
    return str(inputs[0].name)


def deskew(ink: NDArray[np.uint8], slope: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Turn a page so that lines which fall ``slope`` pixels for one to the right are level.

    Returns:
        The whole page turned, and the (2, 3) matrix from its pixels to those of the original. A
        small slope changes nothing.
    """
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
    """Prepare a page for the network: scaled, paper 0 and ink up to 255 for any light and pen.

    Args:
        image: (height, width) grey.
        scale: factor of its sides.
        contrast: what becomes 255: the darkest ink of the "page", or of the "local" neighbourhood.
            The latter keeps faint writing beside a black frame as strong as other writing.

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
        floor = max(FAINTEST, 0.4 * float(np.median(written))) if written.size else FAINTEST
        darkest = np.maximum(STROKE * near.astype(np.float32), floor)
    full = cv2.resize(
        np.clip(darkest, 1.0, 255.0).astype(np.uint8), shape, interpolation=cv2.INTER_LINEAR
    )
    return np.asarray(cv2.divide(ink, full, scale=255.0), np.uint8)
