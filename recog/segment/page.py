"""A page -> its lines of writing, in reading order: each a baseline and an outline, in pixels of the page."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.model.folder import GRAPH
from recog.model.onnx_check import check_onnx
from recog.model.page import MAPS, PageBundle
from recog.segment.baselines import find_baselines, outlines, reading_order
from recog.transcript import Point

STRIDE = 2  # pixels of the network's input to one of its output
OPERATORS = frozenset({"Resize", "Sigmoid"})  # that a page network has beside those of a recogniser
MULTIPLE = 32  # of which the sides of its input must be
Lines = list[tuple[tuple[Point, ...], tuple[Point, ...]]]  # baseline and polygon of each


class PageSegmenter:
    """Finds the lines of pages. Thread-safe.

    Args:
        bundle: a page model.
    """

    def __init__(self, bundle: PageBundle) -> None:
        import onnxruntime

        self.bundle = bundle
        path = self.bundle.file(GRAPH)
        check_onnx(path, also=OPERATORS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
            raise UserError(f"{path}: ONNX Runtime cannot load it ({str(error).splitlines()[0][:200]}).") from None

    def lines(self, image: NDArray[np.uint8]) -> Lines:
        """The lines of a grey page (height, width), in reading order."""
        maps, scale = self.maps(image)
        found = find_baselines(maps)
        if not found:
            return []
        polygons = outlines(found, maps[2])
        order = reading_order(found, float(maps.shape[2]))
        height, width = image.shape
        limits = np.array([width - 1, height - 1], np.float64)

        def on_page(points: NDArray[np.float64]) -> tuple[Point, ...]:
            placed = np.clip((points + 0.5) / scale - 0.5, 0.0, limits)
            return tuple((round(float(x), 1), round(float(y), 1)) for x, y in placed)

        return [(on_page(found[k]), on_page(polygons[k])) for k in order]

    def written(self, image: NDArray[np.uint8]) -> float:
        """How much writing runs from left to right on a page: the length of its baselines, in pixels of a small copy."""
        ink, _ = page_ink(image, self.bundle.config.network.side // 2)
        found = find_baselines(self._run(ink))
        return float(sum(line[-1, 0] - line[0, 0] for line in found))

    def maps(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
        """Probabilities (maps, height, width), see :data:`recog.model.page.MAPS`, and their pixels for one of the page."""
        ink, scale = page_ink(image, self.bundle.config.network.side)
        return self._run(ink), scale / STRIDE

    def _run(self, ink: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = ink.shape
        padded = np.zeros((-height % MULTIPLE + height, -width % MULTIPLE + width), np.float32)
        padded[:height, :width] = ink
        found = self._session.run(None, {self._session.get_inputs()[0].name: padded[None, None]})[0][0]
        assert len(found) == len(MAPS)
        return np.ascontiguousarray(found[:, : -(-height // STRIDE), : -(-width // STRIDE)])


def page_ink(image: NDArray[np.uint8], side: int) -> tuple[NDArray[np.float32], float]:
    """A page as its network sees it: scaled to ``side`` pixels, paper 0 and ink up to 1 whatever the light was.

    Returns:
        (height, width) ink, and the scale.
    """
    scale = side / max(image.shape)
    shape = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(image, shape, interpolation=way)
    small = cv2.resize(grey, (max(1, shape[0] // 4), max(1, shape[1] // 4)), interpolation=cv2.INTER_AREA)
    paper = cv2.GaussianBlur(cv2.dilate(small, np.ones((9, 9), np.uint8)), (0, 0), 8)
    light = cv2.resize(paper, shape, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    ink = 1.0 - np.minimum(grey / np.maximum(light, 1.0), 1.0)
    darkest = max(float(np.percentile(ink[::4, ::4], 99.5)), 0.15)
    return np.clip(ink / darkest, 0.0, 1.0).astype(np.float32), scale
