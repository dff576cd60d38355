"""Channel labels such as ``[1]`` before lines, for formats that have no channels."""

from __future__ import annotations

from dataclasses import replace

from recog.transcript import Line, Transcript


def channel_numbers(transcript: Transcript) -> list[int]:
    """Return the numbers of the channels in a transcript, sorted; empty where they were mixed."""
    return sorted({line.channel for line in transcript.lines if line.channel is not None})


def with_channel_labels(transcript: Transcript) -> Transcript:
    """Put the channel's number, as ``[1]``, before each line of a recording of several channels."""
    if len(channel_numbers(transcript)) < 2:
        return transcript
    return replace(transcript, lines=tuple(map(_with_label, transcript.lines)))


def _with_label(line: Line) -> Line:
    if line.channel is None or not line.text:
        return line
    label = f"[{line.channel}] "
    words = (
        (replace(line.words[0], text=label + line.words[0].text), *line.words[1:])
        if line.words
        else ()
    )
    return replace(line, text=label + line.text, words=words)
