"""Read the header of an image: format, size, orientation, alpha, completeness.

Bounded: nothing is allocated by the sizes that a header states, and nothing outside it is read.
Sources: PNG third edition (W3C), ITU-T T.81 (JPEG), RFC 9649 (WebP), TIFF 6.0, Exif 2.32.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from recog.media.image.tiff import (
    MAX_PIECES,
    RESOLUTION,
    Content,
    HeaderError,
    exif_orientation,
    first_directory,
)

METRE, CENTIMETRE = 0.0254, 2.54  # inches of a metre and a centimetre: factors to pixels an inch


@dataclass(frozen=True)
class ImageHeader:
    """The header of an image file.

    Attributes:
        format: "PNG", "JPEG", "WebP", "TIFF" or "BMP".
        width, height: pixels as stored, before the orientation is applied.
        orientation: Exif orientation, 1 (upright) to 8.
        has_alpha: whether it may have transparency.
        clear_grey: the transparent 8- or 16-bit value of a grey PNG; else None.
        is_whole: False if the end of the file is missing.
        channels: 1 or 3 for a JPEG that every viewer shows (8 bits, baseline or progressive); else
            0.
        dpi: horizontal pixels an inch, if a PNG, JPEG (JFIF) or TIFF states them; else None.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    has_alpha: bool = False
    clear_grey: int | None = None
    is_whole: bool = True
    channels: int = 0
    dpi: float | None = None


def read_header(data: Content) -> ImageHeader | None:
    """Read the header of an image file; None for an unknown format.

    Raises:
        HeaderError: the header is damaged or cut short.
    """
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _tiff(data)
        if data.startswith(b"BM") and len(data) > 26:
            return _bmp(data)
    except (struct.error, IndexError, OverflowError) as error:
        raise HeaderError("the header is cut short") from error
    return None


def _png(data: Content) -> ImageHeader:
    if data[12:16] != b"IHDR":
        raise HeaderError("the header is missing")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    orientation, clear, has_alpha, is_whole = 1, None, colour in (4, 6), False
    dpi = None
    offset = 8
    for _ in range(MAX_PIECES):
        if offset + 12 > len(data):
            break
        length = struct.unpack_from(">I", data, offset)[0]
        kind, body = data[offset + 4 : offset + 8], offset + 8
        if kind == b"tRNS" and colour == 0 and length >= 2 and 1 <= depth <= 16:
            value = struct.unpack_from(">H", data, body)[0] & (1 << depth) - 1
            clear = value if depth >= 8 else value * 255 // ((1 << depth) - 1)
        elif kind == b"tRNS":
            has_alpha = True
        elif kind == b"eXIf":
            orientation = exif_orientation(data[body : body + min(length, 1 << 16)])
        elif kind == b"pHYs" and length >= 9 and data[body + 8] == 1:  # pixels a metre
            dpi = _dpi(struct.unpack_from(">I", data, body)[0] * METRE)
        elif kind == b"IEND":
            is_whole = True
            break
        offset = body + length + 4
    return ImageHeader("PNG", width, height, orientation, has_alpha, clear, is_whole, dpi=dpi)


def _jpeg(data: Content) -> ImageHeader:
    size: tuple[int, int] | None = None
    orientation, channels, dpi = 1, 0, None
    offset = 2
    for _ in range(MAX_PIECES):
        if data[offset] != 0xFF:
            raise HeaderError("a marker is missing")
        marker = data[offset + 1]
        if marker == 0xFF:  # fill byte
            offset += 1
            continue
        if marker in (0x01, *range(0xD0, 0xD8)):  # without a body
            offset += 2
            continue
        length = struct.unpack_from(">H", data, offset + 2)[0]
        if marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, offset + 5)
            if size is None:
                size = width, height
                plain = (
                    marker in (0xC0, 0xC1, 0xC2)
                    and data[offset + 4] == 8
                    and data[offset + 9] in (1, 3)
                )
                channels = data[offset + 9] if plain else 0
        elif marker == 0xE1 and data[offset + 4 : offset + 10] == b"Exif\0\0":
            orientation = exif_orientation(data[offset + 10 : offset + 2 + length])
        elif marker == 0xE0 and data[offset + 4 : offset + 9] == b"JFIF\0" and length >= 12:
            unit, across = struct.unpack_from(">BH", data, offset + 11)
            dpi = _dpi(across * {1: 1.0, 2: CENTIMETRE}.get(unit, 0.0))
        elif marker in (0xDA, 0xD9):
            break
        offset += 2 + max(2, length)
    if size is None:
        raise HeaderError("the header has no size")
    # In the data of the picture every 0xFF is followed by a zero or a restart marker, so the first
    # end marker is that of the picture.
    is_whole = data.find(b"\xff\xd9", offset) >= 0
    return ImageHeader("JPEG", *size, orientation, is_whole=is_whole, channels=channels, dpi=dpi)


def _webp(data: Content) -> ImageHeader:
    size: tuple[int, int] | None = None
    orientation, has_alpha = 1, False
    offset = 12
    for _ in range(MAX_PIECES):
        if offset + 8 > len(data):
            break
        kind, length = data[offset : offset + 4], struct.unpack_from("<I", data, offset + 4)[0]
        body = offset + 8
        if kind == b"VP8X":
            has_alpha = bool(data[body] & 0x10)
            size = (1 + _uint24(data, body + 4), 1 + _uint24(data, body + 7))
        elif kind == b"VP8 " and size is None:
            width, height = struct.unpack_from("<HH", data, body + 6)
            size = (width & 0x3FFF, height & 0x3FFF)
        elif kind == b"VP8L" and size is None:
            bits = struct.unpack_from("<I", data, body + 1)[0]
            size, has_alpha = (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)), bool(bits >> 28 & 1)
        elif kind == b"EXIF":
            exif = data[body : body + min(length, 1 << 16)]
            orientation = exif_orientation(exif.removeprefix(b"Exif\0\0"))
        offset = body + length + length % 2
    if size is None:
        raise HeaderError("the header has no size")
    is_whole = struct.unpack_from("<I", data, 4)[0] + 8 <= len(data)
    return ImageHeader("WebP", *size, orientation, has_alpha, is_whole=is_whole)


def _uint24(data: Content, offset: int) -> int:
    return data[offset] | data[offset + 1] << 8 | data[offset + 2] << 16


def _bmp(data: Content) -> ImageHeader:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # OS/2
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return ImageHeader(
        "BMP", abs(width), abs(height), has_alpha=struct.unpack_from("<H", data, 28)[0] == 32
    )


def _tiff(data: Content) -> ImageHeader:
    tags = first_directory(data, wanted=(256, 257, 273, 274, 279, RESOLUTION, 296, 324, 325, 338))
    if not tags.get(256) or not tags.get(257):
        raise HeaderError("the header has no size")
    orientation = (tags.get(274) or [1])[0]
    pieces = [
        *zip(tags.get(273, []), tags.get(279, []), strict=False),
        *zip(tags.get(324, []), tags.get(325, []), strict=False),
    ]
    across, of = tags.get(RESOLUTION) or (0, 0)
    unit = {2: 1.0, 3: CENTIMETRE}.get((tags.get(296) or [2])[0], 0.0)
    return ImageHeader(
        "TIFF",
        tags[256][0],
        tags[257][0],
        orientation if 1 <= orientation <= 8 else 1,
        has_alpha=bool(tags.get(338)),
        is_whole=all(offset + length <= len(data) for offset, length in pieces),
        dpi=_dpi(unit * across / of) if of else None,
    )


def _dpi(value: float) -> float | None:
    """A plausible resolution, or None; 1 only states that pixels are square."""
    return value if 10.0 <= value <= 10_000.0 else None
