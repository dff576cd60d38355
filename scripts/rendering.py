"""What rendered lines and rendered pages share: open fonts and the texts they write."""

from __future__ import annotations

import lzma
import re
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from fontTools.ttLib import TTFont
from PIL import ImageFont

SIZE = 72  # points at which faces are measured and lines are drawn


@dataclass(frozen=True)
class Face:
    """A font and the characters it can write."""

    pen: ImageFont.FreeTypeFont
    characters: frozenset[str]
    name: str = ""

    @property
    def x_height(self) -> float:
        """Height of a small letter in pixels, of the pen at :data:`SIZE` points."""
        return float(-self.pen.getbbox("x", anchor="ls")[1])

    @property
    def fixed(self) -> bool:
        """Whether all letters are about as wide, as those of a typewriter are."""
        return self.pen.getlength("i") > 0.8 * self.pen.getlength("m")

    def at(self, x_height: float) -> ImageFont.FreeTypeFont:
        """The pen whose small letters are so many pixels high."""
        return _sized(self.pen, max(4, round(SIZE * x_height / self.x_height)))


@lru_cache(512)
def _sized(pen: ImageFont.FreeTypeFont, points: int) -> ImageFont.FreeTypeFont:
    return pen.font_variant(size=points)


def faces(folder: Path) -> list[Face]:
    """The fonts of a folder that can write French and have small letters."""
    found = []
    for path in sorted(folder.rglob("*-latin-400-normal.woff")):
        characters = frozenset(map(chr, TTFont(path).getBestCmap()))
        if {"a", "A", "1", ".", "é"} <= characters:
            pen = ImageFont.truetype(str(path), SIZE)
            low, high = (-pen.getbbox(text, anchor="ls")[1] for text in ("aceno", "ACENO"))
            if low < 0.9 * high:  # else small letters look like capitals
                found.append(Face(pen, characters, path.name.partition("-latin-")[0]))
    return found


def built_in_face() -> Face:
    """The font that comes with Pillow, for where there is no other."""
    pen = ImageFont.load_default(SIZE)
    if not isinstance(pen, ImageFont.FreeTypeFont) or not isinstance(pen.path, BytesIO):
        raise RuntimeError("Pillow was built without FreeType, and so has no font of any size.")
    pen.path.seek(0)
    return Face(pen, frozenset(map(chr, TTFont(pen.path).getBestCmap())), "built-in")


def prose(path: Path) -> list[str]:
    """The paragraphs of a text file, plain or .xz, of more than 80 characters each."""
    with (
        lzma.open(path, "rt", encoding="utf-8")
        if path.suffix == ".xz"
        else path.open(encoding="utf-8") as file
    ):
        text = (re.sub(r"\s+([;:!?])", r" \1", line.strip()) for line in file)
        return [
            line.replace("’", "'").replace("—", "-").replace("_", "")
            for line in text
            if len(line) > 80
        ]
