"""Plain text: a line of text for each line of a page, or one line for a whole recording."""

from __future__ import annotations

from recog.formats.timed.channels import channel_numbers, with_channel_labels
from recog.transcript import Line, Transcript
from recog.util.text_files import split_lines


def write(transcript: Transcript) -> str:
    """Write the text with one line break at the end, even where nothing was recognised.

    A recording of several channels gets a row for each line, with the channel's number in front:
    ``[1] good morning``.
    """
    if len(channel_numbers(transcript)) > 1:
        return "".join(
            f"{line.text}\n" for line in with_channel_labels(transcript).lines if line.text
        )
    return transcript.text + "\n"


def read(text: str, *, source: str = "") -> Transcript:
    """Read a :class:`Line` for each line of text that is not blank."""
    rows = (row.strip() for row in split_lines(text))
    return Transcript(source=source, lines=tuple(Line(row) for row in rows if row))
