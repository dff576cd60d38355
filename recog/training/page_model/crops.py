"""Random crops of pages with their target maps, to train the network that finds lines on."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.model.page_model import MAPS
from recog.segment.page_lines import STRIDE
from recog.training.page_model.data import Floats, Page, Shape

BASELINE_WIDTH, END_RADIUS = 3, 4  # pixels of the output
MAX_SLOPE = 40.0  # degrees from level; steeper lines are not in the maps
FRAME_SHARE = 0.08  # of the crops, those with some of the frame of a scan
SCALES = (0.6, 1.6)  # of the writing's size, relative to the size that the network is made for
Warp = Callable[[Floats], Floats]  # points of the page -> points of a crop


def draw_maps(lines: tuple[Shape, ...], warp: Warp, side: int) -> Floats:
    """The target maps of a crop (maps, side, side); steep lines are left out.

    Args:
        warp: from points of the scaled page to points of the maps.
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


def draw_point(line: Floats, rng: np.random.Generator) -> Floats:
    """A random point of a polyline."""
    return np.asarray(line[int(rng.integers(len(line)))])


def draw_crop(
    page: Page, rng: np.random.Generator, side: int, *, spacing: float, behind: Page | None = None
) -> tuple[Floats, Floats]:
    """Draw a crop of a page, distorted and degraded, and its maps.

    Args:
        spacing: pixels between lines that the network is made for. Half of the crops around a line
            are scaled by that line's size, for pages on which sizes differ.
        behind: a page whose ink shines through.
    """
    height, width = page.ink.shape
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    if page.lines and rng.random() < 0.6:  # at the end or a bend of a line
        k = int(rng.integers(len(page.lines)))
        centre = draw_point(page.lines[k][0], rng)
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
        bleed = cv2.GaussianBlur(
            _warp_crop(behind.ink, mirrored, np.zeros(side), side), (0, 0), rng.uniform(0.8, 2.5)
        )
        crop = np.maximum(crop, np.float32(rng.uniform(0.1, 0.7)) * bleed)
    return add_scan_frame(degrade(crop, rng), draw_maps(page.lines, to_output, side // STRIDE), rng)


def draw_facing(
    left: Page, right: Page, rng: np.random.Generator, side: int, *, spacing: float
) -> tuple[Floats, Floats]:
    """Draw a crop of two facing pages with a narrow gap, and its maps.

    Only all the lines together show that they end at the gap, and few corpora have such pages.
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
    """Warp a square out of a page, 0 to 1, with paper around the page.

    Args:
        matrix: (2, 3) affine map from the page to the square.
        lift: (side,) pixels by which each column is moved up.
    """
    back = cv2.invertAffineTransform(matrix)
    x, y = np.meshgrid(np.arange(side, dtype=np.float64), np.arange(side, dtype=np.float64))
    y += lift
    at = [(back[k, 0] * x + back[k, 1] * y + back[k, 2]).astype(np.float32) for k in (0, 1)]
    return np.asarray(
        cv2.remap(ink, at[0], at[1], cv2.INTER_LINEAR).astype(np.float32) / np.float32(255.0)
    )


def degrade(crop: Floats, rng: np.random.Generator) -> Floats:
    """Vary the ink and the paper of a crop: strength, noise, blur, resolution and rules."""
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
    """Put the dark frame of a scan along an edge of some crops, and clear the targets there.

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
