"""What happens to a sheet until it is a picture: stamps, stains, curl, borders, light, film."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from page_ink import Colour, Hand, Points, Sheet, SheetLine, write_strip

COARSE = 8  # pixels between the nodes at which a warp is computed
INSET = 4.0  # pixels from the lines to the picture's edge that are never cut off
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Damage:
    """What is known of a picture beforehand.

    Attributes:
        largest: pixels of its longer side at most.
        fold: the x at which its two pages meet.
        beside: the page beside this one.
    """

    largest: int
    fold: float | None = None
    beside: NDArray[np.uint8] | None = None


class Warp:
    """Curl of a sheet about vertical lines, then a perspective; the same for points and for pixels.

    A column x moves to ``across(x)``, and in it y to ``scale(x) * y + shift(x)``; then the matrix.
    """

    def __init__(self, across: Floats, scale: Floats, shift: Floats, matrix: NDArray[np.float64]):
        self.across, self.scale, self.shift, self.matrix = across, scale, shift, matrix
        self._columns = np.arange(len(across))

    @classmethod
    def drawn(cls, width: int, height: int, fold: float | None, rng: random.Random) -> Warp:
        """A random one. Without a fold a sheet curls at one of its sides, or hardly."""
        x = np.arange(width)
        at = fold if fold is not None else rng.choice([0.0, float(width)])
        near = np.exp(-np.abs(x - at) / (rng.uniform(0.03, 0.15) * width))
        strong = 1.0 if fold is not None or rng.random() < 0.35 else 0.0
        narrow = strong * rng.uniform(0, 0.45)
        across = np.cumsum(1 - narrow * near)
        bow = strong * rng.gauss(0, 0.012) * height
        wave = rng.gauss(0, 0.0022) * height
        shift = bow * near + wave * np.sin(
            2 * np.pi * x / (width * rng.uniform(0.5, 1.5)) + rng.uniform(0, 6)
        )
        scale = 1 + strong * rng.gauss(0, 0.02) * near
        shift = shift - (scale - 1) * height / 2
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        jitter = rng.choice([0.0, 0.004, 0.015, 0.035]) * min(width, height)
        moved = corners + [[rng.gauss(0, jitter), rng.gauss(0, jitter)] for _ in range(4)]
        matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        turn = np.deg2rad(float(np.clip(rng.gauss(0, 1.6), -5, 5)))
        rotation = np.array(
            [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
        )
        return cls(across, scale, shift, rotation @ matrix)

    def moved(self, left: float, top: float, size: float) -> Warp:
        """The same, seen from another corner and at another size."""
        view = size * np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1 / size]])
        return Warp(self.across, self.scale, self.shift, view @ self.matrix)

    def points(self, points: Points) -> Points:
        """Where points of the sheet come to lie."""
        at = np.clip(points[:, 0], 0, len(self.across) - 1)
        x = np.interp(at, self._columns, self.across) + points[:, 0] - at
        y = np.interp(at, self._columns, self.scale) * points[:, 1] + np.interp(
            at, self._columns, self.shift
        )
        seen = np.stack([x, y, np.ones(len(x))], axis=1) @ self.matrix.T
        return np.asarray(seen[:, :2] / seen[:, 2:])

    def maps(self, width: int, height: int) -> tuple[Floats, Floats]:
        """Of each pixel of a picture the x and y on the sheet, for ``cv2.remap``."""
        size = (-(-width // COARSE), -(-height // COARSE))
        u, v = np.meshgrid(*(COARSE * (np.arange(n) + 0.5) - 0.5 for n in size))
        back = np.linalg.inv(self.matrix)
        x, y, w = np.tensordot(back, np.stack([u, v, np.ones_like(u)]), 1)
        x, y = x / w, y / w
        held = np.clip(x, self.across[0], self.across[-1])
        column = np.interp(held, self.across, self._columns)
        y = (y - np.interp(column, self._columns, self.shift)) / np.interp(
            column, self._columns, self.scale
        )
        column = column + x - held
        fine = (size[0] * COARSE, size[1] * COARSE)
        across, down = (
            cv2.resize(of.astype(np.float32), fine, interpolation=cv2.INTER_LINEAR)
            for of in (column, y)
        )
        return across[:height, :width], down[:height, :width]


def damaged(
    sheet: Sheet, damage: Damage, rng: random.Random, noise: np.random.Generator
) -> list[str]:
    """Make a picture of a sheet, and move its lines along; what was done to it, in words."""
    traits: list[str] = []
    if rng.random() < 0.25:
        _stains(sheet, rng, noise)
        traits.append("stains")
    fold = damage.fold
    if damage.beside is not None:
        fold = _beside(sheet, damage.beside, rng) if fold is None else fold
        traits.append("edge")
    if fold is not None:
        _fold_shadow(sheet, fold, rng)
    warp = Warp.drawn(sheet.width, sheet.height, fold, rng)
    _pictured(sheet, warp, damage.largest, traits, rng, noise)
    _lit(sheet, traits, rng, noise)
    _shot(sheet, traits, rng, noise)
    return traits


def _stains(sheet: Sheet, rng: random.Random, noise: np.random.Generator) -> None:
    for _ in range(rng.randint(1, 6)):
        size = max(8, round(rng.uniform(0.01, 0.12) * sheet.width))
        blob = cv2.resize(
            noise.normal(0, 1, (5, 5)).astype(np.float32),
            (size, size),
            interpolation=cv2.INTER_CUBIC,
        )
        x, y = np.meshgrid(*[np.linspace(-1, 1, size)] * 2)
        depth = np.clip(1.6 - 2 * np.hypot(x, y) + 0.35 * blob, 0, 0.25 if size > 60 else 1) * (
            4 if size > 60 else 1
        )
        ink = np.clip(255 * depth, 0, 255).astype(np.uint8)
        colour = rng.choice([(120, 170, 200), (90, 130, 160), (60, 60, 60), (150, 120, 100)])
        at = rng.randint(-size // 2, sheet.width), rng.randint(-size // 2, sheet.height)
        sheet.blend(ink, *at, colour, rng.uniform(0.15, 0.7 if size < 60 else 0.4))


def _beside(sheet: Sheet, beside: NDArray[np.uint8], rng: random.Random) -> float:
    """Let the edge of another page be seen at one side, its lines cut off; the x of the fold
    between."""
    strip = max(8, round(rng.uniform(0.02, 0.09) * sheet.width))
    on_left = rng.random() < 0.5
    # where the writing of the page beside ends, less some of its margin
    inner = round(0.96 * sheet.width) // 2
    part = (
        beside[:, inner - strip : inner]
        if on_left
        else beside[:, round(0.05 * sheet.width) :][:, :strip]
    )
    part = cv2.resize(part, (part.shape[1], sheet.height))
    sheet.pixels = np.hstack([part, sheet.pixels] if on_left else [sheet.pixels, part])
    if on_left:
        by = np.array([part.shape[1], 0])
        sheet.lines = [
            SheetLine(line.text, line.baseline + by, line.outline + by) for line in sheet.lines
        ]
    fold = float(part.shape[1] if on_left else sheet.width - part.shape[1])
    sheet.stroke(
        [(fold, 0), (fold, sheet.height)], rng.randint(2, 9), (40, 40, 40), rng.uniform(0.4, 0.9)
    )
    return fold


def _fold_shadow(sheet: Sheet, fold: float, rng: random.Random) -> None:
    x = np.arange(sheet.width) - fold
    wide = rng.uniform(0.01, 0.07) * sheet.width
    side = rng.choice([-1, 1])
    dark = np.exp(-np.abs(x) / wide) * np.where(x * side > 0, 1.0, rng.uniform(0.2, 1.0))
    light = (1 - rng.uniform(0.15, 0.65) * dark).astype(np.float32)
    field = np.repeat(light[None], sheet.height, axis=0)
    sheet.pixels = cv2.multiply(sheet.pixels, cv2.merge([field] * 3), dtype=cv2.CV_8U)


def _pictured(
    sheet: Sheet, warp: Warp, largest: int, traits: list[str], rng: random.Random,
    noise: np.random.Generator,
) -> None:  # fmt: skip
    """The sheet warped, on what lies under it, in ``largest`` pixels at most."""
    edge = np.linspace(0, 1, 40)
    ends = np.array(
        [[0, 0], [sheet.width, 0], [sheet.width, sheet.height], [0, sheet.height], [0, 0]], float
    )
    outline = warp.points(np.concatenate([a + edge[:, None] * (b - a) for a, b in pairwise(ends)]))
    low, high = outline.min(0), outline.max(0)
    across = float(np.mean(high - low))
    if rng.random() < 0.45:
        # the sheet's edges are cut off
        around = [-rng.uniform(0.0, 0.03) * across for _ in range(4)]
        name, under = "none", (230.0, 235.0, 235.0)
    else:
        around = [rng.choice([0.005, 0.02, 0.06, 0.15]) * rng.random() * across for _ in range(4)]
        name = rng.choice(["black", "black", "grey", "white", "wood"])
        under = {
            "black": (rng.uniform(5, 45),) * 3, "grey": (rng.uniform(70, 160),) * 3,
            "white": (235.0,) * 3, "wood": (60.0, 90.0, 130.0),
        }[name]  # fmt: skip
        traits.append(f"border-{name}")
    charted = rng.random() < 0.1
    where = rng.choice([2, 3])
    if charted:
        around[where] = rng.uniform(0.07, 0.11) * across
        traits.append("chart")
    written = np.concatenate([warp.points(line.outline) for line in sheet.lines])
    first = np.minimum(
        low - around[:2], np.maximum(written.min(0) - INSET, low - np.maximum(around[:2], 0))
    )
    last = np.maximum(
        high + around[2:], np.minimum(written.max(0) + INSET, high + np.maximum(around[2:], 0))
    )
    first, last = np.floor(first), np.ceil(last)
    size = min(1.0, largest / float((last - first).max()))
    width, height = (int(n) for n in size * (last - first))
    warp = warp.moved(*first, size)
    x, y = warp.maps(width, height)
    seen = cv2.remap(sheet.pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    knots = (max(2, height // 60), max(2, width // 60))
    torn = noise.normal(0, rng.choice([0, 0, 1, 2]), knots).astype(np.float32)
    rough = cv2.resize(torn, (width, height), interpolation=cv2.INTER_CUBIC)
    inside = (
        (x >= rough)
        & (x <= sheet.width - 1 + rough)
        & (y >= rough)
        & (y <= sheet.height - 1 + rough)
    ).astype(np.uint8)
    cells = (max(2, height // 12), 4 if name == "wood" else max(2, width // 12))  # wood has a grain
    grain = cv2.resize(noise.normal(0, 5, cells).astype(np.float32), (width, height))
    small = cv2.resize(
        inside * np.float32(1), None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA
    )
    shade = 1 - 0.5 * cv2.resize(
        cv2.GaussianBlur(small, (0, 0), rng.uniform(0.5, 3)), (width, height)
    )
    table = cv2.merge([cv2.convertScaleAbs((grain + np.float32(light)) * shade) for light in under])
    if charted:
        _chart(table, where == 3, round(size * around[where]), rng)
    sheet.pixels = cv2.copyTo(seen, inside, table)
    sheet.lines = [
        SheetLine(line.text, warp.points(line.baseline), warp.points(line.outline))
        for line in sheet.lines
    ]


def _chart(table: NDArray[np.uint8], below: bool, depth: int, rng: random.Random) -> None:
    """A colour chart or a ruler beside the sheet, at the right or below."""
    strip = np.rot90(table)[:depth] if not below else table[-depth:]
    tall, wide = strip.shape[:2]
    top, bottom = round(0.35 * tall), round(0.85 * tall)
    start, end = round(rng.uniform(0.02, 0.3) * wide), round(rng.uniform(0.6, 0.98) * wide)
    if rng.random() < 0.5:
        patches = np.linspace(start, end, rng.randint(7, 19)).astype(int)
        for left, right in pairwise(patches):
            strip[top:bottom, left:right] = [rng.randint(20, 240) for _ in range(3)]
    else:
        strip[top:bottom, start:end] = rng.choice([235, 200])
        step = max(4, (end - start) // 150)
        for k, x in enumerate(range(start, end, step)):
            long = 0.9 if k % 10 == 0 else 0.5 if k % 5 == 0 else 0.3
            strip[top : top + round(long * (bottom - top)), x : x + max(1, step // 4)] = 20


def _lit(sheet: Sheet, traits: list[str], rng: random.Random, noise: np.random.Generator) -> None:
    """Uneven light, a vignette, the shadow of a hand or a shelf."""
    light = np.ones((64, 64), np.float32)
    x, y = np.meshgrid(*[np.linspace(-1, 1, 64, dtype=np.float32)] * 2)
    if rng.random() < 0.5:
        slope = noise.normal(0, 0.1, 2)
        light *= 1 + np.float32(slope[0]) * x + np.float32(slope[1]) * y
    if rng.random() < 0.25:
        field = noise.normal(0, 0.06, (4, 4)).astype(np.float32)
        light *= 1 + cv2.resize(field, (64, 64), interpolation=cv2.INTER_CUBIC)
        traits.append("uneven")
    if rng.random() < 0.2:
        light *= 1 - np.float32(rng.uniform(0.1, 0.35)) * (x * x + y * y)
        traits.append("vignette")
    if rng.random() < 0.08:
        turn = rng.uniform(0, 6.3)
        across = x * np.cos(turn) + y * np.sin(turn) - rng.uniform(0.2, 0.8)
        light *= 1 - np.float32(rng.uniform(0.2, 0.5)) / (
            1 + np.exp(-across * rng.uniform(8, 40))
        ).astype(np.float32)
        traits.append("shadow")
    light *= np.float32(rng.uniform(0.75, 1.05))
    field = cv2.resize(
        np.clip(light, 0.15, 1.3), (sheet.width, sheet.height), interpolation=cv2.INTER_CUBIC
    )
    sheet.pixels = cv2.multiply(sheet.pixels, cv2.merge([field] * 3), dtype=cv2.CV_8U)


def _shot(sheet: Sheet, traits: list[str], rng: random.Random, noise: np.random.Generator) -> None:
    """Blur, loss of resolution, noise; a grey, black-and-white or negative picture."""
    pixels = sheet.pixels
    kind = rng.choices(
        ["colour", "grey", "film", "bitonal", "negative"], [0.55, 0.22, 0.13, 0.05, 0.05]
    )[0]
    if kind != "colour":
        traits.append(kind)
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[..., None]
    blur = rng.choice([0, 0, 0.5, 0.9, 1.4])
    if blur * 1500 > max(pixels.shape):
        blur = 0.5
    if blur:
        pixels = cv2.GaussianBlur(pixels, (0, 0), blur).reshape(pixels.shape)
        traits.append("blur" if blur > 0.8 else "soft")
    if kind in ("film", "negative"):  # hard contrast
        middle = float(np.median(pixels))
        pixels = np.clip(
            (pixels.astype(np.float32) - middle) * rng.uniform(1.2, 2.2) + rng.uniform(190, 250),
            0,
            255,
        )
        pixels = pixels.astype(np.uint8)
    spread = rng.choice([0, 2, 4, 8]) * (1.6 if kind == "film" else 1.0)
    if spread:
        grain = noise.standard_normal(pixels.shape[:2], dtype=np.float32) * np.float32(spread)
        channels = pixels.shape[2]
        pixels = cv2.add(pixels, cv2.merge([grain] * channels), dtype=cv2.CV_8U)
        pixels = pixels.reshape(*grain.shape, channels)
        if spread > 7:
            traits.append("noise")
    if kind == "bitonal":
        local = cv2.GaussianBlur(pixels[..., 0], (0, 0), max(pixels.shape) / 60)
        pixels = np.where(
            pixels[..., 0] > local * np.float32(rng.uniform(0.78, 0.9)), 255, 0
        ).astype(np.uint8)[..., None]
    if kind == "negative":
        pixels = 255 - pixels
    sheet.pixels = np.ascontiguousarray(
        pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
    )


def stamp(sheet: Sheet, press: Hand, text: str, rng: random.Random) -> None:
    """A round seal or a box with words, anywhere on the sheet, at an angle; no line of the
    sheet."""
    side = round(min(sheet.width, sheet.height) * rng.uniform(0.09, 0.2))
    ink = np.zeros((side, side), np.uint8)
    middle, radius, width = side // 2, side // 2 - 3, max(2, side // 60)
    small = press.sized(max(5.0, side / 18))
    if rng.random() < 0.55:
        for share in (1.0, 0.94, 0.62):
            cv2.circle(ink, (middle, middle), round(share * radius), 255, width, cv2.LINE_AA)
        letters = small.able(text).replace(" ", "·")[:24] or "o"
        arc = min(330.0, 16.0 * len(letters))
        for k, letter in enumerate(letters):
            glyph = (
                write_strip(letter, small, rng, sheet.noise)
                if letter in small.face.characters
                else None
            )
            if glyph is None:
                continue
            turn = -arc / 2 + arc * k / max(1, len(letters) - 1)
            at = np.array([middle, middle]) + 0.7 * radius * np.array(
                [np.sin(np.deg2rad(turn)), -np.cos(np.deg2rad(turn))]
            )
            rotation = cv2.getRotationMatrix2D((0, 0), -turn, 1.0)
            centre = glyph.baseline.mean(0)
            rotation[:, 2] = at - rotation[:, :2] @ centre
            ink = np.maximum(ink, cv2.warpAffine(glyph.ink, rotation, (side, side)))
        cv2.ellipse(
            ink, (middle, middle), (radius // 4, radius // 3), 0, 0, 360, 200, -1, cv2.LINE_AA
        )
        cv2.ellipse(
            ink, (middle, middle), (radius // 8, radius // 4), 30, 0, 360, 0, -1, cv2.LINE_AA
        )
    else:
        tall = side // rng.choice([2, 3])
        cv2.rectangle(ink, (2, 2), (side - 3, tall), 255, width)
        for k, row in enumerate(text.split()[:2]):
            strip = write_strip(row, small, rng, sheet.noise).ink
            y = 2 + k * (tall - 4) // 2
            part = ink[y : y + strip.shape[0], 6 : 6 + strip.shape[1]]
            part[:] = np.maximum(part, strip[: part.shape[0], : part.shape[1]])
    rotation = cv2.getRotationMatrix2D((side / 2, side / 2), rng.gauss(0, 18), 0.9)
    ink = cv2.warpAffine(ink, rotation, (side, side))
    worn = cv2.resize(sheet.noise.normal(0.75, 0.3, (12, 12)).astype(np.float32), (side, side))
    ink = (ink * np.clip(worn, 0.1, 1.0)).astype(np.uint8)
    colour: Colour = rng.choice([(130, 50, 50), (120, 40, 100), (50, 50, 160), (60, 60, 60)])
    x, y = rng.randint(0, sheet.width - side), rng.randint(0, sheet.height - side)
    sheet.blend(ink, x, y, colour, rng.uniform(0.35, 0.85))
