"""SubRip subtitles (.srt): numbered cues, a comma before the milliseconds, no escapes."""

from __future__ import annotations

import re

from recog.errors import UserError
from recog.formats.timed.cues import format_timestamp, make_cues, parse_cues, parse_timing
from recog.transcript import Line, Transcript
from recog.util.text_files import split_lines

_TAGS = re.compile(r"</?(?:[bius]|font)(?:\s[^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)


def write(transcript: Transcript) -> str:
    """Write the cues of :func:`recog.formats.timed.cues.make_cues`.

    Raises:
        UsageError, UserError: as :func:`recog.formats.timed.cues.make_cues`.
    """
    blocks = (
        f"{number}\n{format_timestamp(cue.start, ',')} --> {format_timestamp(cue.end, ',')}\n"
        + "\n".join(cue.rows)
        + "\n"
        for number, cue in enumerate(make_cues(transcript), start=1)
    )
    return "\n".join(blocks)


def read(text: str, *, source: str = "") -> Transcript:
    """Read a :class:`Line` for each cue, without style tags; text outside of cues is skipped.

    Raises:
        UserError: the file has text but no cue, or a cue's times cannot be read.
    """
    rows, lines = split_lines(text), []
    for start, end, cue_rows in parse_cues(rows, source):
        cue_text = " ".join(" ".join(_TAGS.sub("", row) for row in cue_rows).split())
        if cue_text:
            lines.append(Line(cue_text, start=start, end=end))
    if not lines and text.strip("\ufeff \t\r\n") and not any(parse_timing(row) for row in rows):
        raise UserError(
            f"{source or 'The text'} has no SubRip cue; give a file with '00:00:01,000 --> ...' "
            "rows."
        )
    return Transcript(source=source, lines=tuple(lines))
