"""WebVTT subtitles (.vtt), https://www.w3.org/TR/webvtt1/."""

from __future__ import annotations

import html
import re

from recog.errors import UserError
from recog.formats.cues import make_cues, rows_of, stamp, timing_of
from recog.transcript import Line, Transcript

_TAGS = re.compile(r"<[^<>]*>")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def write(transcript: Transcript) -> str:
    """The cues of :func:`recog.formats.cues.make_cues`; :class:`UsageError` for an image.

    ``&``, ``<`` and ``>`` are escaped, so that no text is taken for a tag or, as ``-->``, for a timing.
    """
    blocks = (
        f"\n{stamp(cue.start, '.')} --> {stamp(cue.end, '.')}\n"
        + "\n".join(html.escape(row, quote=False) for row in cue.rows)
        + "\n"
        for cue in make_cues(transcript)
    )
    return "WEBVTT\n" + "".join(blocks)


def read(text: str, *, source: str = "") -> Transcript:
    """A :class:`Line` a cue, without tags, character references resolved; notes, styles and regions are passed over.

    Raises:
        UserError: the file does not start with ``WEBVTT``, or the times of a cue cannot be read.
    """
    rows = rows_of(text)
    if not re.match(r"WEBVTT(?:\s|$)", rows[0]):
        raise UserError(f"{source or 'The text'} does not start with WEBVTT; give a WebVTT file.")
    lines, number = [], 2
    for block in "\n".join(rows[1:]).split("\n\n"):
        parts = block.strip("\n").split("\n")
        first = number + len(block) - len(block.lstrip("\n"))
        number += block.count("\n") + 2
        if _NO_CUE.match(parts[0]):
            continue
        # A cue is its timing, after at most one row that names the cue.
        for at, row in enumerate(parts[:2]):
            timing = timing_of(row, first + at, source)
            if timing is not None:
                said = " ".join(html.unescape(_TAGS.sub("", " ".join(parts[at + 1 :]))).split())
                if said:
                    lines.append(Line(said, start=timing[0], end=timing[1]))
                break
    return Transcript(source=source, lines=tuple(lines))
