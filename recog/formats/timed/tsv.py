"""Tab-separated lines (.tsv) as Whisper writes them: a header, then start and end in whole
milliseconds, and text."""

from __future__ import annotations

import math
import re

from recog.errors import UsageError, UserError
from recog.formats.timed.channels import with_channel_labels
from recog.transcript import Line, Transcript

HEADER = "start\tend\ttext"
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f\x85\u2028\u2029]+")
_ROW = re.compile(r"(\d{1,12})\t(\d{1,12})(?:\t(.*))?")


def write(transcript: Transcript) -> str:
    """A row a line that has text, in order; white space in it becomes one space.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line with text has no times.
    """
    if transcript.size is not None:
        raise UsageError(
            f"{transcript.source} is an image, and tsv gives times of sound; choose another format."
        )
    rows = [HEADER]
    for line in with_channel_labels(transcript).lines:
        text = _BREAKS.sub(" ", line.text).strip()
        if not text:
            continue
        if line.start is None or line.end is None or not math.isfinite(line.start + line.end):
            raise UserError(
                f"A line of {transcript.source} has no times, which tsv needs; choose another format."
            )
        start = max(0, round(line.start * 1000))
        rows.append(f"{start}\t{max(start, round(line.end * 1000))}\t{text}")
    return "\n".join(rows) + "\n"


def read(text: str, *, source: str = "") -> Transcript:
    """A :class:`Line` for each row with text.

    Raises:
        UserError: the header is another, or a row is not two times and a text.
    """
    name = source or "The text"
    rows = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if rows[0] != HEADER:
        raise UserError(
            f"{name} does not begin with 'start', 'end' and 'text'; give a tsv file as Whisper writes it."
        )
    lines = []
    for number, row in enumerate(rows[1:], start=2):
        if not row.strip():
            continue
        match = _ROW.fullmatch(row)
        if match is None:
            raise UserError(
                f"Line {number} of {name} is not two times in milliseconds and a text; correct it."
            )
        start, end, said = int(match[1]), int(match[2]), (match[3] or "").strip()
        if said:
            lines.append(Line(said, start=start / 1000, end=max(start, end) / 1000))
    return Transcript(source=source, lines=tuple(lines))
