"""Validate rows: find each row that cannot be trained on or scored, with the reason."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from recog.corpora.files import is_sound
from recog.corpora.rows import Row
from recog.errors import UserError
from recog.text.alphabet import Alphabet, describe
from recog.text.bidi import to_display

# seconds by which an end may exceed the sound: times are rounded, MP3 headers are estimates
TOLERANCE = 0.1


@dataclass(frozen=True)
class Problem:
    """A row that cannot be used.

    Attributes:
        row_number: from 1, in the order given.
        media: its file.
        reason: what is wrong, to be read after the file's name.
    """

    row_number: int
    media: Path
    reason: str

    def __str__(self) -> str:
        return f"row {self.row_number}: {self.media} {self.reason}"


def check_rows(
    rows: Iterable[Row],
    *,
    alphabet: Alphabet | None = None,
    normalise: Callable[[str], str] = str,
    frames: Callable[[Row], int] | None = None,
) -> list[Problem]:
    """Check every row and report the first problem of each bad row.

    The checks, in this order:

    * the file exists and is not empty;
    * a line has a shape;
    * the times lie within the sound (from its header);
    * the text is not empty after ``normalise``;
    * its characters are in the alphabet;
    * there are enough frames for its labels under CTC, which needs a frame for each label and
    another
      between two equal neighbours (Graves et al. 2006, sec. 3).

    Args:
        rows: any.
        alphabet: of the model; None skips the check of characters and counts them as the labels.
        normalise: as in training.
        frames: the number of the network's output frames for a row; a :class:`UserError` from it is
            the row's problem.
    """
    _exists.cache_clear()
    sound_duration.cache_clear()
    problems = []
    for number, row in enumerate(rows, start=1):
        reason = _media_reason(row) or _text_reason(row, alphabet, normalise(row.text), frames)
        if reason:
            if row.line is not None and (points := row.line.baseline or row.line.polygon):
                reason += f" (the line at x {points[0][0]:g}, y {points[0][1]:g})"
            problems.append(Problem(number, row.media, reason))
    return problems


def min_ctc_frames(labels: Sequence[object]) -> int:
    """The minimum number of frames for ``labels`` under CTC.

    Each label needs a frame, and equal neighbours need a blank between them.
    """
    return len(labels) + sum(a == b for a, b in pairwise(labels))


@lru_cache(maxsize=65_536)
def sound_duration(path: Path) -> float | None:
    """Seconds of sound by the file's header; None where only decoding can tell."""
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError, RuntimeError):
        return None
    known = info.samplerate > 0 and 0 <= info.frames < 1 << 52
    return info.frames / info.samplerate if known else None


@lru_cache(maxsize=65_536)
def _exists(path: Path) -> str | None:
    try:
        if not path.is_file():
            return "is not there" if not path.exists() else "is not a file"
        return None if path.stat().st_size else "is empty"
    except (OSError, ValueError) as error:
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"


def _media_reason(row: Row) -> str | None:
    reason = _exists(row.media)
    if reason:
        return reason
    if row.line is not None and not row.line.polygon and not row.line.baseline:
        return "has a line with neither polygon nor baseline"
    if (row.start is not None or row.end is not None) and is_sound(row.media):
        duration = sound_duration(row.media)
        if row.end is not None and row.end <= (row.start or 0.0):
            return (
                f"has a stretch that ends ({row.end:g} s) before it starts ({row.start or 0.0:g} s)"
            )
        last = row.end if row.end is not None else row.start
        if duration is not None and last is not None and last > duration + TOLERANCE:
            stretch = f"{row.start or 0.0:g} to {last:g} s"
            return f"is {duration:.2f} s long; the stretch {stretch} lies outside"
    return None


def _text_reason(
    row: Row, alphabet: Alphabet | None, text: str, frames: Callable[[Row], int] | None
) -> str | None:
    if not text.strip():
        return "has no text"
    text = to_display(text)
    labels: Sequence[object] = unicodedata.normalize("NFC", text)
    if alphabet is not None:
        unknown = alphabet.unknown(text)
        if unknown:
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            names = ", ".join(map(describe, unknown[:5]))
            return f"has characters outside the alphabet: {names}{more}"
        labels = alphabet.encode(text)
    if frames is None:
        return None
    try:
        available = frames(row)
    except UserError as error:
        return f"cannot be used: {error}"
    needed = min_ctc_frames(labels)
    if available < needed:
        return f"has {available} frames, too few for its {len(labels)} labels, which need {needed}"
    return None
