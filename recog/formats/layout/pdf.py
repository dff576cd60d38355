"""Searchable PDF (ISO 32000-2): pictures of pages with invisible text over the words.

The file is written page by page, so that a document of any length takes the memory of one page.
Pages are turned upright. The text is set in a font without ink; a table maps its codes to
characters, so that any script can be searched and copied. Codes are assigned as characters appear.
Right-to-left text is in display order, as in any PDF; viewers restore the logical order.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from recog.formats.layout.glyphless import ASCENT, DESCENT, EM, WIDTH, glyphless_font
from recog.formats.layout.rotation import line_direction, rotate_box, rotate_line, rotate_point
from recog.formats.layout.shapes import boxed_words
from recog.formats.media_checks import require_image
from recog.media.document.picture import Picture
from recog.media.image.exif import upright_point
from recog.text.bidi import to_display
from recog.transcript import Line, Transcript

POINTS = 72.0  # to an inch
BLANK = (595.0, 842.0)  # points of a page without a picture: DIN A4
MAX_CODES = 65_000
GAP = 0.15  # of a line's height between words; Poppler sees a space from 0.1 on
CATALOG, PAGES, FONT, CID_FONT, DESCRIPTOR, FILE, GLYPHS, UNICODE, INFO = range(1, 10)


class PdfWriter:
    """Writes a PDF to a binary file, front to back.

    Args:
        file: open for writing, at its start.
        title: what viewers show.
    """

    def __init__(self, file: BinaryIO, title: str) -> None:
        self._file = file
        self._title = title
        self._at = 0
        self._offsets: dict[int, int] = {}
        self._pages: list[int] = []
        self._codes: dict[str, int] = {}
        self._next = INFO + 1
        self._write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def add(self, transcript: Transcript, picture: Picture | None) -> None:
        """Write a page: its picture and its transcript; without a picture the page is blank.

        Raises:
            UsageError: the transcript is of sound.
        """
        size = require_image(transcript, "a searchable PDF needs images")
        page, image, content = self._next, self._next + 1, self._next + 2
        self._next += 3
        self._pages.append(page)
        (width, height), scale = BLANK, 1.0
        resources = f"/Font << /F {FONT} 0 R >>"
        drawn = ""
        turns = _page_rotation(transcript)
        lines = tuple(rotate_line(line, turns, size) for line in transcript.lines)
        size = size if turns % 2 == 0 else size[::-1]
        transcript = replace(transcript, lines=lines, size=size)
        if picture is not None:
            scale = POINTS / picture.dpi
            width, height = size[0] * scale, size[1] * scale
            resources += f" /XObject << /I {image} 0 R >>"
            matrix = _picture_matrix(picture.orientation, turns, width, height)
            drawn = f"q {_numbers(*matrix)} cm /I Do Q\n"
            space = "DeviceGray" if picture.colours == 1 else "DeviceRGB"
            self._stream(
                image,
                picture.data,
                f"/Type /XObject /Subtype /Image /Width {picture.width} /Height {picture.height} "
                f"/ColorSpace /{space} /BitsPerComponent {picture.bits} /Filter /{picture.filter}",
            )
        else:
            self._object(image, "null")
        text = "\n".join(
            self._line(line, transcript, scale) for line in transcript.lines if line.text
        )
        drawn += f"BT 3 Tr\n{text}\nET" if text else ""
        self._stream(content, zlib.compress(drawn.encode("ascii")), "/Filter /FlateDecode")
        self._object(
            page,
            f"<< /Type /Page /Parent {PAGES} 0 R /MediaBox [0 0 {_numbers(width, height)}] "
            f"/Resources << {resources} >> /Contents {content} 0 R >>",
        )

    def finish(self) -> None:
        """Write the fonts, the tables and the trailer."""
        kids = " ".join(f"{page} 0 R" for page in self._pages)
        self._object(PAGES, f"<< /Type /Pages /Count {len(self._pages)} /Kids [{kids}] >>")
        self._object(CATALOG, f"<< /Type /Catalog /Pages {PAGES} 0 R >>")
        title = ("\ufeff" + self._title).encode("utf-16-be", errors="replace").hex()
        self._object(INFO, f"<< /Producer (recog) /Title <{title}> >>")
        self._font()
        start = self._at
        size = self._next
        rows = "".join(f"{self._offsets[number]:010d} 00000 n \n" for number in range(1, size))
        self._write(f"xref\n0 {size}\n0000000000 65535 f \n{rows}".encode("ascii"))
        trailer = f"trailer\n<< /Size {size} /Root {CATALOG} 0 R /Info {INFO} 0 R >>\n"
        self._write(f"{trailer}startxref\n{start}\n%%EOF\n".encode("ascii"))

    def _line(self, line: Line, transcript: Transcript, scale: float) -> str:
        """Return the operators that set the words of a line on their boxes."""
        assert transcript.size is not None
        size, way = transcript.size, line_direction(line)
        words = [
            (word.box or (0, 0, 0, 0), to_display(word.text))
            for word in boxed_words(line, transcript)
        ]
        boxed = sorted((rotate_box(box, way, size), shown) for box, shown in words if shown)
        a, b = ((1, 0), (0, -1), (-1, 0), (0, 1))[way]
        pieces = []
        for number, ((left, top, right, bottom), shown) in enumerate(boxed, start=1):
            high = max(bottom - top, 1.0)
            free_to = boxed[number][0][0] - GAP * high if number < len(boxed) else right
            wide = max(min(right, free_to) - left, (right - left) / 2, 0.1)
            stretch = 100 * wide * EM / (len(shown) * WIDTH * high)
            turned = size if way % 2 == 0 else size[::-1]
            x, y = rotate_point((left, bottom + DESCENT / EM * high), -way % 4, turned)
            matrix = _numbers(a, b, -b, a, x * scale, (size[1] - y) * scale)
            codes = self._encoded(shown + (" " if number < len(boxed) else ""))
            pieces.append(
                f"/F {_numbers(high * scale)} Tf {_numbers(stretch)} Tz {matrix} Tm <{codes}> Tj"
            )
        return "\n".join(pieces)

    def _encoded(self, text: str) -> str:
        """Return the codes of characters in hexadecimal; 0 once all codes are assigned."""
        codes = []
        for character in text:
            if character not in self._codes and len(self._codes) < MAX_CODES:
                self._codes[character] = len(self._codes) + 1
            codes.append(self._codes.get(character, 0))
        return "".join(f"{code:04x}" for code in codes)

    def _font(self) -> None:
        self._object(
            FONT,
            f"<< /Type /Font /Subtype /Type0 /BaseFont /Glyphless /Encoding /Identity-H "
            f"/DescendantFonts [{CID_FONT} 0 R] /ToUnicode {UNICODE} 0 R >>",
        )
        self._object(
            CID_FONT,
            f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Glyphless /DW {WIDTH} "
            f"/CIDToGIDMap {GLYPHS} 0 R "
            f"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
            f"/FontDescriptor {DESCRIPTOR} 0 R >>",
        )
        self._object(
            DESCRIPTOR,
            f"<< /Type /FontDescriptor /FontName /Glyphless /Flags 5 "
            f"/FontBBox [0 {DESCENT} {WIDTH} {ASCENT}] /ItalicAngle 0 /Ascent {ASCENT} "
            f"/Descent {DESCENT} /CapHeight {ASCENT} /StemV 80 /FontFile2 {FILE} 0 R >>",
        )
        font = glyphless_font()
        self._stream(FILE, zlib.compress(font), f"/Filter /FlateDecode /Length1 {len(font)}")
        # every code to glyph 1, which is empty
        self._stream(GLYPHS, zlib.compress(b"\0\1" * 65_536), "/Filter /FlateDecode")
        self._stream(
            UNICODE, zlib.compress(self._unicode().encode("ascii")), "/Filter /FlateDecode"
        )

    def _unicode(self) -> str:
        """Return the table from codes to characters (Adobe Technical Note 5411)."""
        rows = [f"<{code:04x}> <{_utf16(character)}>" for character, code in self._codes.items()]
        blocks = [rows[at : at + 100] for at in range(0, len(rows), 100)]
        mapped = "\n".join(
            f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks
        )
        return (
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
            f"1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n{mapped}\n"
            "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
        )

    def _stream(self, number: int, data: bytes, entries: str) -> None:
        self._begin(number)
        self._write(f"<< {entries} /Length {len(data)} >>\nstream\n".encode("ascii"))
        self._write(data)
        self._write(b"\nendstream\nendobj\n")

    def _object(self, number: int, content: str) -> None:
        self._begin(number)
        self._write(f"{content}\nendobj\n".encode("ascii"))

    def _begin(self, number: int) -> None:
        self._offsets[number] = self._at
        self._write(f"{number} 0 obj\n".encode("ascii"))

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._at += len(content)


def _utf16(character: str) -> str:
    return character.encode("utf-16-be", errors="replace").hex()


def _numbers(*values: float) -> str:
    return " ".join(f"{value:.4f}".rstrip("0").rstrip(".") for value in values)


def _picture_matrix(orientation: int, turns: int, width: float, height: float) -> Iterator[float]:
    """Yield the matrix that draws a stored picture on its page, which has this size in points.

    The Exif orientation (2.32, tag 274) is applied first, then the quarter turns.
    """

    def corner(across: float, up: float) -> tuple[float, float]:
        x, y = rotate_point(upright_point((across, 1 - up), orientation, (1, 1)), turns, (1, 1))
        return x * width, (1 - y) * height

    x0, y0 = corner(0, 0)
    for x, y in (corner(1, 0), corner(0, 1)):
        yield from (x - x0, y - y0)
    yield from (x0, y0)


def _page_rotation(transcript: Transcript) -> int:
    """Return the quarter turns, counter-clockwise, that make most letters of a page upright."""
    letters = Counter[int]()
    for line in transcript.lines:
        letters[line_direction(line)] += len(line.text)
    return letters.most_common(1)[0][0] if letters else 0
