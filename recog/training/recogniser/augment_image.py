"""Augmentation of line strips. Every function is a pure function of its random generator."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Strip = NDArray[np.uint8]
WIDEST = 32_000  # columns: OpenCV warps in coordinates of 16 bits


def draw_stretch(rng: np.random.Generator) -> float:
    """Draw the factor of a line's width; batches are planned with it."""
    return float(np.exp(np.clip(rng.normal(0.0, 0.10), -0.25, 0.25)))


def affine(strip: Strip, rng: np.random.Generator, stretch: float) -> Strip:
    """Slant, rotation, scale in both directions and a small shift, in one warp."""
    height, width = strip.shape
    scale = float(np.exp(rng.normal(0.0, 0.06)))
    slant = float(rng.normal(0.0, 0.15))
    turn = float(np.clip(rng.normal(0.0, 0.012), -0.03, 0.03)) * min(1.0, 600.0 / width)
    shift = float(rng.normal(0.0, 0.03)) * height
    out = max(8, round(width * stretch))
    matrix = np.array(
        [
            [stretch, -slant, slant * height / 2],
            [turn * scale, scale, (1 - scale) * height / 2 + shift - turn * width / 2],
        ],
        dtype=np.float64,
    )
    warped = cv2.warpAffine(strip, matrix, (out, height), flags=cv2.INTER_LINEAR)
    return warped  # type: ignore[return-value]


def elastic(strip: Strip, rng: np.random.Generator) -> Strip:
    """Elastic distortion: a smooth random displacement field (Simard et al. 2003)."""
    height, width = strip.shape
    cell = 12.0
    grid = (max(2, int(height / cell) + 1), max(2, int(width / cell) + 1))
    amplitude = float(rng.uniform(0.3, 1.6))
    field = rng.normal(0.0, amplitude, (2, *grid)).astype(np.float32)
    dx = cv2.resize(field[0], (width, height), interpolation=cv2.INTER_CUBIC)
    dy = cv2.resize(field[1], (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(strip, x + dx, y + dy, cv2.INTER_LINEAR)  # type: ignore[return-value]


def contrast(strip: Strip, rng: np.random.Generator) -> Strip:
    """Gamma, gain and paper noise."""
    gamma = float(np.exp(rng.normal(0.0, 0.25)))
    gain = float(rng.uniform(0.7, 1.1))
    table = np.clip(255.0 * gain * (np.arange(256) / 255.0) ** gamma, 0, 255).astype(np.uint8)
    out = cv2.LUT(strip, table)
    if rng.random() < 0.3:
        noise = rng.integers(0, int(rng.integers(6, 60)), strip.shape, dtype=np.uint8)
        out = cv2.add(out, noise)
    return out  # type: ignore[return-value]


def rub_out(strip: Strip, rng: np.random.Generator) -> Strip:
    """Cover some ink with patches of paper, as SpecAugment masks spectrograms.

    There is at most one patch for two heights of width, each up to half a height wide.
    """
    height, width = strip.shape
    out = strip.copy()
    for _ in range(int(rng.integers(1, 2 + width // (2 * height)))):
        left, across = int(rng.integers(0, width)), int(rng.integers(2, height // 2 + 1))
        top, tall = (
            int(rng.integers(-height // 2, height)),
            int(rng.integers(height // 3, height + 1)),
        )
        out[max(0, top) : top + tall, left : left + across] = 0
    return out


def stroke(strip: Strip, rng: np.random.Generator) -> Strip:
    """Thicker or thinner pen, or a slight blur."""
    kind = rng.integers(0, 3)
    if kind == 0:
        return cv2.dilate(strip, np.ones((2, 2), np.uint8))  # type: ignore[return-value]
    if kind == 1:
        thin = cv2.erode(strip, np.ones((2, 2), np.uint8))
        return cv2.addWeighted(strip, 0.4, thin, 0.6, 0)  # type: ignore[return-value]
    blurred = cv2.GaussianBlur(strip, (3, 3), float(rng.uniform(0.4, 1.0)))
    return blurred  # type: ignore[return-value]


def augment(strip: Strip, rng: np.random.Generator, stretch: float = 1.0) -> Strip:
    """Apply the whole chain; the result is ``round(width * stretch)`` wide."""
    height, width = strip.shape
    if width * max(1.0, stretch) < WIDEST:
        strip = affine(strip, rng, stretch)
        if rng.random() < 0.3:
            strip = elastic(strip, rng)
    else:
        out = (max(8, round(width * stretch)), height)
        strip = cv2.resize(strip, out)  # type: ignore[assignment]
    if rng.random() < 0.3:
        strip = stroke(strip, rng)
    if rng.random() < 0.6:
        strip = contrast(strip, rng)
    if rng.random() < 0.3:
        strip = rub_out(strip, rng)
    return strip
