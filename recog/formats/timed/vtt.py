"""WebVTT subtitles (.vtt), https://www.w3.org/TR/webvtt1/."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from recog.errors import UserError
from recog.formats.timed.cues import format_timestamp, make_cues, parse_cues
from recog.transcript import Line, Transcript
from recog.util.text_files import split_lines

_TAGS = re.compile(r"<[^<>]*>")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def write(transcript: Transcript) -> str:
    """Write the cues of :func:`recog.formats.timed.cues.make_cues`.

    ``&``, ``<`` and ``>`` are escaped, so that no text looks like a tag or a ``-->``.

    Raises:
        UsageError, UserError: as :func:`recog.formats.timed.cues.make_cues`.
    """
    blocks = (
        f"\n{format_timestamp(cue.start, '.')} --> {format_timestamp(cue.end, '.')}\n"
        + "\n".join(html.escape(row, quote=False) for row in cue.rows)
        + "\n"
        for cue in make_cues(transcript)
    )
    return "WEBVTT\n" + "".join(blocks)


def read(text: str, *, source: str = "") -> Transcript:
    """Read a :class:`Line` for each cue, without tags and with character references resolved.

    Notes, styles and regions are skipped.

    Raises:
        UserError: the file does not start with ``WEBVTT``, or a cue's times cannot be read.
    """
    rows = split_lines(text)
    if not re.match(r"WEBVTT(?:\s|$)", rows[0]):
        raise UserError(f"{source or 'The text'} does not start with WEBVTT; give a WebVTT file.")
    lines = []
    body = [rows[0].replace("-->", ""), *_without_notes(rows[1:])]
    for start, end, cue_rows in parse_cues(body, source):
        cue_text = " ".join(html.unescape(_TAGS.sub("", " ".join(cue_rows))).split())
        if cue_text:
            lines.append(Line(cue_text, start=start, end=end))
    return Transcript(source=source, lines=tuple(lines))


def _without_notes(rows: Iterable[str]) -> Iterator[str]:
    """Yield the rows, with those of notes, styles and regions emptied."""
    after_blank, is_note = True, False
    for row in rows:
        blank = not row.strip()
        is_note = not blank and (is_note or (after_blank and _NO_CUE.match(row) is not None))
        yield "" if is_note else row
        after_blank = blank
