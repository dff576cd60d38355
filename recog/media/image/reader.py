"""Read any image file as an upright grey page: uint8 (height, width), 0 black, 255 white.

OpenCV decodes, after the header was checked (:mod:`recog.media.image.headers`). An image of absurd
size is refused before anything is allocated for it. An image whose end is missing is refused, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.media.errors import MediaError
from recog.media.image.depth import to_eight_bits
from recog.media.image.exif import upright
from recog.media.image.headers import ImageHeader, read_header
from recog.media.image.line_crop import crop_line
from recog.media.image.tiff import HeaderError, without_orientation
from recog.media.quiet import quiet_decoding
from recog.media.source import MAX_PIXELS, Source, image_file

__all__ = ["MediaError", "crop_line", "read_image"]

MAX_FILE_BYTES = 2 << 30
READABLE = "PNG, JPEG, WebP, TIFF and BMP"
OTHER_FORMATS = {
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"\x97JB2": "a JBIG2 image",
    b"\0\0\0\x0cjP": "a JPEG 2000 image",
}


def read_image(source: Source, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read an image as grey, turned upright by its Exif orientation.

    Transparency gets the background on which the ink can be seen. Images of 16 bits are scaled by
    the bits that they use (8, 10, 12, 14 or 16), images of floating point by their range.

    Args:
        source: see :func:`recog.media.source.image_file`. The first of several pages is read.
        max_pixels: limit of width times height.

    Returns:
        uint8 of shape (height, width).

    Raises:
        MediaError: the file cannot be read as an image; the sentence says why.
    """
    return decode_image(*load(source), max_pixels=max_pixels)


def decode_image(
    name: str, data: bytes | bytearray, *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint8]:
    """Read an image, as :func:`read_image`, from the content of a file called ``name``."""
    header = check_header(name, data, max_pixels)
    pixels = decode_pixels(data, header)
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise MediaError(
            f"{name} is cut short or damaged: its {header.format} data cannot be decoded"
        )
    grey = _to_grey(pixels, header)
    return np.ascontiguousarray(upright(grey, header.orientation))


def load(source: Source) -> tuple[str, bytes]:
    """Load a file; returns its name for messages, and its content.

    Raises:
        UserError: it is missing, unreadable, empty or too large, or no source of an image.
    """
    source = image_file(source)
    if isinstance(source, bytes):
        name, data = "the image", source
    elif isinstance(source, str | Path):
        name, path = str(source), Path(source)
        try:
            if path.is_dir():
                raise MediaError(f"{name} is a folder, not an image")
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError as error:
            raise MediaError(f"{name} does not exist") from error
        except (OSError, ValueError) as error:
            raise MediaError(
                f"{name} cannot be opened: {getattr(error, 'strerror', None) or error}"
            ) from error
    else:
        label = getattr(source, "name", None)
        if label == "<stdin>":
            name = "standard input"
        else:
            name = label if isinstance(label, str) else "the image"
        data = source.read(MAX_FILE_BYTES + 1)
    if not data:
        raise MediaError(f"{name} is empty")
    if len(data) > MAX_FILE_BYTES:
        raise MediaError(f"{name} is larger than {MAX_FILE_BYTES >> 30} GiB")
    return name, data


def check_header(name: str, data: bytes | bytearray, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Check the header of an image before it is decoded.

    Raises:
        MediaError: it is no image, cut short, damaged or too large.
    """
    try:
        header = read_header(data)
    except HeaderError as error:
        raise MediaError(f"{name} is cut short or damaged: {error}") from error
    if header is None:
        kind = next((kind for magic, kind in OTHER_FORMATS.items() if data.startswith(magic)), None)
        if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"avif"):
            kind = "a HEIC or AVIF image"
        raise MediaError(
            f"{name} is {kind or 'not an image that recog knows'}: recog reads {READABLE}"
        )
    if header.width < 1 or header.height < 1:
        raise MediaError(
            f"{name} is damaged: its header says {header.width} x {header.height} pixels"
        )
    if header.width * header.height > max_pixels:
        raise MediaError(
            f"{name} has {header.width} x {header.height} pixels, more than the limit of "
            f"{max_pixels}: scale it down"
        )
    if not header.is_whole:
        raise MediaError(
            f"{name} is cut short or damaged: the end of the {header.format} image is missing"
        )
    return header


def decode_pixels(
    data: bytes | bytearray, header: ImageHeader, *, colour: bool = False
) -> NDArray[Any] | None:
    """Decode pixels with OpenCV: grey, or blue-green-red and alpha, of any depth, not turned.

    Args:
        colour: keep colours; otherwise OpenCV decodes to grey where it can.

    Returns:
        Pixels, or None where OpenCV fails.
    """
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if colour:
        flags = (
            cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
            if header.format == "JPEG"
            else cv2.IMREAD_UNCHANGED
        )
    elif header.format == "JPEG":  # decodes the luminance alone
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    elif header.format == "PNG" and not header.has_alpha:
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    else:
        flags = cv2.IMREAD_UNCHANGED
    if header.orientation != 1 and header.format == "TIFF":
        data = without_orientation(data)
    with quiet_decoding():
        try:
            return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
        except (cv2.error, MemoryError):
            return None


def _to_grey(pixels: NDArray[Any], header: ImageHeader) -> NDArray[np.uint8]:
    """Convert pixels of any depth and number of channels to 8-bit grey."""
    import cv2

    if pixels.ndim == 2:
        grey = to_eight_bits(pixels)
        if header.clear_grey is not None:
            clear = pixels == header.clear_grey
            grey[clear] = background(grey, np.where(clear, np.uint8(0), np.uint8(255)))
        return grey
    if pixels.shape[2] == 4 and pixels.dtype == np.uint16:
        pixels = (pixels // 257).astype(np.uint8)  # the same scale for colour and alpha
    elif pixels.dtype != np.uint8:
        pixels = to_eight_bits(pixels)
    if pixels.shape[2] in (2, 4):
        channels = (
            pixels[:, :, 0] if pixels.shape[2] == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGRA2GRAY)
        )
        alpha = cv2.extractChannel(pixels, pixels.shape[2] - 1)
        return over(channels, alpha, background(channels, alpha))
    return _as_uint8(cv2.cvtColor(np.ascontiguousarray(pixels[:, :, :3]), cv2.COLOR_BGR2GRAY))


def background(grey: NDArray[Any], alpha: NDArray[Any]) -> int:
    """The background of a transparent image: 255 (white), or 0 (black) for light ink.

    Opaque pixels count as ink if they are less than half of the image.
    """
    opaque = alpha > 127
    is_ink = 0.0 < float(opaque.mean()) < 0.5
    return 0 if is_ink and float(np.median(grey[opaque])) > 127 else 255


def over(channel: NDArray[Any], alpha: NDArray[Any], background: int) -> NDArray[np.uint8]:
    """Blend a channel with a black (0) or white (255) background; ``alpha`` is 0 to 255."""
    import cv2

    if background:
        return _as_uint8(
            cv2.bitwise_not(cv2.multiply(cv2.bitwise_not(channel), alpha, scale=1 / 255))
        )
    return _as_uint8(cv2.multiply(channel, alpha, scale=1 / 255))


def _as_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Narrow the type: OpenCV's stubs give no element type."""
    return np.asarray(pixels, dtype=np.uint8)
