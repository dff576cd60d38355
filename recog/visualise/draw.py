"""Draw text of most scripts, and colours for confidences.

Text needs OpenCV 5, whose built-in fonts have Latin, Greek, Cyrillic, Hebrew, Arabic, Chinese,
Japanese and Korean letters (the Arabic ones unjoined). A character that the font lacks is drawn as
a question mark.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.text.bidi import base_direction, is_right_to_left, to_display
from recog.visualise.arabic import shape_arabic

Canvas = NDArray[np.uint8]  # (height, width, 3), blue, green, red
Colour = tuple[int, int, int]  # blue, green, red

WHITE: Colour = (255, 255, 255)
INK: Colour = (38, 33, 30)
SOFT: Colour = (120, 112, 105)
RULE: Colour = (222, 218, 214)
PLAIN: tuple[Colour, ...] = (
    (160, 95, 30),
    (105, 120, 15),
)  # of lines without a confidence, in turn
# By confidence: from red to blue, which colour-blind people can tell apart, and dark enough for
# text on white.
_SCALE = (
    (0.0, (25, 35, 190)),
    (0.4, (25, 72, 185)),
    (0.7, (35, 100, 130)),
    (0.85, (140, 100, 50)),
    (1.0, (150, 75, 20)),
)
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]+"
)
_BOUNDS = (1_000_000, 10_000)  # of the image to measure text for: wide enough never to wrap
_TABLES = {b"cmap", b"head", b"hhea", b"hmtx", b"maxp"}  # that every font has
MAX_LETTERS = 400
ASCENT, DESCENT = 1.0, 0.35  # of letters above and below the baseline, in font sizes


def colour_of(confidence: float | None, other: Colour = INK) -> Colour:
    """The colour of a confidence, red for 0 to blue for 1; ``other`` for none."""
    if confidence is None or not math.isfinite(confidence):
        return other
    at = [stop for stop, _ in _SCALE]
    blue, green, red = (
        round(float(np.interp(confidence, at, [c[k] for _, c in _SCALE]))) for k in range(3)
    )
    return blue, green, red


def blank(width: int, height: int, colour: Colour = WHITE) -> Canvas:
    """A canvas of one colour."""
    return np.full((height, width, 3), colour, np.uint8)


class TextPainter:
    """Draws text of any script on a canvas.

    Args:
        font: a TrueType or OpenType file; None for OpenCV's own.

    Raises:
        UserError: OpenCV is older than 5, or cannot read the font.
    """

    def __init__(self, font: Path | None = None) -> None:
        if not hasattr(cv2, "FontFace"):
            raise UserError(
                f"Drawing needs OpenCV 5, and this is {cv2.__version__}; "
                "install it with: pip install --upgrade opencv-python-headless"
            )
        self._face = cv2.FontFace("sans")
        if font is not None and not (is_font(font) and self._face.set(str(font))):
            raise UserError(f"{font} is not a font that can be read; give a TrueType file (.ttf).")
        self._joined = font is not None  # OpenCV's font has only isolated Arabic letters
        self._width = lru_cache(maxsize=20_000)(self._measure)

    def width(self, text: str, size: int, weight: int = 400) -> int:
        """The width of a text in pixels."""
        return self._width(self._shown(text), size, weight)

    def _shown(self, text: str) -> str:
        return drawable(text, joined=self._joined)

    def _measure(self, text: str, size: int, weight: int) -> int:
        # spaces at the end have no width
        return (
            int(cv2.getTextSize(_BOUNDS, text, (0, 0), self._face, size, weight)[2]) if text else 0
        )

    def put(
        self,
        canvas: Canvas,
        text: str,
        x: float,
        y: float,
        size: int,
        colour: Colour = INK,
        weight: int = 400,
    ) -> int:
        """Draw a text that starts at ``x`` on the baseline ``y``; returns its width in pixels.

        The canvas clips the text.
        """
        text = self._shown(text)
        width = self._width(text, size, weight)
        left, top = round(x), round(y - ASCENT * size)
        right, bottom = (
            min(left + width + size, canvas.shape[1]),
            min(round(y + DESCENT * size), canvas.shape[0]),
        )
        if width and left < right and bottom > 0 and left + width + size > 0:
            patch = blank(width + size, round(ASCENT * size) + round(DESCENT * size) + 1)
            cv2.putText(patch, text, (0, round(ASCENT * size)), (0, 0, 0), self._face, size, weight)
            first, above = max(0, -left), max(0, -top)
            part = patch[above : above + bottom - max(0, top), first : first + right - max(0, left)]
            under = canvas[
                max(0, top) : max(0, top) + part.shape[0],
                max(0, left) : max(0, left) + part.shape[1],
            ]
            cover = (255 - part[: under.shape[0], : under.shape[1]].astype(np.float32)) / 255
            under[:] = np.rint(under * (1 - cover) + np.array(colour, np.float32) * cover).astype(
                np.uint8
            )
        return width

    def put_words(
        self,
        canvas: Canvas,
        words: Iterable[tuple[str, Colour]],
        x: float,
        y: float,
        size: int,
        weight: int = 400,
    ) -> int:
        """Draw words in visual order, each in its colour; returns their width in pixels."""
        at = x
        for number, (word, colour) in enumerate(visual_order(list(words))):
            at += self.space(size) if number else 0
            at += self.put(canvas, word, at, y, size, colour, weight)
        return round(at - x)

    def width_of_words(self, words: Iterable[str], size: int, weight: int = 400) -> int:
        """The width in pixels of what :meth:`put_words` draws."""
        widths = [self.width(word, size, weight) for word in words]
        return sum(widths) + self.space(size) * max(0, len(widths) - 1)

    @staticmethod
    def space(size: int) -> int:
        return max(2, round(0.28 * size))


def is_font(path: Path) -> bool:
    """Whether a file is a complete TrueType font by its table directory.

    OpenCV does not check that itself.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return False
    if len(data) < 12 or data[:4] not in (b"\0\1\0\0", b"true", b"OTTO"):
        return False
    count = int.from_bytes(data[4:6], "big")
    records = [data[12 + 16 * k : 28 + 16 * k] for k in range(count)]
    if any(len(record) < 16 for record in records):
        return False
    ends = [
        int.from_bytes(record[8:12], "big") + int.from_bytes(record[12:16], "big")
        for record in records
    ]
    return max(ends, default=0) <= len(data) and {record[:4] for record in records} >= _TABLES


def drawable(text: str, *, joined: bool = False) -> str:
    """Prepare a text for OpenCV: in visual order, printable, at most 400 characters.

    Args:
        joined: whether to shape Arabic letters, whose presentation forms not every font has.
    """
    text = _INVISIBLE.sub(" ", text[: 2 * MAX_LETTERS]).strip()
    text = text if len(text) <= MAX_LETTERS else text[: MAX_LETTERS - 1] + "…"
    if not is_right_to_left(text):
        return text
    return to_display(shape_arabic(text) if joined else text)


def visual_order(words: Sequence[tuple[str, Colour]]) -> list[tuple[str, Colour]]:
    """Words in their order from left to right."""
    text = " ".join(word for word, _ in words)
    if not is_right_to_left(text):
        return list(words)
    runs = [
        (turned, list(run))
        for turned, run in groupby(words, lambda word: is_right_to_left(word[0]))
    ]
    ordered = runs[::-1] if base_direction(text) == "R" else runs
    return [word for turned, run in ordered for word in (run[::-1] if turned else run)]


def legend(canvas: Canvas, painter: TextPainter, right: int, y: int, size: int) -> None:
    """Draw the colour scale of confidences, which ends at ``right``, on the baseline ``y``."""
    length = 120
    at = right - painter.width("sure", size)
    painter.put(canvas, "sure", at, y, size, SOFT)
    for k in range(length):
        x = at - 8 - length + k
        cv2.line(
            canvas,
            (x, y - round(0.55 * size)),
            (x, y - round(0.1 * size)),
            colour_of(k / (length - 1)),
            1,
        )
    painter.put(canvas, "unsure", at - 16 - length - painter.width("unsure", size), y, size, SOFT)


def encoded(canvas: NDArray[np.uint8], suffix: str) -> bytes:
    """Encode an image; ``suffix`` is that of the format, with its dot."""
    done, data = cv2.imencode(suffix, canvas)
    if not done:
        raise UserError(
            f"A picture of {canvas.shape[1]} x {canvas.shape[0]} pixels cannot be written "
            f"as {suffix}."
        )
    return bytes(data.tobytes())
