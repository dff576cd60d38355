"""Plain text: a page's lines one below the other, a recording's text on one line."""

from __future__ import annotations

from recog.formats.timed.channels import channel_numbers, with_channel_labels
from recog.transcript import Line, Transcript


def write(transcript: Transcript) -> str:
    """The text with one line break at the end, also where nothing was recognised: an input never
    vanishes.

    Of a recording's channels each line stands on one of its own, after the channel's number: ``[1]
    good morning``.
    """
    if len(channel_numbers(transcript)) > 1:
        return "".join(
            f"{line.text}\n" for line in with_channel_labels(transcript).lines if line.text
        )
    return transcript.text + "\n"


def read(text: str, *, source: str = "") -> Transcript:
    """A :class:`Line` for each line that is not blank. Only line breaks separate lines, not form
    feeds and the like."""
    rows = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Transcript(source=source, lines=tuple(Line(row.strip()) for row in rows if row.strip()))
