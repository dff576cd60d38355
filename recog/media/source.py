"""What callers pass as a recording or an image, as a path, bytes or a binary stream.

An array becomes a WAV or a PNG of the same values in memory, so that it is read as files are.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.media.errors import MediaError
from recog.media.image.depth import to_eight_bits
from recog.media.image.exif import upright

RATES = (1_000, 1_000_000)  # samples a second
IN_MEMORY = 64 << 20  # bytes of a WAV; a longer one goes to a temporary file
MAX_CHANNELS = 1_024
MAX_PIXELS = 200_000_000  # width times height
# modes of Pillow whose arrays are read as they are
PLAIN_MODES = ("1", "L", "I", "I;16", "I;16L", "I;16B", "I;16N", "F", "RGB", "RGBA")


class Array(Protocol):
    """Anything that NumPy converts to an array, such as a torch tensor on the CPU."""

    def __array__(self) -> NDArray[Any]: ...


class Picture(Protocol):
    """A Pillow image."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


Source: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | BinaryIO
    | NDArray[Any]
    | Array
    | Picture
)
File: TypeAlias = str | Path | bytes | BinaryIO


def name_of(source: Source) -> str:
    """The name of a source in a transcript: a path, a stream's name, else its kind."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return "<bytes>"
    if is_picture(source):
        return "<image>"
    if is_array(source):
        return "<array>"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "<stream>"


def is_array(source: object) -> bool:
    """Whether NumPy can convert this to an array."""
    return (
        isinstance(source, np.ndarray)
        or hasattr(source, "__array__")
        or hasattr(source, "__array_interface__")
    )


def as_array(source: Any) -> NDArray[Any]:
    """Convert to an array.

    Raises:
        UserError: NumPy cannot convert it, for instance because it is on a GPU.
    """
    try:
        return np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"This {type(source).__name__} cannot be taken as a NumPy array ({reason})."
        ) from None


def is_picture(source: object) -> bool:
    """Whether this is a Pillow image, by its methods, without an import of Pillow."""
    return all(hasattr(source, name) for name in ("mode", "convert", "getexif", "tobytes"))


def is_empty_sound(source: object) -> bool:
    """Whether this is an array without samples."""
    return is_array(source) and as_array(source).size == 0


def sound_file(source: Source, sample_rate: float | None = None) -> str | Path | BinaryIO:
    """Turn a recording into a path or a binary stream.

    Args:
        source: a path, the bytes of a file, a binary stream, or an array of samples: (samples,) or
            (samples, channels), as soundfile gives them; floating point of full scale 1, or int16,
            int32 or uint8 (128 is silence).
        sample_rate: samples a second, for an array.

    Raises:
        UserError: it is none of these; the array has another shape or type, or NaN; or its
            ``sample_rate`` is missing.
    """
    if is_array(source):
        return _wav(_samples(as_array(source)), _rate(sample_rate))
    if sample_rate is not None:
        raise UserError(
            "sample_rate is for an array of samples; a file states its rate: leave it out."
        )
    file = _file(source, "A recording", "an array of samples (with its sample_rate)")
    return io.BytesIO(file) if isinstance(file, bytes) else file


def image_file(source: Source) -> File:
    """Turn an image or a document into a path, bytes or a binary stream.

    Args:
        source: a path, the bytes of a file, a binary stream, a Pillow image, or an array: grey
            (height, width), or (height, width, channels) of grey; grey and alpha; red, green and
            blue; or these and alpha. OpenCV's blue, green and red need ``image[..., ::-1]``. bool,
            whole numbers from 0 to 65,535, or floating point from 0 (black) to 1 (white); scaled as
            files of that depth are.

    Raises:
        UserError: it is none of these; the array has another shape or type, or NaN; or the image
            cannot be read.
    """
    if is_picture(source):
        return _png(_picture_pixels(source))
    if is_array(source):
        return _png(as_array(source))
    return _file(source, "An image", "an array of pixels or a Pillow image")


def _file(source: Any, what: str, others: str) -> File:
    if isinstance(source, str | Path):
        return source
    if isinstance(source, os.PathLike):
        return Path(os.fsdecode(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if callable(getattr(source, "read", None)):
        try:
            empty = source.read(0)
        except (OSError, ValueError) as error:  # closed, or not for reading
            raise UserError(f"The stream {name_of(source)} cannot be read: {error}.") from None
        if isinstance(empty, str):
            raise UserError(
                f"{what} is read from a binary stream, and this is one of text: open the file "
                "with mode 'rb'."
            )
        stream: BinaryIO = source
        return stream
    raise UserError(
        f"{what} is a path, the bytes or the binary stream of a file, or {others}, and no "
        f"{type(source).__name__}: give "
        "one of these, one at a time."
    )


# ---- sound ----


def _rate(sample_rate: Any) -> int:
    if sample_rate is None:
        raise UserError(
            "An array of samples needs its sample_rate, in samples a second: give it beside the "
            "array."
        )
    is_number = isinstance(sample_rate, (int, float, np.integer, np.floating)) and not isinstance(
        sample_rate, bool
    )
    if not (
        is_number and RATES[0] <= sample_rate <= RATES[1] and sample_rate == round(sample_rate)
    ):
        raise UserError(
            f"sample_rate is {sample_rate!r}; it must be a whole number of samples a second, "
            f"{RATES[0]:,} to {RATES[1]:,}."
        )
    return int(sample_rate)


def _samples(array: NDArray[Any]) -> NDArray[Any]:
    """Check samples, and convert them to a type that a WAV holds."""
    shape = array.shape
    if array.ndim == 2 and shape[0] < shape[1]:
        raise UserError(
            f"The array has the shape {shape}, more channels than samples, where (samples, "
            "channels) is expected: "
            "transpose it (array.T)."
        )
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= shape[1] <= MAX_CHANNELS):
        raise UserError(
            f"The array has the shape {shape}, where (samples,) or (samples, channels) is expected."
        )
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise MediaError(
                "The array has samples that are NaN or infinite: mend them, with "
                "numpy.nan_to_num say"
            )
        return array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32, copy=False)
    if array.dtype.newbyteorder("=") in (np.int16, np.int32):
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == np.uint8:
        return (array.astype(np.int16) - 128) << 8
    raise UserError(
        f"The array holds {array.dtype} values, where samples are floating point of full scale "
        "1, int16, int32 or uint8."
    )


def _wav(samples: NDArray[Any], rate: int) -> BinaryIO:
    import soundfile

    subtype = {"int16": "PCM_16", "int32": "PCM_32", "float32": "FLOAT", "float64": "DOUBLE"}[
        samples.dtype.name
    ]
    # closed with its last reader
    file: Any = SpooledTemporaryFile(max_size=IN_MEMORY, prefix="recog-")  # noqa: SIM115
    soundfile.write(file, samples, rate, format="RF64", subtype=subtype)
    file.seek(0)
    stream: BinaryIO = file
    return stream


# ---- images ----


def _picture_pixels(picture: Any) -> NDArray[Any]:
    """The pixels of a Pillow image.

    An image as opened is turned by its Exif orientation; an image made from it is not.
    """
    try:
        orientation = picture.getexif().get(274, 1) if picture.format is not None else 1
        clear = picture.mode in ("1", "L", "P", "RGB") and "transparency" in picture.info
        if picture.mode not in PLAIN_MODES or clear:
            picture = picture.convert("RGBA" if clear or picture.mode[-1] in "Aa" else "RGB")
        pixels = np.asarray(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise MediaError(f"The image cannot be read: {error}") from None
    return upright(pixels, orientation)


def _png(array: NDArray[Any]) -> bytes:
    """Check an array, and encode its values as a PNG."""
    import cv2

    shape = array.shape
    channels = shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or not 1 <= channels <= 4:
        raise UserError(
            f"The array has the shape {shape}, where (height, width) or (height, width, "
            "channels), of 1 to 4 channels, "
            "is expected."
        )
    if array.size == 0:
        raise MediaError(f"The array has no pixels: its shape is {shape}")
    if shape[0] * shape[1] > MAX_PIXELS:
        raise MediaError(
            f"The array has {shape[1]} x {shape[0]} pixels, more than the limit of {MAX_PIXELS}: "
            "scale it down"
        )
    flags = [cv2.IMWRITE_PNG_COMPRESSION, 0]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # without filters it is 7 times as fast
        flags += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    try:
        done, data = cv2.imencode(".png", _in_opencv_order(_depth(array)), flags)
    except cv2.error:
        done = False
    if not done:
        raise MediaError(
            f"An array of {shape[1]} x {shape[0]} pixels cannot be read as an image: make it "
            "smaller"
        )
    return bytes(data)


def _in_opencv_order(pixels: NDArray[Any]) -> NDArray[Any]:
    """Pixels as OpenCV orders them: grey, or blue, green, red and alpha."""
    import cv2

    pixels = np.ascontiguousarray(pixels)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels == 2:
        grey, alpha = cv2.split(pixels)
        return np.asarray(cv2.merge([grey, grey, grey, alpha]))
    code = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}.get(channels)
    return pixels if code is None else np.asarray(cv2.cvtColor(pixels, code))


def _depth(array: NDArray[Any]) -> NDArray[Any]:
    """Convert values to 8 or 16 bits, scaled like those of files."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise MediaError(
                "The array has pixels that are NaN or infinite: mend them, with numpy.nan_to_num "
                "say"
            )
        return to_eight_bits(array)
    if array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        if low >= 0 and high < 1 << 16:
            return array.astype(
                np.uint8 if high < 1 << 8 and array.dtype != np.uint16 else np.uint16
            )
        raise UserError(
            f"The array has values from {low} to {high}, where pixels are whole numbers from 0 "
            "to 65,535."
        )
    raise UserError(
        f"The array holds {array.dtype} values, where pixels are whole numbers (uint8, uint16), "
        "floating point from 0 to 1 "
        "or bool."
    )
