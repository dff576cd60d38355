"""WebVTT subtitles (.vtt), https://www.w3.org/TR/webvtt1/."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from recog.errors import UserError
from recog.formats.timed.cues import format_timestamp, make_cues, parse_cues, rows_of
from recog.transcript import Line, Transcript

_TAGS = re.compile(r"<[^<>]*>")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def write(transcript: Transcript) -> str:
    """The cues of :func:`recog.formats.timed.cues.make_cues`; :class:`UsageError` for an image.

    ``&``, ``<`` and ``>`` are escaped, so that no text is taken for a tag or, as ``-->``, for a
    timing.
    """
    blocks = (
        f"\n{format_timestamp(cue.start, '.')} --> {format_timestamp(cue.end, '.')}\n"
        + "\n".join(html.escape(row, quote=False) for row in cue.rows)
        + "\n"
        for cue in make_cues(transcript)
    )
    return "WEBVTT\n" + "".join(blocks)


def read(text: str, *, source: str = "") -> Transcript:
    """A :class:`Line` a cue, without tags, character references resolved; notes, styles and regions
    are passed over.

    Raises:
        UserError: the file does not start with ``WEBVTT``, or the times of a cue cannot be read.
    """
    rows = rows_of(text)
    if not re.match(r"WEBVTT(?:\s|$)", rows[0]):
        raise UserError(f"{source or 'The text'} does not start with WEBVTT; give a WebVTT file.")
    lines = []
    for start, end, spoken in parse_cues(
        [rows[0].replace("-->", ""), *_without_notes(rows[1:])], source
    ):
        said = " ".join(html.unescape(_TAGS.sub("", " ".join(spoken))).split())
        if said:
            lines.append(Line(said, start=start, end=end))
    return Transcript(source=source, lines=tuple(lines))


def _without_notes(rows: Iterable[str]) -> Iterator[str]:
    """The rows, those of notes, styles and regions empty."""
    after_blank, is_note = True, False
    for row in rows:
        blank = not row.strip()
        is_note = not blank and (is_note or (after_blank and _NO_CUE.match(row) is not None))
        yield "" if is_note else row
        after_blank = blank
