"""A page's picture as a PDF stores it: JPEG files unchanged, all other images encoded anew.

Black and white without greys is packed and deflated; other pixels become a JPEG of quality 85.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.media.errors import MediaError
from recog.media.image.depth import to_eight_bits
from recog.media.image.reader import background, check_header, decode_pixels, over

QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes:
        width, height: pixels as stored.
        data: the encoded pixels.
        filter: "DCTDecode" (JPEG) or "FlateDecode" (zlib), as ISO 32000-2 calls them.
        colours: 1 for grey, 3 for colour.
        bits: bits of a colour of a pixel, 1 or 8.
        orientation: Exif orientation of the stored pixels.
        dpi: dots per inch.
    """

    width: int
    height: int
    data: bytes
    filter: str
    colours: int
    bits: int
    orientation: int
    dpi: float


def file_picture(name: str, data: bytes | bytearray, dpi: float) -> Picture:
    """The picture in an image file.

    Raises:
        MediaError: it cannot be read.
    """
    header = check_header(name, data)
    if header.channels:
        size = header.width, header.height
        return Picture(*size, bytes(data), "DCTDecode", header.channels, 8, header.orientation, dpi)
    pixels = decode_pixels(data, header, colour=True)
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise MediaError(
            f"{name} is cut short or damaged: its {header.format} data cannot be decoded"
        )
    flat = _flat(pixels)
    if header.clear_grey is not None and pixels.ndim == 2:
        clear = pixels == header.clear_grey
        flat = np.where(
            clear, np.uint8(background(flat, np.where(clear, np.uint8(0), np.uint8(255)))), flat
        )
    return encoded(flat, header.orientation, dpi)


def encoded(pixels: NDArray[np.uint8], orientation: int, dpi: float) -> Picture:
    """Encode pixels: grey (height, width), or blue, green and red (height, width, 3)."""
    import cv2

    if (
        pixels.ndim == 3
        and (np.ptp(pixels[::7], axis=2) == 0).all()
        and (np.ptp(pixels, axis=2) == 0).all()
    ):
        pixels = np.ascontiguousarray(pixels[:, :, 0])
    height, width = pixels.shape[:2]
    if pixels.ndim == 2 and ((pixels == 0) | (pixels == 255)).all():
        packed = zlib.compress(np.packbits(pixels > 0, axis=1).tobytes(), 9)
        return Picture(width, height, packed, "FlateDecode", 1, 1, orientation, dpi)
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise MediaError(
            f"a picture of {width} x {height} pixels cannot be encoded: make it smaller"
        )
    return Picture(
        width,
        height,
        data.tobytes(),
        "DCTDecode",
        1 if pixels.ndim == 2 else 3,
        8,
        orientation,
        dpi,
    )


def _flat(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert to 8 bits and one or three channels, on the background that shows the ink."""
    import cv2

    pixels = to_eight_bits(pixels)
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] in (2, 4):
        alpha = cv2.extractChannel(pixels, pixels.shape[2] - 1)
        grey = (
            pixels[:, :, 0] if pixels.shape[2] == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGRA2GRAY)
        )
        below = background(grey, alpha)
        channels = [
            over(cv2.extractChannel(pixels, k), alpha, below) for k in range(pixels.shape[2] - 1)
        ]
        return channels[0] if len(channels) == 1 else np.stack(channels, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3])
