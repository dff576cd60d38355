"""Sound or image of a row as a data URI, small enough for a report."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recog.corpora.data import modality_of
from recog.corpora.line_images import line_image
from recog.corpora.rows import Row
from recog.errors import UserError
from recog.media.audio.reader import open_sound

MAX_WIDTH, MAX_HEIGHT = 1200, 600  # pixels
MAX_SECONDS = 30.0
RATE = 16_000
QUALITY = 75  # of WebP; it causes no visible artefacts in ink on paper


@dataclass(frozen=True)
class Clip:
    """Source of an <img> or <audio> element.

    Attributes:
        kind: "image" or "sound".
        uri: a ``data:`` URI that contains the file.
        size: width and height of an image in pixels.
        cut: whether the sound continues after the clip.
    """

    kind: Literal["image", "sound"]
    uri: str
    size: tuple[int, int] = (0, 0)
    cut: bool = False


def clip_of(row: Row) -> Clip:
    """Make a clip of a row: an image of at most 1200 by 600 pixels, or 30 seconds of sound.

    Raises:
        UserError: the media cannot be read.
    """
    return _sound(row) if modality_of(row.media) == "speech" else _image(line_image(row))


def _image(grey: NDArray[np.uint8]) -> Clip:
    import cv2

    height, width = grey.shape
    scale = min(1.0, MAX_WIDTH / width, MAX_HEIGHT / height)
    size = max(1, round(scale * width)), max(1, round(scale * height))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else grey
    done, data = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    if not done:
        raise UserError("OpenCV cannot write WebP.")
    return Clip("image", _uri("image/webp", data.tobytes()), size)


def _sound(row: Row) -> Clip:
    import soundfile

    start = row.start or 0.0
    end = start + MAX_SECONDS if row.end is None else min(row.end, start + MAX_SECONDS)
    with open_sound(row.media, sample_rate=RATE) as sound:
        cut = row.end > end if row.end is not None else (sound.duration or 0.0) > end + 0.1
        wave = np.clip(sound.read(start=start, end=end), -1.0, 1.0)
    file = io.BytesIO()
    if "MP3" in soundfile.available_formats():
        soundfile.write(file, wave, RATE, format="MP3")
        return Clip("sound", _uri("audio/mpeg", file.getvalue()), cut=cut)
    # libsndfile before 1.1 has no MP3
    soundfile.write(file, wave, RATE, format="WAV", subtype="PCM_16")
    return Clip("sound", _uri("audio/wav", file.getvalue()), cut=cut)


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
