"""Subtitle cues, for SubRip and WebVTT alike: where they start, end and break."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from recog.errors import UsageError, UserError
from recog.transcript import Line, Transcript, Word

MAX_COLUMNS = 42  # characters in a row: the common limit of broadcasters' style guides for Latin script
MAX_ROWS = 2

# Line breaks and control characters, which would end a cue early; no-break spaces are text and stay.
_BREAKS = re.compile(r"[ \t\n\x00-\x1f\x7f\x85\u2028\u2029]+")
_TIME = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")


@dataclass(frozen=True)
class Cue:
    """A subtitle: ``start`` and ``end`` in whole milliseconds, ``text`` on one line."""

    start: int
    end: int
    text: str

    @property
    def rows(self) -> list[str]:
        """The text in rows of at most 42 characters, unless a single word is longer."""
        return _wrap(self.text)


def make_cues(transcript: Transcript) -> list[Cue]:
    """The cues of a recording's transcript, in order of time: each ends after it starts, none overlaps the next.

    A line of more than two rows of 42 characters is broken at its words' times; without such times it stays one cue,
    since any other break would be a guess.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line with text has no times.
    """
    if transcript.size is not None:
        raise UsageError(f"{transcript.source} is an image, and subtitles need sound; choose another format.")
    cues = [cue for line in transcript.lines if _clean(line.text) for cue in _line_cues(line, transcript.source)]
    return _in_order(cues)


def _line_cues(line: Line, source: str) -> list[Cue]:
    text = _clean(line.text)
    start, end = _milliseconds(line.start), _milliseconds(line.end)
    if len(_wrap(text)) > MAX_ROWS and _all_timed(line.words) and _clean(_join(line.words)) == text:
        return [_word_cue(chunk) for chunk in _chunks(line.words)]
    if start is None or end is None:
        if not line.words or not _all_timed(line.words):
            raise UserError(f"A line of {source} has no times, which subtitles need; choose another format.")
        cue = _word_cue(line.words)
        start, end = cue.start, cue.end
    return [Cue(start, end, text)]


def _word_cue(words: Sequence[Word]) -> Cue:
    start, end = _milliseconds(words[0].start), _milliseconds(words[-1].end)
    assert start is not None and end is not None  # by _all_timed
    return Cue(start, end, _clean(_join(words)))


def _chunks(words: Sequence[Word]) -> list[list[Word]]:
    """Words in order, as many together as fit the rows; one word that fits none stands alone."""
    chunks: list[list[Word]] = []
    for word in words:
        if chunks and len(_wrap(_clean(_join([*chunks[-1], word])))) <= MAX_ROWS:
            chunks[-1].append(word)
        else:
            chunks.append([word])
    return [chunk for chunk in chunks if _clean(_join(chunk))]


def _in_order(cues: list[Cue]) -> list[Cue]:
    """Sorted by start; a cue that runs into the next is cut there; none is shorter than a millisecond."""
    cues = sorted(cues, key=lambda cue: cue.start)
    result: list[Cue] = []
    free = 0  # first millisecond that no cue before has taken
    for cue, following in zip_longest(cues, cues[1:]):
        start = max(cue.start, free)
        end = cue.end if following is None else min(cue.end, following.start)
        free = max(end, start + 1)
        result.append(Cue(start, free, cue.text))
    return result


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, MAX_COLUMNS, break_long_words=False, break_on_hyphens=False)


def _clean(text: str) -> str:
    return _BREAKS.sub(" ", text).strip()


def _join(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)


def _all_timed(words: Sequence[Word]) -> bool:
    return all(_milliseconds(word.start) is not None and _milliseconds(word.end) is not None for word in words)


def _milliseconds(seconds: float | None) -> int | None:
    """Whole milliseconds, not before the start of the recording; None where there is no time."""
    return None if seconds is None or not math.isfinite(seconds) else max(0, round(seconds * 1000))


def stamp(milliseconds: int, separator: str) -> str:
    """``HH:MM:SS`` and milliseconds after ``separator``; hours take the digits they need."""
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{separator}{thousandths:03d}"


def parse_timing(row: str) -> tuple[float, float] | None:
    """Start and end in seconds of a ``00:00:01,000 --> 00:00:02,000`` row (hours may be missing); None for any other.

    An end before its start, which players meet and forgive, is moved to the start.
    """
    match = _TIMING.fullmatch(row)
    if match is None:
        return None
    start, end = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
    return start, max(start, end)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    thousandths = int((fraction or "").ljust(3, "0"))
    return ((int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)) + thousandths / 1000


def rows_of(text: str) -> list[str]:
    """The rows of a subtitle file: byte order mark off, any line break."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
