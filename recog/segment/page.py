"""A page -> its lines of writing, in reading order: each a baseline and an outline, in pixels of the page."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.model.folder import GRAPH
from recog.model.onnx_check import check_onnx
from recog.model.onnx_run import run_graph
from recog.model.page import MAPS, PageBundle
from recog.segment.baselines import find_baselines, outlines
from recog.segment.order import reading_order, slope
from recog.segment.own import own_lines
from recog.transcript import Point

STRIDE = 2  # pixels of the network's input to one of its output
OPERATORS = frozenset({"Resize", "Sigmoid"})  # that a page network has beside those of a recogniser
MULTIPLE = 32  # of which the sides of its input must be
ASKEW = 0.005  # pixels that lines fall or rise for one to the right, from which a page is levelled
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
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        fits = len(inputs) == len(outputs) == 1 and len(inputs[0].shape) == len(outputs[0].shape) == 4
        if not fits or outputs[0].shape[1] != len(bundle.config.network.maps):
            raise UserError(f"{path}: the network does not have the inputs and outputs that the config says.")
        self._input, self._path = inputs[0].name, path

    def lines(self, image: NDArray[np.uint8], *, notes: bool = False) -> Lines:
        """The lines of a grey page (height, width), in reading order.

        Args:
            notes: also those that are no writing of the page's own, but notes, visas and stamps of others on it.
        """
        ink, scale = page_ink(image, self.bundle.config.network.side)
        ink, back = levelled(ink, slope(find_baselines(self._run(_halved(ink)))))
        maps = self._run(ink)
        found = find_baselines(maps)
        if not found:
            return []
        polygons = outlines(found, maps[2])
        if len(maps) > len(MAPS) and not notes:
            own = np.flatnonzero(own_lines(found, maps[len(MAPS)]))
            found, polygons = [found[k] for k in own], [polygons[k] for k in own]
        height, width = image.shape
        limits = np.array([width - 1, height - 1], np.float64)

        def on_page(points: NDArray[np.float64]) -> tuple[Point, ...]:
            askew = ((points + 0.5) * STRIDE - 0.5) @ back[:, :2].T + back[:, 2]
            placed = np.clip((askew + 0.5) / scale - 0.5, 0.0, limits)
            return tuple((round(float(x), 1), round(float(y), 1)) for x, y in placed)

        return [(on_page(found[k]), on_page(polygons[k])) for k in reading_order(found, float(maps.shape[2]))]

    def written(self, image: NDArray[np.uint8]) -> float:
        """How much writing runs from left to right on a page: the length of its baselines, in pixels of a small copy."""
        ink, _ = page_ink(image, self.bundle.config.network.side // 2)
        found = find_baselines(self._run(ink))
        return float(sum(line[-1, 0] - line[0, 0] for line in found))

    def _run(self, ink: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = ink.shape
        padded = np.zeros((-height % MULTIPLE + height, -width % MULTIPLE + width), np.float32)
        padded[:height, :width] = ink
        [[found]] = run_graph(self._session, self._path, {self._input: padded[None, None]})
        return np.ascontiguousarray(found[:, : -(-height // STRIDE), : -(-width // STRIDE)])


def levelled(ink: NDArray[np.float32], slope: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A page turned so that lines which fall ``slope`` pixels for one to the right are level, all of it kept, and the
    (2, 3) matrix from its pixels back to those of the page as it was. Hardly askew, it stays."""
    if abs(slope) < ASKEW:
        return ink, np.eye(2, 3)
    height, width = ink.shape
    cosine, sine = np.cos(np.arctan(slope)), np.sin(np.arctan(slope))
    back = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    shape = np.ceil(np.abs(back[:, :2]) @ (width, height)).astype(int)
    back[:, 2] = (width - 1) / 2, (height - 1) / 2
    back[:, 2] -= back[:, :2] @ ((shape - 1) / 2)
    level = cv2.warpAffine(ink, back, shape.tolist(), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return level.astype(np.float32, copy=False), back


def _halved(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = ink.shape
    half = cv2.resize(ink, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    return half.astype(np.float32, copy=False)


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
