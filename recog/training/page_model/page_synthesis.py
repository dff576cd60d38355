"""Synthetic pages with marginalia, to train the context of a page network on.

Corpora have few pages with notes by other hands, so most are synthesised. Lines of a page are
erased, or rewritten by another hand. Notes by further hands, or in print, are added below, above
and in the margins. The context learns that notes differ from the main text, and where they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.corpora.data import load_data
from recog.media.image.reader import read_image
from recog.segment.page_lines import MULTIPLE
from recog.training.page_model.data import Page, Shape
from recog.training.recipe_base import Source

MAIN, NOTE = 1, 2  # in the mask of a page
BASELINE = 0.68  # height of the baseline in a line image, from above
MIN_LINES = 4  # of a hand
FONTS = (0, 2, 3, 4, 5, 6)  # OpenCV's
Floats = NDArray[np.float32]


@dataclass
class SyntheticPage:
    """A page (height, width): its ink from 0 to 1, and a mask of main text and notes."""

    ink: Floats
    mask: NDArray[np.uint8]


class LineImages:
    """Line images, grouped by hand, of corpora that are drawn by their weights."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._corpora: list[list[list[Path]]] = []
        weights: list[float] = []
        for source in sources:
            if source.optional and not Path(source.path).exists():
                continue
            by_hand: dict[str, list[Path]] = {}
            for row in load_data(Path(source.path)):
                if row.line is None and row.split in (None, "train"):
                    name = re.sub(r"[-_]?l?\d+$", "", row.media.stem)
                    by_hand.setdefault(name, []).append(row.media)
            hands = [sorted(by_hand[name]) for name in sorted(by_hand)]
            hands = [hand for hand in hands if len(hand) >= MIN_LINES]
            if hands:
                self._corpora.append(hands)
                weights.append(source.weight)
        self._shares = np.array(weights) / max(sum(weights), 1e-9)

    def __bool__(self) -> bool:
        return bool(self._corpora)

    def draw(self, rng: np.random.Generator) -> list[Path]:
        """Draw a hand; gives its line images."""
        hands = self._corpora[int(rng.choice(len(self._corpora), p=self._shares))]
        return hands[int(rng.integers(len(hands)))]


def synthesise_page(
    page: Page, hands: LineImages, rng: np.random.Generator, *, noted: bool
) -> SyntheticPage:
    """A page with random changes, turned and scaled.

    Args:
        noted: add notes, and rewrite the lines of half of the pages.
    """
    page_image = SyntheticPage(
        page.ink.astype(np.float32) / 255.0, np.zeros(page.ink.shape, np.uint8)
    )
    lines = sorted(page.lines, key=lambda line: float(line[0][:, 1].mean()))
    spacing = _spacing(lines)
    composed = noted and bool(hands) and rng.random() < 0.5
    if composed:
        _erase_lines(page_image, lines)
        _write_lines(page_image, _consecutive_lines(lines, rng), hands.draw(rng), spacing, rng)
    else:
        _mark_main_text(page_image, lines)
        if len(lines) > 4 and rng.random() < 0.35:
            visible = _consecutive_lines(lines, rng)
            _erase_lines(
                page_image, [line for line in lines if not any(line is other for other in visible)]
            )
            _mark_main_text(page_image, visible)
    if noted and hands and rng.random() < (0.85 if composed else 0.55):
        for _ in range(int(rng.integers(1, 4))):
            _add_note(page_image, hands.draw(rng), spacing, rng)
    return _transform(page_image, rng)


def _spacing(lines: Sequence[Shape]) -> float:
    apart = np.diff(sorted(float(base[:, 1].mean()) for base, _ in lines))
    apart = apart[apart > 8]
    return float(np.median(apart)) if len(apart) else 32.0


def _consecutive_lines(lines: list[Shape], rng: np.random.Generator) -> list[Shape]:
    """A random run of consecutive lines."""
    first = 0 if rng.random() < 0.6 else int(rng.integers(0, max(1, len(lines) // 2)))
    last = (
        len(lines)
        if rng.random() < 0.4
        else int(rng.integers(min(len(lines), first + 1), len(lines) + 1))
    )
    return lines[first:last]


def _mark_main_text(page_image: SyntheticPage, lines: Sequence[Shape]) -> None:
    for _, polygon in lines:
        cv2.fillPoly(page_image.mask, [polygon.round().astype(np.int32)], MAIN)


def _erase_lines(page_image: SyntheticPage, lines: Sequence[Shape]) -> None:
    """Erase lines of a page."""
    gone = np.zeros(page_image.mask.shape, np.uint8)
    for _, polygon in lines:
        cv2.fillPoly(gone, [polygon.round().astype(np.int32)], 1)
    page_image.ink[cv2.dilate(gone, np.ones((5, 5), np.uint8)) > 0] = 0.0
    page_image.mask[gone > 0] = 0


def _write_lines(
    page_image: SyntheticPage,
    lines: list[Shape],
    hand: list[Path],
    spacing: float,
    rng: np.random.Generator,
) -> None:
    """Write line images of a hand in the place of a page's lines."""
    first, strength, height = (
        int(rng.integers(len(hand))),
        float(rng.uniform(0.45, 1.0)),
        spacing * rng.uniform(1.15, 1.75),
    )
    for number, (base, _) in enumerate(lines):
        ink = _line_ink(hand[(first + number) % len(hand)])
        across, down = base[-1] - base[0]
        length = float(np.hypot(across, down))
        stretch = float(np.clip(length * ink.shape[0] / (ink.shape[1] * height), 0.7, 1.3))
        corners = _paste_line(
            page_image,
            ink,
            base[0],
            height,
            np.arctan2(down, max(across, 1.0)),
            1.1 * length,
            strength,
            stretch,
        )
        cv2.fillPoly(page_image.mask, [corners], MAIN)


def _add_note(
    page_image: SyntheticPage, hand: list[Path], spacing: float, rng: np.random.Generator
) -> None:
    """Add a note of one to five lines, by hand or printed, where there is room."""
    count = int(rng.choice([1, 1, 2, 2, 3, 4, 5]))
    first = int(rng.integers(max(1, len(hand) - count + 1)))
    inks = [_line_ink(path) for path in hand[first : first + count]]
    height, strength = spacing * rng.uniform(0.75, 1.4), float(rng.uniform(0.4, 1.0))
    step = height * rng.uniform(0.6, 0.85)
    if rng.random() < 0.2:
        inks, height = [_printed_line(rng) for _ in inks], 0.7 * height
        step = 0.95 * height
    angle = float(np.deg2rad(rng.normal(0, 5 if rng.random() < 0.6 else 1)))
    left, top, room = _note_position(page_image, spacing, rng)
    for number, ink in enumerate(inks):
        start = np.array([left + rng.uniform(-0.3, 0.6) * spacing, top + number * step])
        length = min(room * rng.uniform(0.5, 1.0), ink.shape[1] * height / ink.shape[0])
        if _is_free(page_image.mask, _corners(start, length, height, angle)):
            corners = _paste_line(page_image, ink, start, height, angle, length, strength, 1.0)
            cv2.fillPoly(page_image.mask, [corners], NOTE)


def _note_position(
    page_image: SyntheticPage, spacing: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Left, top and largest width of a note.

    Most notes are below the main text, the others above it or in a margin.
    """
    height, width = page_image.mask.shape
    rows = np.flatnonzero((page_image.mask == MAIN).any(axis=1))
    top, bottom = (int(rows[0]), int(rows[-1])) if len(rows) else (0.3 * height, 0.3 * height)
    where = rng.random()
    if where < 0.6:
        x, y, room = (
            (0.02, 0.6),
            (min(bottom + 0.6 * spacing, height - 20), height - 10),
            (0.15, 0.8),
        )
    elif where < 0.75:
        x, y, room = (0.0, 0.7), (10, max(20, top)), (0.1, 0.3)
    elif where < 0.9:
        x, y, room = (0.0, 0.08), (0.05 * height, 0.9 * height), (0.06, 0.18)
    else:
        x, y, room = (0.6, 0.85), (0.02 * height, 0.9 * height), (0.08, 0.2)
    return float(width * rng.uniform(*x)), float(rng.uniform(*y)), float(width * rng.uniform(*room))


def _line_ink(path: Path) -> Floats:
    """Read a line image as ink, 0 paper to 1."""
    grey = read_image(path).astype(np.float32)
    dark, paper = np.percentile(grey, (1, 85))
    ink: Floats = np.clip((paper - 6.0 - grey) / max(paper - 6.0 - dark, 20.0), 0.0, 1.0).astype(
        np.float32
    )
    return ink


def _printed_line(rng: np.random.Generator) -> Floats:
    """A line of random print as ink."""
    text = "".join(rng.choice(list("abcdeilmnoprstuv ABCDE"), size=int(rng.integers(8, 34))))
    image = np.zeros((60, 1100), np.uint8)
    cv2.putText(
        image, text, (4, 42), int(rng.choice(FONTS)), 1.1, 255, int(rng.integers(1, 4)), cv2.LINE_AA
    )
    used = np.flatnonzero(image.any(axis=0))
    return image[:, : int(used[-1]) + 4 if len(used) else 8].astype(np.float32) / 255.0


def _corners(
    start: NDArray[np.floating], length: float, height: float, angle: float
) -> NDArray[np.int32]:
    """The corners of a line's box; ``start`` is the start of its baseline."""
    box = np.array([[0.0, -0.58], [length, -0.58], [length, 0.27], [0.0, 0.27]]) * [1.0, height]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.rint(box @ turn + start).astype(np.int32)


def _is_free(mask: NDArray[np.uint8], corners: NDArray[np.int32]) -> bool:
    """Whether a box is inside the page and hardly covers writing."""
    box = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(box, [corners], 1)
    inside = corners.min() > 2 and bool(
        (corners.max(axis=0) < np.array(mask.shape[::-1]) - 2).all()
    )
    return inside and (box > 0).sum() > 30 and float((mask[box > 0] > 0).mean()) < 0.03


def _paste_line(
    page_image: SyntheticPage,
    ink: Floats,
    start: NDArray[np.floating],
    height: float,
    angle: float,
    max_length: float,
    strength: float,
    stretch: float,
) -> NDArray[np.int32]:
    """Paste a line image onto a page.

    Args:
        start: of the baseline.
        height: of the line, to which the image is scaled.
        max_length: where the line is cut.

    Returns:
        The corners of its box.
    """
    scale = height / ink.shape[0]
    ink = ink[:, : max(4, int(max_length / (scale * stretch)))]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * (
        scale * stretch,
        scale,
    )
    matrix = np.column_stack([turn, start - turn @ (0.0, BASELINE * ink.shape[0])])
    smooth = cv2.GaussianBlur(ink, (0, 0), 0.45 / scale) if scale < 0.8 else ink
    placed = cv2.warpAffine(smooth, matrix, page_image.ink.shape[::-1], flags=cv2.INTER_LINEAR)
    np.maximum(page_image.ink, placed * np.float32(strength), out=page_image.ink)
    return _corners(start, ink.shape[1] * scale * stretch, height, angle)


def _transform(page_image: SyntheticPage, rng: np.random.Generator) -> SyntheticPage:
    """Turn, slant and scale a page, vary its ink, and pad it for a page network."""
    height, width = page_image.ink.shape
    scale, turn, slant = (
        rng.uniform(0.78, 1.08),
        np.deg2rad(rng.normal(0, 2.0)),
        rng.normal(0, 0.03),
    )
    stretch = np.exp(rng.normal(0, 0.06))
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * np.array(
        [[np.cos(turn) * stretch, -np.sin(turn) + slant], [np.sin(turn), np.cos(turn)]]
    )
    shape = width + -width % MULTIPLE, height + -height % MULTIPLE
    centre = np.array(shape) / 2 + rng.uniform(-0.04, 0.04, 2) * max(shape)
    matrix[:, 2] = centre - matrix[:, :2] @ (width / 2, height / 2)
    ink = cv2.warpAffine(page_image.ink, matrix, shape, flags=cv2.INTER_LINEAR)
    ink = ink ** np.float32(np.exp(rng.normal(0, 0.25))) * np.float32(rng.uniform(0.7, 1.1))
    if rng.random() < 0.3:
        ink = ink + rng.normal(0, rng.uniform(0.01, 0.06), ink.shape).astype(np.float32)
    if rng.random() < 0.3:
        ink = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.3, 0.9))
    mask = cv2.warpAffine(page_image.mask, matrix, shape, flags=cv2.INTER_NEAREST)
    return SyntheticPage(np.clip(ink, 0.0, 1.1), mask.astype(np.uint8, copy=False))
