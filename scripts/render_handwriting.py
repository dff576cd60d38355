#!/usr/bin/env python3
"""More training lines for words and hands that the corpora lack: prose in open handwriting fonts.

    mkdir fonts && cd fonts && npm pack $(cat .../pipelines/handwriting/fonts.txt)
    cd $RECOG_CORPORA
    python .../scripts/render_handwriting.py fonts text/en.txt.xz text/fr.txt.xz handwriting/rendered

Writes OUT/NAME.webp with OUT/NAME.gt.txt, as any bare folder of lines. Three kinds: English prose,
French prose, and what registers and indices are full of (capitals, numbers, references in brackets,
numbers in circles). Words drift from the baseline, are slanted, stretched and spaced apart; some
lines stand on ruled or squared paper, some catch the feet and heads of their neighbours; letters
are drawn unevenly. Fonts are packages of npm's @fontsource (files, or the folders they unpack to);
a character that a font lacks passes the line on to another. The same seed gives the same lines.
Needs pillow and fonttools.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from rendering import SIZE, Face, faces, prose

HEIGHT = 64  # pixels of a finished line
KINDS = {"english": 0.65, "french": 0.15, "index": 0.2}
Ink = NDArray[np.float32]


def words_of(paragraphs: list[str], rng: random.Random) -> str:
    words = rng.choice(paragraphs).split()
    start = rng.randrange(max(1, len(words) - 4))
    return " ".join(words[start : start + rng.randint(3, 9)])


def reference(paragraphs: list[str], rng: random.Random) -> str:
    """A line as an index has it: `N° 3 - GRAND VOYAGE - [vol. (12) p. 34 à 37]`."""

    def title() -> str:
        words = words_of(paragraphs, rng).split()[: rng.randint(1, 4)]
        return " ".join(words).upper() if rng.random() < 0.7 else " ".join(words).capitalize()

    def number() -> str:
        return str(rng.choice([rng.randint(0, 9), rng.randint(10, 99), rng.randint(100, 1999)]))

    def place() -> str:
        book = rng.choice(["mf", "vol", "t", "cah", "MF", "no", "p", "Lar", "f"]) + rng.choice(
            ["", ".", " "]
        )
        page = rng.choice(
            [
                f"p.{number()}",
                f"p. {number()}-{number()}",
                f"p {number()} à {number()}",
                f"n°{number()}",
            ]
        )
        where = (
            f"{book}({rng.randint(1, 39)}) {page}" if rng.random() < 0.7 else f"{book} {number()}"
        )
        return rng.choice(["[{}]", "({})", "- [{} {}]", "= {}", "- {}"]).format(where, title())

    date = rng.choice(
        [
            f"{rng.randint(1, 31)}-{rng.randint(1, 12)}-{rng.randint(1820, 1999)}",
            f"le {number()} mai {number()}",
        ]
    )
    parts = [
        rng.choice([f"{number()}.", f"{number()} -", f"N° {number()}.", date]),
        title(),
        place(),
        place(),
        title(),
    ]
    return " ".join(parts[rng.randrange(3) : rng.randint(3, 5)])


def drawn(text: str, face: Face, apart: float, stroke: int) -> Ink:
    """One word in ink, (height, width) in [0, 1], on a box of the same height and baseline for
    every word."""
    positions, x = [], 60.0
    for character in text:
        positions.append(x)
        x += face.pen.getlength(character) + apart
    canvas = Image.new("L", (int(x) + 60, SIZE * 3), 0)
    pen = ImageDraw.Draw(canvas)
    if apart > 0:
        for character, left in zip(text, positions, strict=True):
            pen.text(
                (left, SIZE * 2),
                character,
                fill=255,
                font=face.pen,
                anchor="ls",
                stroke_width=stroke,
            )
    else:
        pen.text((60, SIZE * 2), text, fill=255, font=face.pen, anchor="ls", stroke_width=stroke)
    columns = np.flatnonzero(np.asarray(canvas).max(axis=0))
    first, last = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (60, 70)
    return np.asarray(canvas, np.float32)[:, first:last] / 255.0


def circled(word: Ink) -> Ink:
    """A number with a ring around it."""
    wide = word.shape[1]
    out = np.pad(word, ((0, 0), (18, 18)))
    rows = np.flatnonzero(word.max(axis=1))
    middle, radius = int(rows.mean()), max(10, (rows[-1] - rows[0]) // 2 + 8)
    ring = np.zeros(out.shape, np.uint8)
    cv2.ellipse(
        ring, ((wide + 36) // 2, middle), ((wide + 26) // 2, radius), 0, 0, 360, 255, 3, cv2.LINE_AA
    )
    return np.maximum(out, ring.astype(np.float32) / 255.0)


def line_of(text: str, face: Face, rng: random.Random) -> Ink:
    """A whole line in ink."""
    apart = rng.uniform(0, 14) if text.upper() == text or rng.random() < 0.1 else 0.0
    gap, stroke = rng.uniform(14, 60), rng.choice([0, 0, 0, 1, 1, 2])
    rings = rng.random() < 0.6
    drift, pieces = 0.0, []
    for word in text.split():
        drift = 0.7 * drift + rng.gauss(0, 3)
        for part in re.split(r"(\(\d+\))", word):
            if not part:
                continue
            ringed = rings and re.fullmatch(r"\(\d+\)", part) is not None
            ink = drawn(part[1:-1] if ringed else part, face, apart, stroke)
            if ringed and ink.max() > 0.3:
                ink = circled(ink)
            pieces.append(np.roll(ink, round(drift), axis=0))
            pieces.append(np.zeros((ink.shape[0], 6), np.float32))
        pieces.append(np.zeros((SIZE * 3, round(gap * rng.uniform(0.6, 1.5))), np.float32))
    return np.hstack(pieces)


def slanted(ink: Ink, rng: random.Random) -> Ink:
    slant, stretch = (
        float(np.clip(rng.gauss(0.1, 0.25), -0.4, 0.8)),
        float(np.exp(rng.gauss(0.0, 0.3))),
    )
    tall, wide = ink.shape
    across = round(wide * stretch + abs(slant) * tall) + 4
    turn = rng.gauss(0, 0.004)
    matrix = np.array(
        [[stretch, -slant, max(0.0, slant) * tall], [turn, 1.0, -turn * wide / 2]], np.float64
    )
    return np.asarray(cv2.warpAffine(ink, matrix, (across, tall), flags=cv2.INTER_AREA), np.float32)


def uneven(ink: Ink, rng: random.Random, noise: np.random.Generator) -> Ink:
    """The same letter never twice alike: the line through a smooth random displacement, as by an
    unsteady hand."""
    strength = max(0.0, rng.gauss(2.5, 2.0))
    if strength < 0.5:
        return ink
    tall, wide = ink.shape
    coarse = (max(3, wide // rng.randint(24, 60)), rng.randint(3, 6))
    across, down = (
        cv2.resize(
            noise.normal(0, strength, coarse[::-1]).astype(np.float32),
            (wide, tall),
            interpolation=cv2.INTER_CUBIC,
        )
        for _ in range(2)
    )
    columns, rows = np.meshgrid(
        np.arange(wide, dtype=np.float32), np.arange(tall, dtype=np.float32)
    )
    return np.asarray(cv2.remap(ink, columns + across, rows + down, cv2.INTER_LINEAR), np.float32)


def paper(
    ink: Ink, neighbour: Ink, rng: random.Random, noise: np.random.Generator
) -> NDArray[np.uint8]:
    """The line cut out, with what else such a crop shows, at its height: (HEIGHT, width) uint8."""
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.3), np.flatnonzero(ink.max(axis=0) > 0.3)
    top, bottom = rows[0] - rng.randint(2, 16), rows[-1] + rng.randint(3, 16)
    left, right = columns[0] - rng.randint(0, 20), columns[-1] + rng.randint(1, 20)
    ink = np.pad(ink, 40)[max(0, top + 40) : bottom + 40, max(0, left + 40) : right + 40]
    if rng.random() < 0.35:
        strip = (
            neighbour[SIZE * 2 - 6 : SIZE * 2 + rng.randint(4, 24)]
            if rng.random() < 0.5
            else neighbour[SIZE : SIZE + 30]
        )
        strip = strip[:, : ink.shape[1]]
        at = 0 if rng.random() < 0.5 else ink.shape[0] - strip.shape[0]
        if at >= 0 and strip.shape[0] < ink.shape[0] // 2:
            ink[at : at + strip.shape[0], : strip.shape[1]] = np.maximum(
                ink[at : at + strip.shape[0], : strip.shape[1]], strip
            )
    ruled = np.zeros_like(ink)
    if rng.random() < 0.35:
        step = rng.randint(26, 60)
        ruled[rng.randrange(step) :: step] = 1.0
        if rng.random() < 0.5:
            ruled[:, rng.randrange(step) :: step] = 1.0
    small = (round(ink.shape[1] * HEIGHT / ink.shape[0]), HEIGHT)
    ink, ruled = (cv2.resize(layer, small, interpolation=cv2.INTER_AREA) for layer in (ink, ruled))
    ink = cv2.GaussianBlur(ink, (0, 0), rng.uniform(0.3, 0.9))
    pressure = cv2.resize(
        noise.normal(1.0, 0.12, (2, max(2, small[0] // 40))).astype(np.float32), small
    )
    white, black = rng.uniform(180, 240), rng.uniform(20, 130)
    grain = noise.normal(0, rng.uniform(1, 8), ink.shape)
    page = white - rng.uniform(8, 40) * ruled + grain
    covered = np.clip(ink * pressure, 0, 1)
    return np.clip(page * (1 - covered) + black * covered, 0, 255).astype(np.uint8)


class Press:
    """Writes the lines of one run, whichever process asks for which."""

    def __init__(self, fonts: Path, english: Path, french: Path, out: Path, seed: int):
        self.hands = faces(fonts)
        self.texts = {"english": prose(english), "french": prose(french)}
        self.out, self.seed = out, seed

    def line(self, number: int) -> None:
        """Line ``number`` of this seed, where a face can write it."""
        rng = random.Random(self.seed * 1_000_003 + number)
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        text = (
            reference(self.texts["french"], rng)
            if kind == "index"
            else words_of(self.texts[kind], rng)
        )
        able = [
            face
            for face in rng.sample(self.hands, min(12, len(self.hands)))
            if set(text) - {" "} <= face.characters
        ]
        if not able or len(text) > 90:
            return
        noise = np.random.default_rng([self.seed, number])
        ink, other = (
            slanted(uneven(line_of(t, able[0], rng), rng, noise), rng)
            for t in (text, words_of(self.texts["english"], rng))
        )
        if not ink.max() > 0.3:
            return
        path = self.out / f"{kind[:2]}-{number:05d}.webp"
        crop = paper(ink, other, rng, noise)
        cv2.imwrite(str(path), crop, [cv2.IMWRITE_WEBP_QUALITY, 80])
        path.with_name(path.stem + ".gt.txt").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fonts", type=Path)
    parser.add_argument("english", type=Path)
    parser.add_argument("french", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lines", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    press = Press(
        arguments.fonts, arguments.english, arguments.french, arguments.out, arguments.seed
    )
    print(f"{len(press.hands)} faces")
    context = multiprocessing.get_context("fork")  # fonts do not travel between processes
    global _press
    _press = press
    with context.Pool(arguments.jobs) as pool:
        for _ in pool.imap_unordered(_line, range(arguments.lines), chunksize=50):
            pass


_press: Press


def _line(number: int) -> None:
    _press.line(number)


if __name__ == "__main__":
    main()
