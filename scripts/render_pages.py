#!/usr/bin/env python3
"""More training pages for layouts and damage that the corpora lack: whole pages in open fonts.

    mkdir hands prints (cd hands && npm pack $(cat .../pipelines/handwriting/fonts.txt)) (cd prints
    && npm pack $(cat .../pipelines/pages/fonts.txt)) for f in */*.tgz; do tar -xzf $f -C ${f%/*}
    --wildcards --strip-components=2 '*-latin-400-normal.woff'; done cd $RECOG_CORPORA; python
    .../scripts/render_pages.py handwriting/pages/rendered/train \\
        --hands .../hands --prints .../prints --texts text/en.txt.xz text/fr.txt.xz --pages 300
        --seed 1

Writes OUT/NAME.jpg with OUT/NAME.xml (PAGE: outline, baseline and text of each line, in reading
order), and OUT/pages.tsv, which says of each page its kind and its damage. Read it with the layout
`page`. NAME begins with the kind: letter, typescript, print, notebook, register, form, card, title,
sparse, dense, notes (in the margin, also upwards and at an angle), facing (two of the former with a
fold between them). What people do not transcribe is not in the files: stamps and seals, what shines
through, the edge of the page beside, rulers. Cells are lines of their own, row by row; a label of a
form and what is filled in after it are one line. Fonts are packages of npm's @fontsource, unpacked
as above; of the prints those with letters of one width are typewriters. Without --hands and
--prints all is written in Pillow's built-in font. Texts are files of paragraphs, plain or .xz, each
as likely as the others; German ones make German pages. A page is a function of the seed and its
number. Needs pillow and fonttools.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from page_damage import Damage, damaged, stamp
from page_ink import Colour, Hand, Sheet
from rendering import Face, built_in_face, faces, prose

from recog.formats.layout import page as page_xml
from recog.transcript import Line, Transcript

SIDES = (1500, 4000)  # pixels of the longer side
SMALLEST = 6.5  # pixels of a small letter that can still be read
WRITTEN = datetime(2000, 1, 1, tzinfo=UTC)  # the same files whenever they are made
BUILT_IN = "Alone the ships had lain at anchor for eleven weeks, and no letter came from home. " * 4
Box = tuple[float, float, float, float]  # left, top, right, bottom
INKS: dict[str, tuple[float, Colour]] = {
    "black": (4, (35, 30, 30)),
    "brown": (3, (45, 65, 95)),
    "faded brown": (1, (90, 120, 150)),
    "blue": (2, (120, 60, 40)),
    "violet": (1, (120, 40, 95)),
    "red": (0.2, (40, 40, 170)),
    "pencil": (1, (105, 105, 105)),
}


@dataclass(frozen=True)
class Fonts:
    """Faces by what they are for; none of the three is empty."""

    hands: list[Face]
    prints: list[Face]
    typewriters: list[Face]


def load_fonts(hands: Path | None, prints: Path | None) -> Fonts:
    """The faces of two folders; Pillow's built-in one for what there is none of."""
    spare = [built_in_face()]
    printed = faces(prints) if prints else []
    return Fonts(
        (faces(hands) if hands else []) or spare,
        [face for face in printed if not face.fixed] or spare,
        [face for face in printed if face.fixed] or spare,
    )


class Composer:
    """Writes on a sheet, in the language and the hand of the page."""

    def __init__(self, sheet: Sheet, fonts: Fonts, paragraphs: list[str], rng: random.Random):
        self.sheet, self.fonts, self.paragraphs, self.rng = sheet, fonts, paragraphs, rng
        # decides sizes and hands, alike on two facing pages
        self.style = random.Random(rng.random())
        self.traits: list[str] = []
        self.fold: float | None = None  # the x at which two pages meet
        self._words: list[str] = []
        name = rng.choices(list(INKS), [weight for weight, _ in INKS.values()])[0]
        self.ink = INKS[name][1]
        self.strength = rng.uniform(0.45, 0.65) if name == "pencil" else rng.uniform(0.7, 1.0)
        if name in ("pencil", "faded brown"):
            self.traits.append(name.replace(" ", "-"))
        self.face = rng.choice(fonts.hands)

    # Hands and words

    def hand(self, x_height: float, *, other: bool = False) -> Hand:
        """The page's handwriting, or that of somebody else."""
        rng = self.rng if other else self.style
        face = rng.choice(self.fonts.hands) if other else self.face
        ink = rng.choice(list(INKS.values()))[1] if other else self.ink
        return Hand(
            face, max(SMALLEST, x_height), ink, self.strength,
            slant=float(np.clip(rng.gauss(0.08, 0.18), -0.3, 0.6)),
            stretch=float(np.exp(np.clip(rng.gauss(0, 0.18), -0.35, 0.45))),
            gap=rng.uniform(0.7, 1.8), drift=rng.choice([0.02, 0.05, 0.1]),
            wander=rng.choice([0.1, 0.2, 0.4]), unsteady=rng.uniform(0.3, 0.12 * x_height + 0.4),
            stroke=0 if x_height < 18 else rng.choice([0, 0, 0, 1]),
        )  # fmt: skip

    def press(self, x_height: float, face: Face | None = None) -> Hand:
        """A printed face."""
        face = face or self.style.choice(self.fonts.prints)
        return Hand(
            face, max(SMALLEST, x_height), (35, 33, 33), 0.9, gap=self.style.uniform(0.5, 0.8)
        )

    def typewriter(self, x_height: float) -> Hand:
        rng = self.style
        face, worn = rng.choice(self.fonts.typewriters), rng.choice([0.0, 0.03, 0.08])
        colour = rng.choice([(40, 40, 40), (40, 40, 40), (110, 55, 50), (110, 50, 95)])
        width = face.at(100).getlength("n") / 100
        return Hand(
            face, max(SMALLEST, x_height), colour, rng.uniform(0.55, 0.95), gap=width, loose=worn
        )

    def words(self, count: int, hand: Hand | None = None) -> list[str]:
        """The next words of the text, as far as the hand can write them."""
        while len(self._words) < count:
            more = self.rng.choice(self.paragraphs)
            self._words += (more if hand is None else hand.able(more)).split() or ["a"]
        taken, self._words = self._words[:count], self._words[count:]
        return taken

    def phrase(self, low: int, high: int) -> str:
        return " ".join(self.words(self.rng.randint(low, high)))

    def name(self) -> str:
        words = [word.strip(".,;:!?()\"'").capitalize() for word in self.words(12)]
        long = [word for word in words if len(word) > 3] or ["Anna"]
        return " ".join(long[: self.rng.randint(1, 3)])

    def number(self) -> str:
        return str(
            self.rng.choice(
                [self.rng.randint(1, 9), self.rng.randint(10, 99), self.rng.randint(100, 9999)]
            )
        )

    def date(self) -> str:
        rng = self.rng
        return (
            f"{rng.randint(1, 31)}{rng.choice(['.', '-', '/', ' '])}{rng.randint(1, 12)}. "
            f"{rng.randint(1780, 1975)}"
        )

    def fitting(self, hand: Hand, width: float) -> str:
        """As many words as a width holds; one at least, cut where it is too long."""
        line: list[str] = []
        while True:
            word = self.words(1, hand)[0]
            if hand.width(" ".join([*line, word])) > width:
                break
            line.append(word)
        if line:
            self._words.insert(0, word)
            return " ".join(line)
        while len(word) > 1 and hand.width(word) > width:
            word = word[:-1]
        return word

    # Blocks

    def block(
        self, box: Box, hand: Hand, pitch: float, *, rows: int = 1000, justified: bool = False,
        indent: float = 0.0,
    ) -> float:  # fmt: skip
        """Paragraphs in a box, ``pitch`` pixels from line to line; the y at which they end.

        Printed lines are justified; written ones end where the next word does not fit.
        """
        left, top, right, bottom = box
        y, first, left_in = top + pitch, True, self.rng.randint(3, 14)
        slope = self.rng.gauss(0, 0.5)
        for _ in range(rows):
            if y > bottom:
                break
            start = left + (indent if first else 0.0)
            room = right - start
            last = left_in == 0
            if last:
                room *= self.rng.uniform(0.2, 0.9)
            text = self.fitting(hand, room)
            count = len(text.split()) - 1
            gap = None
            if justified and not last and count:
                tight = hand.width(text) - hand.gap * hand.x_height * count
                gap = min((room - tight) / count, 4 * hand.x_height)
            shake, angle = 0.0, 0.0
            if hand.wander:  # nobody writes as evenly as a press
                shake, angle = self.rng.gauss(0, 0.03 * pitch), self.rng.gauss(slope, 0.25)
            self.sheet.line([(text, hand, start)], y + shake, angle=angle, gap=gap)
            first = last
            left_in = self.rng.randint(3, 14) if last else left_in - 1
            y += pitch
        return y - pitch

    def centred(
        self, text: str, hand: Hand, box: Box, y: float, *, underlined: bool = False
    ) -> None:
        """One line in the middle, made smaller where it is too long."""
        room = box[2] - box[0]
        wide = hand.width(hand.able(text))
        if wide > 0.95 * room:
            hand = hand.sized(max(SMALLEST, hand.x_height * 0.95 * room / wide))
            words = text.split()
            while len(words) > 1 and hand.width(" ".join(words)) > room:
                words.pop()
            text = " ".join(words)
            wide = hand.width(hand.able(text))
        x = (box[0] + box[2] - wide) / 2
        self.sheet.line([(text, hand, max(box[0], x))], y, underlined=underlined)

    def ruling(self, box: Box, pitch: float, top: float, *, squared: bool) -> None:
        """The printed rules of writing paper, on one of which every line stands."""
        colour = self.rng.choice(
            [(200, 150, 110), (170, 170, 170), (160, 120, 160), (190, 190, 120)]
        )
        strength, width = self.rng.uniform(0.3, 0.9), max(1, round(pitch / 40))
        step = pitch / self.rng.choice([1, 2, 3]) if squared else pitch
        y = top
        while y > box[1]:
            y -= step
        while y < box[3]:
            self.sheet.stroke([(box[0], y), (box[2], y)], width, colour, strength)
            y += step
        x = box[0] + step
        while squared and x < box[2]:
            self.sheet.stroke([(x, box[1]), (x, box[3])], width, colour, strength)
            x += step

    # Kinds of page. Each writes in a box, which is the page without its margins.

    def letter(self, box: Box) -> None:
        rng, (left, top, right, bottom) = self.rng, box
        pitch = (bottom - top) / self.style.randint(16, 42)
        hand = self.hand(pitch * self.style.uniform(0.2, 0.36))
        y = top
        if rng.random() < 0.6:  # a letterhead
            press = self.press(pitch * self.style.uniform(0.18, 0.5))
            for k in range(rng.randint(1, 4)):
                text = self.phrase(1, 5).upper() if k == 0 else self.phrase(2, 7)
                size = press.x_height * (1.0 if k == 0 else rng.uniform(0.45, 0.7))
                y += 2.6 * max(size, SMALLEST)
                half = (left, top, left + 0.5 * (right - left), y) if rng.random() < 0.1 else box
                self.centred(text, press.sized(max(SMALLEST, size)), half, y)
            y += 0.6 * pitch
        y += pitch
        text = f"{self.name().split()[0]}, {self.date()}"
        self.sheet.line([(text, hand, max(left, right - hand.width(hand.able(text)) * 1.2))], y)
        y += 1.4 * pitch
        self.sheet.line(
            [(self.phrase(2, 4) + ",", hand, left + rng.uniform(0, 0.2) * (right - left))], y
        )
        end = bottom - 2.6 * pitch
        rows = rng.randint(4, 40)
        y = self.block(
            (left, y, right, end),
            hand,
            pitch,
            rows=rows,
            indent=rng.choice([0, 2, 4]) * hand.x_height,
        )
        if rng.random() < 0.85:  # a signature
            pen = replace(hand, x_height=hand.x_height * rng.uniform(1.0, 1.7))
            signature = " ".join(self.name().split()[:2])
            wide = 1.25 * pen.width(pen.able(signature))
            x = max(left, right - wide - rng.uniform(0, 0.2) * (right - left))
            self.sheet.line([(signature, pen, x)], y + 2 * pitch, angle=rng.gauss(1.5, 2.5))
            if rng.random() < 0.4:
                flourish = [
                    (x + wide * t, y + 2.45 * pitch + pitch * 0.2 * np.sin(7 * t))
                    for t in np.linspace(0, 1, 30)
                ]
                self.sheet.stroke(
                    flourish, max(1, round(hand.x_height / 9)), hand.colour, hand.strength
                )

    def typescript(self, box: Box) -> None:
        rng, (left, top, right, bottom) = self.rng, box
        x_height = (right - left) / self.style.randint(120, 190) * 2
        hand = self.typewriter(x_height)
        pitch = hand.x_height * self.style.choice([2.1, 2.4, 3.2, 4.0])
        y = top
        if rng.random() < 0.6:
            for _ in range(rng.randint(1, 3)):
                y += pitch
                text = rng.choice([self.date(), self.phrase(1, 4).upper(), self.name()])
                x = rng.choice([left, (left + right) / 2])
                self.sheet.line([(text, hand, x)], y, underlined=rng.random() < 0.2)
            y += pitch
        y = self.block(
            (left, y, right, bottom - 3 * pitch),
            hand,
            pitch,
            indent=rng.choice([0, 5]) * hand.x_height,
        )
        if rng.random() < 0.3:
            pen = self.hand(1.3 * hand.x_height)
            self.sheet.line(
                [(self.name(), pen, (left + right) / 2)], y + 2 * pitch, angle=rng.gauss(2, 2)
            )

    def print(self, box: Box) -> None:
        rng, (left, top, right, bottom) = self.rng, box
        columns = self.style.choice([1, 1, 1, 2, 2, 3])
        pitch = max((bottom - top) / self.style.randint(26, 62), 2.2 * SMALLEST)
        press = self.press(pitch * self.style.uniform(0.36, 0.46))
        y = top
        if rng.random() < 0.7:  # page number and running head
            y += pitch
            number = str(rng.randint(1, 600))
            at = rng.choice(["left", "right", "middle"])
            if at == "left":
                self.sheet.line([(number, press, left)], y)
            if at == "middle" or rng.random() < 0.6:
                head = number if at == "middle" else self.phrase(2, 5).upper()
                self.centred(
                    head,
                    press.sized(max(SMALLEST, 0.85 * press.x_height)),
                    (left + 0.15 * (right - left), 0, right - 0.15 * (right - left), 0),
                    y,
                )
            if at == "right":
                self.sheet.line([(number, press, right - press.width(number))], y)
            y += 0.6 * pitch
        if rng.random() < 0.5:
            y += 2.2 * pitch
            self.centred(
                self.phrase(1, 5), press.sized(press.x_height * rng.uniform(1.2, 2.2)), box, y
            )
            y += pitch
        gutter = press.x_height * rng.uniform(1.5, 5)
        wide = (right - left - gutter * (columns - 1)) / columns
        for k in range(columns):
            x = left + k * (wide + gutter)
            end = bottom - (rng.uniform(0, 0.3) * (bottom - y) if rng.random() < 0.2 else 0)
            self.block(
                (x, y, x + wide, end), press, pitch, justified=True, indent=1.5 * press.x_height
            )
            if k and rng.random() < 0.3:
                self.sheet.stroke([(x - gutter / 2, y), (x - gutter / 2, bottom)], 2, (60, 60, 60))

    def notebook(self, box: Box) -> None:
        rng, (left, top, right, bottom) = self.rng, box
        pitch = (bottom - top) / self.style.randint(16, 34)
        hand = self.hand(pitch * self.style.uniform(0.22, 0.4))
        full = (0.0, top * rng.uniform(0, 1), float(self.sheet.width), self.sheet.height)
        if self.sheet.width > 1.3 * (right - left):  # one of two facing pages
            full = (left, top, right, bottom)
        self.ruling(full, pitch, top + pitch * 1.08, squared=self.style.random() < 0.4)
        if rng.random() < 0.4:
            x = left - rng.uniform(0.5, 1.5) * hand.x_height
            self.sheet.stroke([(x, full[1]), (x, full[3])], 2, (110, 100, 200))
        if rng.random() < 0.4:
            self.sheet.line(
                [(self.phrase(1, 4), hand.sized(1.3 * hand.x_height), left + 0.2 * (right - left))],
                top + pitch,
                underlined=True,
            )
            top += pitch
        self.block(
            (left, top, right, bottom),
            hand,
            pitch,
            rows=rng.randint(6, 40),
            indent=rng.choice([0, 2]) * hand.x_height,
        )

    def register(self, box: Box) -> None:
        """A table: a printed or written head, and rows of cells of one to three lines."""
        rng, (left, top, right, bottom) = self.rng, box
        shares = [
            self.style.choice([0.5, 1, 1, 1.5, 3, 4]) for _ in range(self.style.randint(3, 8))
        ]
        edges = left + (right - left) * np.cumsum([0.0, *shares]) / sum(shares)
        pitch = (bottom - top) / self.style.randint(28, 64)
        hand = self.hand(max(pitch * self.style.uniform(0.24, 0.36), SMALLEST))
        pitch = max(pitch, 2.4 * hand.x_height)
        ruled = rng.random() < 0.85
        # without rules, only distance tells cells from words
        pad = (0.5 if ruled else 1.6) * hand.x_height
        kinds = [
            rng.choice(["number", "date", "sum"])
            if wide < 1.5
            else rng.choice(["name", "text", "text", "date"])
            for wide in shares
        ]
        y = top
        if rng.random() < 0.4:
            y += 1.6 * pitch
            self.centred(self.phrase(2, 6).upper(), self.press(0.5 * pitch), box, y)
            y += 0.5 * pitch
        head = y
        press = self.press(0.26 * pitch) if rng.random() < 0.7 else hand
        depth = rng.randint(1, 3)
        for k in range(len(kinds)):
            cell = (edges[k] + pad, y + 0.2 * pitch, edges[k + 1] - pad, y + pitch * (depth + 0.3))
            self.block(
                cell, press, max(2.3 * press.x_height, 0.8 * pitch), rows=rng.randint(1, depth)
            )
        y += pitch * (depth + 0.6)
        rows = [head, y]
        apart = rng.choice([0.0, 0.1, 0.5, 1.0]) * pitch
        while y + 3 * pitch + apart < bottom:
            deepest = 1
            for k, kind in enumerate(kinds):
                if rng.random() < 0.12:
                    continue
                room = edges[k + 1] - edges[k] - 2 * pad
                text = {
                    "number": self.number,
                    "sum": self.amount,
                    "date": self.date,
                    "name": self.name,
                }.get(kind)
                if text is not None:
                    written = self.shortened(text(), hand, room)
                    self.sheet.line([(written, hand, edges[k] + pad)], y + pitch)
                else:
                    lines = rng.choice([1, 1, 2, 3])
                    for line in range(lines):
                        part = self.fitting(
                            hand, room * (1 if line < lines - 1 else rng.uniform(0.5, 1))
                        )
                        self.sheet.line([(part, hand, edges[k] + pad)], y + pitch * (1 + line))
                    deepest = max(deepest, lines)
            y += deepest * pitch + apart
            rows.append(y + 0.25 * pitch)
        colour, strength = (
            rng.choice([(60, 60, 60), (90, 60, 60), (60, 60, 140)]),
            rng.uniform(0.3, 0.9),
        )
        width = max(1, round(pitch / 30))
        if ruled:
            for x in edges:
                self.sheet.stroke([(x, head), (x, bottom)], width, colour, strength)
        across = rows if rng.random() < 0.6 else [head, rows[1], bottom]
        for at in across:
            self.sheet.stroke([(left, at), (right, at)], width, colour, strength)

    def amount(self) -> str:
        return f"{self.rng.randint(1, 3000)}.{self.rng.randint(0, 99):02d}"

    def shortened(self, text: str, hand: Hand, room: float) -> str:
        """A text without the ends that do not fit."""
        while len(text) > 1 and hand.width(text) > room:
            text = text[:-1].rstrip()
        return text

    def notes(self, box: Box) -> None:
        """A text beside which somebody wrote in the margin: level, upwards or at an angle."""
        rng, (left, top, right, bottom) = self.rng, box
        wide = right - left
        margin = rng.uniform(0.2, 0.32) * wide
        on_left = rng.random() < 0.7
        main = (
            (left + margin, top, right, bottom) if on_left else (left, top, right - margin, bottom)
        )
        side = left if on_left else right - margin + 0.03 * wide
        pitch = (bottom - top) / self.style.randint(18, 40)
        hand = self.hand(pitch * self.style.uniform(0.24, 0.36))
        if rng.random() < 0.2:
            press = self.press(0.4 * pitch)
            self.block(main, press, pitch, justified=True, indent=pitch)
        else:
            self.block(main, hand, pitch, indent=rng.choice([0, 2]) * hand.x_height)
        small = self.hand(hand.x_height * rng.uniform(0.55, 0.85), other=rng.random() < 0.4)
        small = replace(small, strength=self.strength)
        step = small.x_height * rng.uniform(2.6, 3.4)
        y = top + rng.uniform(0, 0.3) * (bottom - top)
        while y < bottom - 4 * step:
            way = rng.choice(["level", "level", "upwards", "angle"])
            room = margin - 0.06 * wide
            if way == "level":
                end = self.block(
                    (side, y, side + room, bottom), small, step, rows=rng.randint(1, 6)
                )
                y = end + step
            elif way == "upwards":
                long = min(rng.uniform(0.15, 0.6) * (bottom - top), bottom - y)
                count = rng.randint(1, max(1, min(4, int(room / step))))
                for k in range(count):
                    text = self.fitting(small, long / 1.15)
                    self.sheet.line([(text, small, side + step * (k + 1))], y + long, angle=90)
                y += long
            else:
                angle = rng.uniform(8, 32) * rng.choice([-1, 1])
                long = room / np.cos(np.deg2rad(angle)) / 1.2
                fall = room * abs(np.tan(np.deg2rad(angle)))
                count = rng.randint(1, 3)
                if y + fall + step * (count + 1) < bottom:
                    for k in range(count):
                        at = y + step * (k + 1) + (fall if angle > 0 else 0)
                        self.sheet.line([(self.fitting(small, long), small, side)], at, angle=angle)
                y += fall + step * (count + 1)
            self.traits.append(f"notes-{way}")
            y += rng.uniform(0.02, 0.3) * (bottom - top)

    def form(self, box: Box) -> None:
        """Printed labels, and what somebody filled in after them on dotted lines."""
        rng, (left, top, right, bottom) = self.rng, box
        pitch = (bottom - top) / rng.randint(14, 34)
        hand, press = (
            self.hand(pitch * rng.uniform(0.22, 0.36)),
            self.press(pitch * rng.uniform(0.16, 0.3)),
        )
        y = top + 1.6 * pitch
        self.centred(self.phrase(1, 5).upper(), press.sized(1.6 * press.x_height), box, y)
        while y + 2 * pitch < bottom:
            y += pitch * rng.choice([1, 1, 1.3, 2])
            fields = rng.choice([1, 1, 2])
            wide = (right - left) / fields
            for k in range(fields):
                x, end = left + k * wide, left + (k + 1) * wide - 3 * press.x_height
                label = self.shortened(
                    self.phrase(1, 4).rstrip(".,;:") + rng.choice([":", ".", "", " N°"]),
                    press,
                    0.5 * wide,
                )
                at = x + press.width(press.able(label)) + 1.2 * press.x_height
                if rng.random() < 0.5:
                    dots = np.arange(at, end, max(6.0, 0.5 * press.x_height))
                    for dot in dots:
                        self.sheet.stroke([(dot, y + 2), (dot + 1, y + 2)], 2, press.colour)
                else:
                    self.sheet.stroke([(at, y + 3), (end, y + 3)], 2, press.colour, 0.6)
                pieces = [(label, press, x)]
                if rng.random() < 0.85 and end - at > 3 * hand.x_height:
                    text = self.shortened(
                        rng.choice([self.date(), self.name(), self.phrase(1, 7), self.number()]),
                        hand,
                        0.85 * (end - at),
                    )
                    start = at + rng.uniform(0, 0.6) * hand.x_height
                    pieces.append((text, hand, start))
                self.sheet.line(pieces, y)

    def card(self, box: Box) -> None:
        """An index card: a heading, a line or two below it, a number in a corner."""
        rng, (left, top, right, bottom) = self.rng, box
        pitch = (bottom - top) / rng.randint(6, 12)
        typed = rng.random() < 0.5
        hand = (
            self.typewriter(0.32 * pitch) if typed else self.hand(pitch * rng.uniform(0.25, 0.36))
        )
        if rng.random() < 0.4:
            self.ruling(box, pitch, top + 1.05 * pitch, squared=False)
        number = self.number()
        self.sheet.line(
            [
                (
                    self.shortened(self.name() + ", " + self.name(), hand, 0.7 * (right - left)),
                    hand,
                    left,
                )
            ],
            top + pitch,
        )
        self.sheet.line(
            [(number, hand, right - 1.2 * hand.width(number) - hand.x_height)], top + pitch
        )
        self.block(
            (left + rng.choice([0, 3]) * hand.x_height, top + 1.5 * pitch, right, bottom),
            hand,
            pitch,
            rows=rng.randint(1, 8),
        )

    def title(self, box: Box) -> None:
        """Very large and very small writing on one page."""
        rng, (_, top, _, bottom) = self.rng, box
        written = rng.random() < 0.35
        y, faces_used = top, [self.press(10) for _ in range(2)]
        largest = (bottom - top) / rng.randint(16, 30)
        while True:
            x_height = max(SMALLEST, largest * rng.choice([1, 0.6, 0.4, 0.25, 0.12]))
            hand = self.hand(x_height) if written else rng.choice(faces_used).sized(x_height)
            y += 2.4 * x_height + rng.choice([0, 0.3, 1, 3]) * x_height
            if y + x_height > bottom:
                break
            text = self.phrase(1, 2 if x_height > 0.5 * largest else 7)
            self.centred(text.upper() if rng.random() < 0.4 and not written else text, hand, box, y)
            y += 0.8 * x_height
            if rng.random() < 0.2:
                middle, half = (box[0] + box[2]) / 2, rng.uniform(0.05, 0.3) * (box[2] - box[0])
                self.sheet.stroke(
                    [(middle - half, y), (middle + half, y)], rng.randint(2, 6), (40, 40, 40)
                )
            y += rng.choice([0, 0, 0.05, 0.12]) * (bottom - top)

    def sparse(self, box: Box) -> None:
        """One to three lines somewhere on a page."""
        rng, (left, top, right, bottom) = self.rng, box
        pitch = (bottom - top) / rng.randint(12, 45)
        hand = self.hand(pitch * 0.32) if rng.random() < 0.7 else self.press(0.4 * pitch)
        if rng.random() < 0.3:
            self.ruling(box, pitch, top + pitch, squared=rng.random() < 0.3)
        y = top + pitch * rng.randint(0, 8)
        x = left + rng.uniform(0, 0.4) * (right - left)
        self.block((x, y, right, bottom), hand, pitch, rows=rng.randint(1, 3))

    def dense(self, box: Box) -> None:
        """As many lines as can be read, up to a hundred or so."""
        rng, (left, top, right, bottom) = self.rng, box
        pitch = max((bottom - top) / rng.randint(75, 115), 2.5 * SMALLEST)
        if rng.random() < 0.6:
            hand = self.hand(pitch * rng.uniform(0.28, 0.38))
            self.block(box, hand, pitch, indent=rng.choice([0, 3]) * hand.x_height)
        else:
            press = self.press(0.42 * pitch)
            middle, gutter = (left + right) / 2, 2 * press.x_height
            for half in (
                (left, top, middle - gutter, bottom),
                (middle + gutter, top, right, bottom),
            ):
                self.block(half, press, pitch, justified=True, indent=press.x_height)

    def facing(self, box: Box) -> None:
        """Two pages with a fold between them, from which their lines keep any distance, or hardly
        any."""
        rng, (left, top, right, bottom) = self.rng, box
        fold = (left + right) / 2 + rng.uniform(-0.04, 0.04) * (right - left)
        gap = (right - left) * float(np.exp(rng.uniform(np.log(0.004), np.log(0.09))))
        kinds: list[Callable[[Box], None]] = [
            self.letter, self.notebook, self.print, self.register, self.typescript, self.notes,
        ]  # fmt: skip
        writes = rng.choices(kinds, [4, 3, 2, 3, 1, 2])[0]
        self.traits.append(f"facing-{writes.__name__}")
        if gap < 0.02 * (right - left):
            self.traits.append("close")
        alike = rng.random() < 0.7
        seed = rng.random()
        self.style = random.Random(seed)
        writes((left, top, fold - gap / 2, bottom))
        self.style = random.Random(seed if alike else rng.random())
        self.face = self.face if alike else rng.choice(self.fonts.hands)
        writes(
            (
                fold + gap / 2,
                top + rng.choice([0, rng.uniform(0, 0.1)]) * (bottom - top),
                right,
                bottom,
            )
        )
        if rng.random() < 0.7:
            self.sheet.stroke(
                [(fold, 0), (fold, self.sheet.height)], rng.randint(1, 4), (60, 60, 60), 0.6
            )
        self.fold = fold


KINDS = {
    "letter": 0.13, "typescript": 0.06, "print": 0.09, "notebook": 0.1, "register": 0.12,
    "notes": 0.1,
    "form": 0.06, "card": 0.04, "title": 0.05, "sparse": 0.05, "dense": 0.05, "facing": 0.15,
}  # fmt: skip


def kind_of(number: int) -> str:
    """The kind of a page, such that of any few dozen pages in a row every kind has its share."""
    at = number * 0.6180339887 % 1.0  # multiples of the golden ratio are spread evenly
    edges = np.cumsum(list(KINDS.values()))
    return list(KINDS)[min(int(np.searchsorted(edges, at, side="right")), len(KINDS) - 1)]


def shape_of(kind: str, sides: tuple[int, int], rng: random.Random) -> tuple[int, int]:
    """Width and height of a sheet in pixels."""
    longer = rng.uniform(*sides)
    if kind == "dense":
        longer = max(longer, 0.8 * sides[1])
    if kind == "facing":
        longer = max(longer, 0.55 * sides[1])
        return round(longer), round(longer * rng.uniform(0.62, 0.85))
    if kind == "card":
        longer = max(sides[0], 0.7 * longer)
        return round(longer), round(longer * rng.uniform(0.58, 0.75))
    if kind in ("register", "form") and rng.random() < 0.2:
        return round(longer), round(longer * rng.uniform(0.65, 0.85))
    return round(longer * rng.uniform(0.6, 0.82)), round(longer)


def paper(width: int, height: int, rng: random.Random, noise: np.random.Generator) -> np.ndarray:
    """A sheet of white, grey, yellowed or coloured paper."""
    tint = rng.choice(
        [(245, 248, 250), (225, 236, 242), (195, 220, 233), (170, 200, 215), (205, 205, 205)]
    )
    if rng.random() < 0.08:
        tint = rng.choice([(170, 205, 180), (215, 195, 165), (180, 185, 225), (150, 170, 190)])
    cells = (max(2, height // 300), max(2, width // 300))
    mottle = noise.normal(0, rng.uniform(0.5, 5), cells).astype(np.float32)
    field = cv2.resize(mottle, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.merge([cv2.convertScaleAbs(field, beta=light) for light in tint])


def render(
    fonts: Fonts, texts: list[list[str]], seed: int, number: int, *, kind: str | None = None,
    sides: tuple[int, int] = SIDES, damage: bool = True,
) -> tuple[str, np.ndarray, list[Line], list[str]]:  # fmt: skip
    """Page ``number`` of a seed.

    Args:
        kind: one of :data:`KINDS`; by default that of :func:`kind_of`.
        sides: the least and the most pixels of its longer side.
        damage: whether it is worn, turned and curled as scans are.

    Returns:
        Its kind, pixels (height, width, 3), lines in reading order, and traits: what is on it.
    """
    rng, noise = random.Random(seed * 1_000_003 + number), np.random.default_rng([seed, number])
    kind = kind or kind_of(number)
    width, height = shape_of(kind, sides, rng)
    sheet = Sheet(paper(width, height, rng, noise), rng, noise)
    paragraphs = rng.choice(texts)
    composer = Composer(sheet, fonts, paragraphs, rng)
    margins = [rng.uniform(0.04, 0.13) * side for side in (width, height, width, height)]
    box = (margins[0], margins[1], width - margins[2], height - margins[3])
    if damage and rng.random() < 0.25:  # what is written on the other side
        back = Sheet(np.full_like(sheet.pixels, 255), rng, noise)
        Composer(back, fonts, paragraphs, rng).block(
            box, composer.hand(height / 130), height / rng.randint(20, 45)
        )
        strength = rng.uniform(0.08, 0.35) * composer.strength  # weaker than what is to be read
        shine = cv2.GaussianBlur(255 - back.pixels[:, ::-1].min(axis=2), (0, 0), rng.uniform(1, 4))
        sheet.blend(shine, rng.randint(-20, 20), rng.randint(-20, 20), composer.ink, strength)
        composer.traits.append("shine-through")
    getattr(composer, kind)(box)
    if not sheet.lines:  # the least that is a page
        composer.sparse(box)
    if not damage:
        return kind, sheet.pixels, as_lines(sheet), composer.traits
    if rng.random() < 0.2:
        stamp(
            sheet, composer.press(max(SMALLEST, height / 150)), composer.phrase(1, 3).upper(), rng
        )
        composer.traits.append("stamp")
    edge = None
    if rng.random() < 0.2:  # the page beside, cut off
        edge = Sheet(paper(width // 2, height, rng, noise), rng, noise)
        Composer(edge, fonts, paragraphs, rng).block(
            (0.05 * width, box[1], 0.48 * width, box[3]),
            composer.hand(height / 130),
            height / rng.randint(20, 45),
        )
    traits = damaged(
        sheet, Damage(sides[1], composer.fold, None if edge is None else edge.pixels), rng, noise
    )
    return kind, sheet.pixels, as_lines(sheet), composer.traits + traits


def as_lines(sheet: Sheet) -> list[Line]:
    def points(of: np.ndarray) -> tuple[tuple[float, float], ...]:
        return tuple((float(x), float(y)) for x, y in of)

    return [
        Line(line.text, polygon=points(line.outline), baseline=points(line.baseline))
        for line in sheet.lines
    ]


@dataclass(frozen=True)
class Press:
    """Prints the pages of one run, whichever process asks for which."""

    fonts: Fonts
    texts: list[list[str]]
    out: Path
    seed: int
    sides: tuple[int, int]

    def page(self, number: int) -> str:
        """Write page ``number``; its row of pages.tsv."""
        kind, pixels, lines, traits = render(
            self.fonts, self.texts, self.seed, number, sides=self.sides
        )
        name = f"{kind}-{number:05d}"
        quality = random.Random(f"{self.seed} {number}").choice([35, 50, 65, 80, 90, 95])
        cv2.imwrite(str(self.out / f"{name}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        transcript = Transcript(
            f"{name}.jpg", tuple(lines), size=(pixels.shape[1], pixels.shape[0])
        )
        xml = page_xml.write(transcript, when=WRITTEN)
        (self.out / f"{name}.xml").write_text(xml, encoding="utf-8")
        return f"{name}\t{kind}\t{len(lines)}\t{','.join(sorted(set(traits)))}\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--hands", type=Path, help="folder of handwriting faces")
    parser.add_argument("--prints", type=Path, help="folder of print and typewriter faces")
    parser.add_argument(
        "--texts", type=Path, nargs="+", default=[], help="text files, plain or .xz"
    )
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--sides", type=int, nargs=2, default=SIDES, help="pixels of the longer side, from and to"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    fonts = load_fonts(arguments.hands, arguments.prints)
    print(
        f"{len(fonts.hands)} hands, {len(fonts.prints)} prints, {len(fonts.typewriters)} "
        "typewriters"
    )
    texts = [prose(path) for path in arguments.texts] or [[BUILT_IN]]
    global _press
    _press = Press(fonts, texts, arguments.out, arguments.seed, tuple(arguments.sides))
    context = multiprocessing.get_context("fork")  # fonts do not travel between processes
    with context.Pool(arguments.jobs, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        rows = list(pool.imap(_page, range(arguments.pages), chunksize=5))
    (arguments.out / "pages.tsv").write_text(
        "name\tkind\tlines\ttraits\n" + "".join(rows), encoding="utf-8"
    )


_press: Press


def _page(number: int) -> str:
    return _press.page(number)


if __name__ == "__main__":
    main()
