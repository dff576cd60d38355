"""Subtitle cues, for SubRip and WebVTT alike: when they are shown, and how their times are written.

A cue is shown from 5/6 of a second to 7 seconds, at most 17 columns of text a second where the
pause after it allows, and two frames (of 24 a second) before the next of its channel: Netflix's
Timed Text Style Guide, as in :mod:`recog.formats.timed.line_breaking`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from recog.errors import UsageError, UserError
from recog.formats.timed.channels import with_channel_labels
from recog.formats.timed.line_breaking import (
    LINGER,
    MAX_COLUMNS,
    MAX_ROWS,
    MAX_SECONDS,
    MAX_SPEED,
    MIN_SECONDS,
    break_line,
    clean_text,
    display_width,
    join_units,
    line_units,
)
from recog.transcript import Line, Transcript

GAP = 83  # milliseconds between cues at least: two frames
MIN_DISPLAY = math.ceil(1000 * MIN_SECONDS)
MAX_CLOSED_GAP = 500  # a gap shorter than this is closed to GAP: flicker

_TIME = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")


@dataclass(frozen=True)
class Cue:
    """A subtitle: ``start`` and ``end`` in whole milliseconds, ``rows`` one or two, wider than 42
    columns only where a single word is."""

    start: int
    end: int
    rows: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.rows)


def make_cues(transcript: Transcript) -> list[Cue]:
    """The cues of a recording's transcript, in order of time: each ends after it starts, none
    overlaps the next.

    A line breaks at its words' times; without such times its own is shared out by the width of the
    text. Each channel has its own sequence of cues: two people who speak at once are both shown as
    long as each needs to be read.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line with text has no times.
    """
    if transcript.size is not None:
        raise UsageError(
            f"{transcript.source} is an image, and subtitles need sound; choose another format."
        )
    channels: dict[int | None, list[Cue]] = {}
    for line in with_channel_labels(transcript).lines:
        if clean_text(line.text):
            channels.setdefault(line.channel, []).extend(_line_cues(line, transcript.source))
    shown = [
        _display_times(sorted(spoken, key=_start), transcript.duration)
        for spoken in channels.values()
    ]
    return sorted(chain.from_iterable(shown), key=_start)


def _start(cue: Cue) -> int:
    return cue.start


def _line_cues(line: Line, source: str) -> Iterator[Cue]:
    """Cues with the times at which they are spoken."""
    units, timed = line_units(line)
    if not units:
        raise UserError(
            f"A line of {source} has no times, which subtitles need; choose another format."
        )
    # and not to be broken at a time that is a guess
    whole = display_width(join_units(units)) <= MAX_ROWS * MAX_COLUMNS
    for rows in break_line(units, timed=timed or not whole):
        start, end = rows[0][0].start, rows[-1][-1].end
        if timed:
            end = min(end, start + MAX_SECONDS)  # a word that is drawn out longer
        yield Cue(round(start * 1000), round(end * 1000), tuple(join_units(row) for row in rows))


def _display_times(cues: Sequence[Cue], duration: float | None) -> list[Cue]:
    """The times at which cues of one channel, in order of time, are shown; one that runs into the
    next is cut there.

    Where two are spoken at the same time the second waits until the first could be read.
    """
    result: list[Cue] = []
    free = 0  # first millisecond that no cue before has taken
    for cue, following in zip_longest(cues, cues[1:]):
        start = max(cue.start, free)
        end = _display_end(cue, start)
        if following is not None:
            end = _end_before_next(following.start, cue, start, end)
        elif duration is not None and math.isfinite(duration):
            end = min(end, max(cue.end, math.ceil(duration * 1000)))
        free = max(end, start + 1)
        result.append(Cue(start, free, cue.rows))
    return result


def _display_end(cue: Cue, start: int) -> int:
    """When a cue goes that comes at ``start``: with its last word, or as soon after as it has been
    read."""
    reading = max(
        MIN_DISPLAY,
        min(
            round(1000 * MAX_SECONDS),
            math.ceil(1000 * sum(map(display_width, cue.rows)) / MAX_SPEED),
        ),
    )
    return max(
        cue.end, min(start + reading, max(cue.end + round(1000 * LINGER), start + MIN_DISPLAY))
    )


def _end_before_next(following: int, cue: Cue, start: int, end: int) -> int:
    """When it goes where the next cue comes at ``following``."""
    if following - start < MIN_DISPLAY and cue.end > following:  # spoken at the same time
        return min(cue.end, start + MIN_DISPLAY)
    if following - start < 2 * GAP:  # no room for a gap
        return following
    chained = following - GAP
    if following - end < MAX_CLOSED_GAP and chained - start <= max(end - start, 1000 * MAX_SECONDS):
        return chained
    return end


def format_timestamp(milliseconds: int, separator: str) -> str:
    """``HH:MM:SS`` and milliseconds after ``separator``; hours take the digits they need."""
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{separator}{thousandths:03d}"


def parse_timing(row: str) -> tuple[float, float] | None:
    """Start and end in seconds of a ``00:00:01,000 --> 00:00:02,000`` row (hours may be missing);
    None for any other.

    An end before its start, which players meet and forgive, is moved to the start.
    """
    match = _TIMING.fullmatch(row)
    if match is None:
        return None
    start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    return start, max(start, end)


def checked_timing(row: str, number: int, source: str) -> tuple[float, float] | None:
    """:func:`parse_timing` of the row with this number, from 1, where none is expected to have an
    arrow and no times.

    Raises:
        UserError: it has.
    """
    timing = parse_timing(row)
    if timing is None and "-->" in row:
        raise UserError(
            f"{source or 'The text'}, line {number}: '{row.strip()[:60]}' is not the times of a cue; correct it."
        )
    return timing


def parse_cues(rows: Sequence[str], source: str) -> Iterator[tuple[float, float, list[str]]]:
    """Start and end in seconds of each cue, and its rows of text.

    A cue ends with an empty row, or where the times of the next stand, for some write no empty row
    between cues, or one with a space in it. The number or name of the next cue is no text.

    Raises:
        UserError: a row with an arrow, outside of a cue's text, is not the times of a cue.
    """
    at = 0
    while at < len(rows):
        timing = checked_timing(rows[at], at + 1, source)
        at += 1
        if timing is None:
            continue
        first = at
        while at < len(rows) and rows[at] and parse_timing(rows[at]) is None:
            at += 1
        text = list(rows[first:at])
        runs_on = at < len(rows) and rows[at]
        if (
            runs_on
            and text
            and (text[-1].strip().isdigit() or (len(text) > 1 and not text[-2].strip()))
        ):
            text.pop()
        yield *timing, text


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    thousandths = int((fraction or "").ljust(3, "0"))
    return (
        (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    ) + thousandths / 1000


def rows_of(text: str) -> list[str]:
    """The rows of a subtitle file: byte order mark off, any line break."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
