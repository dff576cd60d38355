"""SubRip subtitles (.srt): numbered cues with a comma before the milliseconds. It has no
escapes."""

from __future__ import annotations

import re

from recog.errors import UserError
from recog.formats.timed.cues import format_timestamp, make_cues, parse_cues, parse_timing, rows_of
from recog.transcript import Line, Transcript

_TAGS = re.compile(r"</?(?:[bius]|font)(?:\s[^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)


def write(transcript: Transcript) -> str:
    """The cues of :func:`recog.formats.timed.cues.make_cues`; :class:`UsageError` for an image."""
    blocks = (
        f"{number}\n{format_timestamp(cue.start, ',')} --> {format_timestamp(cue.end, ',')}\n"
        + "\n".join(cue.rows)
        + "\n"
        for number, cue in enumerate(make_cues(transcript), start=1)
    )
    return "\n".join(blocks)


def read(text: str, *, source: str = "") -> Transcript:
    """A :class:`Line` a cue, without style tags; what is no cue is passed over.

    Raises:
        UserError: there is text, and no cue in it, or a cue whose times cannot be read.
    """
    rows, lines = rows_of(text), []
    for start, end, spoken in parse_cues(rows, source):
        said = " ".join(" ".join(_TAGS.sub("", row) for row in spoken).split())
        if said:
            lines.append(Line(said, start=start, end=end))
    if not lines and text.strip("\ufeff \t\r\n") and not any(parse_timing(row) for row in rows):
        raise UserError(
            f"{source or 'The text'} has no SubRip cue; give a file with '00:00:01,000 --> ...' rows."
        )
    return Transcript(source=source, lines=tuple(lines))
