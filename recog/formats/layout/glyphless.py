"""A TrueType font for the invisible text of a PDF.

Its only glyph is a line without ink, half an em wide. The line crosses the glyph's box from corner
to corner, so that viewers highlight text at its full height. The font is built here because others
have a licence and take 50 KB. It has the tables of the OpenType specification 1.9 that a PDF needs
(ISO 32000-2, 9.9).
"""

from __future__ import annotations

import struct

EM = 1000
WIDTH = 500  # of every glyph
ASCENT, DESCENT = 800, -200


def glyphless_font() -> bytes:
    """Build the font file: an empty glyph for missing characters, and the line."""
    glyph = struct.pack(">hhhhh", 1, 0, DESCENT, WIDTH, ASCENT)  # one contour, and its box
    # of two points
    glyph += struct.pack(">HHBBhhhh", 1, 0, 1, 1, 0, WIDTH, DESCENT, ASCENT - DESCENT)
    head = struct.pack(
        ">IIIIHHqqhhhhHHhhh",
        *(0x00010000, 0x00010000, 0, 0x5F0F3CF5),  # version, revision, checksum (below), magic
        *(0x000B, EM, 0, 0),  # flags, units, created, modified
        *(0, DESCENT, WIDTH, ASCENT),  # bounds
        *(0, 8, 2, 0, 0),  # style, smallest size, direction, short offsets, glyph format
    )
    hhea = struct.pack(
        ">IhhhHhhhhhhhhhhhH", 0x00010000, ASCENT, DESCENT, 0, WIDTH, 0, 0, WIDTH, 1, *[0] * 7, 1
    )
    maxp = struct.pack(">IH13H", 0x00010000, 2, 2, 1, *[0] * 4, 1, *[0] * 6)
    tables = {
        b"glyf": glyph,
        b"head": head,
        b"hhea": hhea,
        b"hmtx": struct.pack(">Hhh", WIDTH, 0, 0),
        b"loca": struct.pack(">HHH", 0, 0, len(glyph) // 2),
        b"maxp": maxp,
    }
    directory = struct.pack(">IHHHH", 0x00010000, len(tables), 64, 2, 16 * len(tables) - 64)
    offset = len(directory) + 16 * len(tables)
    body = b""
    for tag, content in tables.items():
        padded = content + bytes(-len(content) % 4)
        directory += struct.pack(">4sIII", tag, _checksum(padded), offset + len(body), len(content))
        body += padded
    font = directory + body
    at = font.index(struct.pack(">III", 0x00010000, 0, 0x5F0F3CF5)) + 4
    return font[:at] + struct.pack(">I", 0xB1B0AFBA - _checksum(font) & 0xFFFFFFFF) + font[at + 4 :]


def _checksum(content: bytes) -> int:
    """Return the sum of the 32-bit words."""
    return sum(struct.unpack(f">{len(content) // 4}I", content)) & 0xFFFFFFFF
