"""Writing on a sheet: hands, lines of them in ink, and a sheet that knows where its lines lie."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rendering import Face

NODE = 1.5  # x-heights between the points of a baseline
Points = NDArray[np.float64]  # (n, 2)
Colour = tuple[int, int, int]  # blue, green, red, as OpenCV has it


@dataclass(frozen=True)
class Hand:
    """How a person, a press or a typewriter writes; lengths in x-heights of the writing.

    Attributes:
        x_height: pixels.
        slant, stretch: shear to the right, and the factor on widths.
        gap: between words.
        drift: deviation of words from the baseline.
        wander: how far a baseline waves.
        unsteady: pixels by which letters are deformed.
        strength: share of the light that the ink takes.
        loose: how far single letters stand above and below the line, as a worn typewriter's do.
    """

    face: Face
    x_height: float
    colour: Colour = (30, 30, 30)
    strength: float = 0.9
    slant: float = 0.0
    stretch: float = 1.0
    gap: float = 0.7
    drift: float = 0.0
    wander: float = 0.0
    unsteady: float = 0.0
    stroke: int = 0
    loose: float = 0.0

    @property
    def pen(self) -> ImageFont.FreeTypeFont:
        return self.face.at(self.x_height)

    def sized(self, x_height: float) -> Hand:
        return replace(self, x_height=x_height)

    def width(self, text: str) -> float:
        """Pixels that a text takes at the usual gaps."""
        words = text.split()
        gaps = self.gap * self.x_height * max(0, len(words) - 1)
        return self.stretch * sum(map(self.pen.getlength, words)) + gaps

    def able(self, text: str) -> str:
        """The words of a text that its face has all characters of."""
        return " ".join(word for word in text.split() if set(word) <= self.face.characters)


@dataclass(frozen=True)
class Strip:
    """A line in ink, 0 to 255, with its baseline and what is above and below it, in pixels of the
    strip."""

    ink: NDArray[np.uint8]
    baseline: Points
    outline: Points


def write_strip(
    text: str, hand: Hand, rng: random.Random, noise: np.random.Generator, *,
    gap: float | None = None,
    underlined: bool = False,
) -> Strip:  # fmt: skip
    """A line of words, its first letter at the strip's left but for a margin that swashes need.

    Args:
        gap: pixels between words, where a line is justified; else as the hand has it.
    """
    pen, x_height = hand.pen, hand.x_height
    words = text.split()
    even = gap is not None or not (hand.unsteady or hand.wander)
    space = hand.gap * x_height if gap is None else gap
    _, top, _, bottom = pen.getbbox(text, anchor="ls")
    margin = round(2 * x_height) + 4
    wave = (hand.wander + 2 * hand.drift) * x_height
    base = margin - min(top, 0) + round(wave)
    height = round(base + max(bottom, 0) + wave + margin)
    width = sum(map(pen.getlength, words)) + space / hand.stretch * max(0, len(words) - 1) * 1.35
    canvas = Image.new("L", (int(width) + 2 * margin, height), 0)
    draw = ImageDraw.Draw(canvas)
    x, drift, end = float(margin), 0.0, float(margin)
    for word in words:
        drift = 0.6 * drift + rng.gauss(0, hand.drift * x_height)
        if hand.loose:
            for character in word:
                lift, fill = rng.gauss(0, hand.loose * x_height), rng.randint(150, 255)
                draw.text((x, base + drift + lift), character, fill=fill, font=pen, anchor="ls")
                x += pen.getlength(character)
        else:
            draw.text(
                (x, base + drift), word, fill=255, font=pen, anchor="ls", stroke_width=hand.stroke
            )
            x += pen.getlength(word)
        end = x
        x += space / hand.stretch * (1.0 if even else rng.uniform(0.7, 1.35))
    if underlined:
        y = base + round(0.4 * x_height)
        draw.line([(margin, y), (end, y)], fill=220, width=max(1, round(0.12 * x_height)))
    ink = np.array(canvas)
    rows = np.cumsum(ink.sum(axis=1, dtype=np.int64))
    total = max(1, int(rows[-1]))
    above = base - int(np.searchsorted(rows, 0.004 * total)) + 1.0
    below = int(np.searchsorted(rows, 0.996 * total)) - base + 1.0
    above, below = max(above, x_height), max(below, 0.25 * x_height)
    nodes = max(2, int((end - margin) * hand.stretch / (NODE * x_height)) + 1)
    along = np.linspace(margin, end, nodes)
    curve = np.zeros(nodes)
    if not even or hand.slant or hand.stretch != 1.0:
        ink, curve = _by_hand(ink, base, along, hand, noise)
    baseline = np.stack([along * hand.stretch, base + curve], axis=1)
    lean = hand.slant * np.array([above, -below])
    upper = baseline + np.array([lean[0] * 0.5, -above])
    lower = baseline + np.array([lean[1] * 0.5, below])
    return Strip(ink, baseline, np.concatenate([upper, lower[::-1]]))


def _by_hand(
    ink: NDArray[np.uint8], base: int, along: Points, hand: Hand, noise: np.random.Generator
) -> tuple[NDArray[np.uint8], Points]:
    """Shear and stretch a strip and bend its line, so that no letter is twice alike.

    Returns:
        The ink, and by how many pixels the baseline is lower at each point of it.
    """
    tall, wide = ink.shape[0], max(2, round(ink.shape[1] * hand.stretch))
    knots = max(3, round(wide / (14 * hand.x_height)))
    wave = noise.normal(0, 0.5 * hand.wander * hand.x_height, knots)
    wave = np.clip(wave, -hand.wander * hand.x_height, hand.wander * hand.x_height)
    line = cv2.resize(wave.astype(np.float32)[None], (wide, 1), interpolation=cv2.INTER_CUBIC)[0]
    x, y = np.meshgrid(np.arange(wide, dtype=np.float32), np.arange(tall, dtype=np.float32))
    y -= line
    x = (x - np.float32(hand.slant) * (base - y)) / np.float32(hand.stretch)
    if hand.unsteady:
        cells = (max(3, round(wide / (1.2 * hand.x_height))), 5)
        for axis in (x, y):
            moved = noise.normal(0, hand.unsteady, cells[::-1]).astype(np.float32)
            axis += cv2.resize(moved, (wide, tall), interpolation=cv2.INTER_CUBIC)
    bent = cv2.remap(ink, x, y, cv2.INTER_LINEAR)
    return np.asarray(bent, np.uint8), np.interp(along * hand.stretch, np.arange(wide), line)


@dataclass(frozen=True)
class SheetLine:
    """A line of a sheet: its text, baseline and outline in pixels."""

    text: str
    baseline: Points
    outline: Points


@dataclass
class Sheet:
    """A sheet of paper as light, (height, width, 3) uint8, and the lines on it in reading order."""

    pixels: NDArray[np.uint8]
    rng: random.Random
    noise: np.random.Generator
    lines: list[SheetLine] = field(default_factory=list)

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    def line(
        self, pieces: Sequence[tuple[str, Hand, float]], y: float, *, angle: float = 0.0,
        truth: bool = True,
        gap: float | None = None, underlined: bool = False,
    ) -> None:  # fmt: skip
        """Write a line, of pieces of several hands where a form is filled in.

        Args:
            pieces: text, hand and the x at which each begins.
            y: of the baseline at the first piece.
            angle: degrees by which the line rises, about its beginning.
            truth: whether the sheet shall know the line.
        """
        texts, bases, uppers, lowers = [], [], [], []
        origin = np.array([pieces[0][2] if pieces else 0.0, y])
        turn = np.deg2rad(angle)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        for text, hand, x in pieces:
            text = hand.able(text)
            if not text:
                continue
            strip = write_strip(text, hand, self.rng, self.noise, gap=gap, underlined=underlined)
            offset = np.array([x, y]) - (strip.baseline[0][0], strip.baseline[:, 1].mean())
            matrix = np.column_stack([rotation, rotation @ (offset - origin) + origin])
            if angle:
                self._turned(strip.ink, matrix, hand)
            else:
                whole = np.floor(offset)
                matrix[:, 2] = whole
                self.blend(strip.ink, int(whole[0]), int(whole[1]), hand.colour, hand.strength)
            baseline, outline = (
                points @ matrix[:, :2].T + matrix[:, 2]
                for points in (strip.baseline, strip.outline)
            )
            texts.append(text)
            bases.append(baseline)
            uppers.append(outline[: len(baseline)])
            lowers.append(outline[len(baseline) :])
        if texts and truth:
            outline = np.concatenate([*uppers, *lowers[::-1]])
            self.lines.append(SheetLine(" ".join(texts), np.concatenate(bases), outline))

    def _turned(self, ink: NDArray[np.uint8], matrix: NDArray[np.float64], hand: Hand) -> None:
        tall, wide = ink.shape
        ends = (
            np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]]) @ matrix[:, :2].T + matrix[:, 2]
        )
        low = np.floor(ends.min(0)).astype(int)
        size = np.ceil(ends.max(0)).astype(int) - low
        local = np.column_stack([matrix[:, :2], matrix[:, 2] - low])
        turned = cv2.warpAffine(ink, local, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
        self.blend(turned, int(low[0]), int(low[1]), hand.colour, hand.strength)

    def blend(
        self, ink: NDArray[np.uint8], x: int, y: int, colour: Colour, strength: float = 1.0
    ) -> None:
        """Lay ink on the paper: where it covers, it takes the light that is not of its colour."""
        left, top = max(0, x), max(0, y)
        right, bottom = min(self.width, x + ink.shape[1]), min(self.height, y + ink.shape[0])
        if left >= right or top >= bottom:
            return
        share = ink[top - y : bottom - y, left - x : right - x].astype(np.float32) * np.float32(
            strength / 255
        )
        part = self.pixels[top:bottom, left:right]
        takes = 1 - np.array(colour, np.float32) / 255
        part[:] = (part * (1 - share[..., None] * takes)).astype(np.uint8)

    def stroke(
        self,
        points: Sequence[tuple[float, float]],
        width: int,
        colour: Colour,
        strength: float = 0.7,
    ) -> None:
        """A ruled line through some points."""
        corners = np.array(points)
        low = np.floor(corners.min(0)).astype(int) - width - 1
        size = np.ceil(corners.max(0)).astype(int) + width + 2 - low
        ink = np.zeros((int(size[1]), int(size[0])), np.uint8)
        at = np.round((corners - low) * 8).astype(np.int32)
        cv2.polylines(ink, [at], False, 255, width, cv2.LINE_AA, 3)
        self.blend(ink, int(low[0]), int(low[1]), colour, strength)
