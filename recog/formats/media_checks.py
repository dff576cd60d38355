"""Checks that a transcript is of sound or of images, as an output format needs it."""

from __future__ import annotations

import math

from recog.errors import UsageError, UserError
from recog.transcript import Transcript


def require_sound(transcript: Transcript, need: str) -> None:
    """Refuse a transcript of an image.

    Args:
        need: a clause for the message, such as "subtitles need sound".

    Raises:
        UsageError: the transcript is of an image.
    """
    if transcript.size is not None:
        raise UsageError(f"{transcript.source} is an image, and {need}; choose another format.")


def require_image(transcript: Transcript, need: str) -> tuple[int, int]:
    """Return the image's (width, height); refuse a transcript of sound.

    Args:
        need: a clause for the message, such as "PAGE describes images".

    Raises:
        UsageError: the transcript is of sound.
    """
    if transcript.size is None:
        raise UsageError(f"{transcript.source} is sound, and {need}; choose another format.")
    return transcript.size


def require_times(
    start: float | None, end: float | None, source: str, format: str
) -> tuple[float, float]:
    """Return a line's start and end in seconds.

    Args:
        source, format: for the message: the transcript's source, and what needs times.

    Raises:
        UserError: one of them is unknown, or not finite.
    """
    if start is None or end is None or not math.isfinite(start + end):
        raise UserError(f"A line of {source} has no times, which {format}; choose another format.")
    return start, end
