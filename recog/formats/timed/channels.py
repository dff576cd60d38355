"""Transcripts of several channels in formats that know no channels: each line begins with the
number of its own."""

from __future__ import annotations

from dataclasses import replace

from recog.transcript import Line, Transcript


def channel_numbers(transcript: Transcript) -> list[int]:
    """The channels that the lines are of, in order; none where they were mixed."""
    return sorted({line.channel for line in transcript.lines if line.channel is not None})


def with_channel_labels(transcript: Transcript) -> Transcript:
    """The same, each line of several channels with ``[1]`` before its first word."""
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
