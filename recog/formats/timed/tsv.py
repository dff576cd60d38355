"""Tab-separated segments (.tsv) as Whisper writes them: start, end (milliseconds), text."""

from __future__ import annotations

import re

from recog.errors import UserError
from recog.formats.media_checks import require_sound, require_times
from recog.formats.timed.channels import with_channel_labels
from recog.transcript import Line, Transcript
from recog.util.text_files import split_lines

HEADER = "start\tend\ttext"
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f\x85\u2028\u2029]+")
_ROW = re.compile(r"(\d{1,12})\t(\d{1,12})(?:\t(.*))?")


def write(transcript: Transcript) -> str:
    """Write a row for each line with text; runs of white space become one space.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line with text has no times.
    """
    require_sound(transcript, "tsv gives times of sound")
    rows = [HEADER]
    for line in with_channel_labels(transcript).lines:
        text = _BREAKS.sub(" ", line.text).strip()
        if not text:
            continue
        seconds = require_times(line.start, line.end, transcript.source, "tsv needs")
        start = max(0, round(seconds[0] * 1000))
        rows.append(f"{start}\t{max(start, round(seconds[1] * 1000))}\t{text}")
    return "\n".join(rows) + "\n"


def read(text: str, *, source: str = "") -> Transcript:
    """Read a :class:`Line` for each row with text.

    Raises:
        UserError: the header is missing, or a row is not two times and a text.
    """
    name = source or "The text"
    rows = split_lines(text)
    if rows[0] != HEADER:
        raise UserError(
            f"{name} does not begin with 'start', 'end' and 'text'; "
            "give a tsv file as Whisper writes it."
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
        start, end, segment = int(match[1]), int(match[2]), (match[3] or "").strip()
        if segment:
            lines.append(Line(segment, start=start / 1000, end=max(start, end) / 1000))
    return Transcript(source=source, lines=tuple(lines))
