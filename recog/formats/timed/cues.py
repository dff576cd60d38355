"""Subtitle cues for SubRip and WebVTT: when each is shown, and how times are written.

The times follow Netflix's Timed Text Style Guide (:mod:`recog.formats.timed.line_breaking`): a cue
lasts 5/6 of a second to 7 seconds; it shows at most 17 columns a second if the pause after it
allows; it ends two frames (of 24 a second) before the next cue of its channel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from recog.errors import UserError
from recog.formats.media_checks import require_sound
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

GAP = 83  # smallest gap between cues in milliseconds: two frames
MIN_DISPLAY = math.ceil(1000 * MIN_SECONDS)
MAX_CLOSED_GAP = 500  # milliseconds; shorter gaps flicker and are closed to GAP

_TIME = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")


@dataclass(frozen=True)
class Cue:
    """A subtitle.

    Attributes:
        start, end: whole milliseconds.
        rows: one or two rows of text; a row is wider than 42 columns only if it is a single word.
    """

    start: int
    end: int
    rows: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.rows)


def make_cues(transcript: Transcript) -> list[Cue]:
    """Make the cues of a recording, in order of time; cues of one channel do not overlap.

    A line breaks at the times of its words. Without those, the line's time is divided in proportion
    to the width of the text. Each channel has a separate sequence of cues, so that two people who
    speak at once are both shown long enough to be read.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line with text has no times.
    """
    require_sound(transcript, "subtitles need sound")
    channels: dict[int | None, list[Cue]] = {}
    for line in with_channel_labels(transcript).lines:
        if clean_text(line.text):
            channels.setdefault(line.channel, []).extend(_line_cues(line, transcript.source))
    timed = [
        _display_times(sorted(cues, key=_start), transcript.duration) for cues in channels.values()
    ]
    return sorted(chain.from_iterable(timed), key=_start)


def _start(cue: Cue) -> int:
    return cue.start


def _line_cues(line: Line, source: str) -> Iterator[Cue]:
    """Break a line into cues, timed as they are spoken."""
    units, timed = line_units(line)
    if not units:
        raise UserError(
            f"A line of {source} has no times, which subtitles need; choose another format."
        )
    # a line that fits into one cue is not broken at guessed times
    fits = display_width(join_units(units)) <= MAX_ROWS * MAX_COLUMNS
    for rows in break_line(units, timed=timed or not fits):
        start, end = rows[0][0].start, rows[-1][-1].end
        if timed:
            end = min(end, start + MAX_SECONDS)  # a single word may be drawn out longer
        yield Cue(round(start * 1000), round(end * 1000), tuple(join_units(row) for row in rows))


def _display_times(cues: Sequence[Cue], duration: float | None) -> list[Cue]:
    """Change the times of a channel's cues from when they are spoken to when they are shown.

    A cue that runs into the next is cut there. Where two are spoken at the same time, the second
    waits until the first could be read.

    Args:
        cues: in order of time.
        duration: seconds of the recording, where known.
    """
    result: list[Cue] = []
    free = 0  # the first millisecond after all cues so far
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
    """Return when a cue shown from ``start`` may end: after its last word, and when it was read."""
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
    """Return when a cue ends if the next starts at ``following``."""
    if following - start < MIN_DISPLAY and cue.end > following:  # spoken at the same time
        return min(cue.end, start + MIN_DISPLAY)
    if following - start < 2 * GAP:  # no room for a gap
        return following
    chained = following - GAP
    if following - end < MAX_CLOSED_GAP and chained - start <= max(end - start, 1000 * MAX_SECONDS):
        return chained
    return end


def format_timestamp(milliseconds: int, separator: str) -> str:
    """Write ``HH:MM:SS`` and milliseconds after ``separator``; 100 hours take three digits."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{separator}{thousandths:03d}"


def parse_timing(row: str) -> tuple[float, float] | None:
    """Parse ``00:00:01,000 --> 00:00:02,000`` into seconds; None for other rows.

    Hours may be missing. An end before the start is moved to the start, as players tolerate it.
    """
    match = _TIMING.fullmatch(row)
    if match is None:
        return None
    start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    return start, max(start, end)


def checked_timing(row: str, number: int, source: str) -> tuple[float, float] | None:
    """Apply :func:`parse_timing` to the row with this number (from 1), and check it.

    Raises:
        UserError: the row has an arrow, but its times cannot be read.
    """
    timing = parse_timing(row)
    if timing is None and "-->" in row:
        raise UserError(
            f"{source or 'The text'}, line {number}: '{row.strip()[:60]}' "
            "is not the times of a cue; correct it."
        )
    return timing


def parse_cues(rows: Sequence[str], source: str) -> Iterator[tuple[float, float, list[str]]]:
    """Yield start and end in seconds of each cue, and its rows of text.

    A cue ends at an empty row or at the times of the next cue: some programs write no empty row
    between cues, or a row with a space. The number or name of the next cue is removed.

    Raises:
        UserError: a row with an arrow, outside of a cue's text, has times that cannot be read.
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
