"""SubRip subtitles (.srt): numbered cues with a comma before the milliseconds. It has no escapes."""

from __future__ import annotations

import re

from recog.errors import UserError
from recog.formats.cues import make_cues, parse_timing, rows_of, stamp, timing_of
from recog.transcript import Line, Transcript

_TAGS = re.compile(r"</?(?:[bius]|font)(?:\s[^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)


def write(transcript: Transcript) -> str:
    """The cues of :func:`recog.formats.cues.make_cues`; :class:`UsageError` for an image."""
    blocks = (
        f"{number}\n{stamp(cue.start, ',')} --> {stamp(cue.end, ',')}\n" + "\n".join(cue.rows) + "\n"
        for number, cue in enumerate(make_cues(transcript), start=1)
    )
    return "\n".join(blocks)


def read(text: str, *, source: str = "") -> Transcript:
    """A :class:`Line` a cue, without style tags; what is no cue is passed over.

    Raises:
        UserError: there is text, and no cue in it, or a cue whose times cannot be read.
    """
    rows, lines = rows_of(text), []
    at = 0
    while at < len(rows):
        timing = timing_of(rows[at], at + 1, source)
        at += 1
        if timing is None:
            continue
        first = at
        while at < len(rows) and rows[at].strip():
            at += 1
        said = " ".join(" ".join(_TAGS.sub("", row) for row in rows[first:at]).split())
        if said:
            lines.append(Line(said, start=timing[0], end=timing[1]))
    if not lines and text.strip("\ufeff \t\r\n") and not any(parse_timing(row) for row in rows):
        raise UserError(f"{source or 'The text'} has no SubRip cue; give a file with '00:00:01,000 --> ...' rows.")
    return Transcript(source=source, lines=tuple(lines))
