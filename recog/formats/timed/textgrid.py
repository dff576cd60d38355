"""Praat's TextGrid: tiers of intervals in text files.

The writer makes the tiers ``lines`` and ``words`` in the long text form, in UTF-8. The reader takes
the long and the short text form
(https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from recog.errors import UserError
from recog.formats.media_checks import require_sound, require_times
from recog.formats.timed.channels import channel_numbers
from recog.transcript import Line, Transcript, Word

Interval = tuple[float, float, str]  # start and end in seconds, text

_LINE_TIERS = (
    "lines",
    "line",
    "utterances",
    "utterance",
    "sentences",
    "sentence",
    "phrases",
    "phrase",
)
_WORD_TIERS = ("words", "word")
_NUMBERED = re.compile(r"lines (\d{1,9})")
_DECIMALS = 6
# Praat reads strings, flags and free-standing numbers. It skips labels such as `xmin =` and
# `intervals [1]:`, so that both text forms are the same to it; `!` begins a comment.
_TOKEN = re.compile(
    r'"((?:[^"]++|"")*+)"|(?<!\S)(<\w+>)(?!\S)|(?<!\S)([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)|![^\n]*|\S+'
)


def write(transcript: Transcript) -> str:
    """Write a tier of lines and a tier of words with times, for each channel.

    Gaps are empty intervals. Intervals that overlap are cut where the next begins; intervals that
    then have no length are left out, as a tier cannot hold them.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line with text has no times.
    """
    require_sound(transcript, "a TextGrid needs sound")
    channels: list[int | None] = [*channel_numbers(transcript)]
    if len(channels) < 2:
        parts: list[tuple[int | None, list[Line]]] = [(None, list(transcript.lines))]
    else:
        channels += [None] if any(line.channel is None for line in transcript.lines) else []
        parts = [
            (channel, [line for line in transcript.lines if line.channel == channel])
            for channel in channels
        ]
    tiers = [tier for channel, lines in parts for tier in _tiers(lines, channel, transcript)]
    ends = (interval[1] for _, intervals in tiers for interval in intervals)
    end = max([transcript.duration or 0.0, *ends])
    tiers = [(name, _tiling(intervals, end)) for name, intervals in tiers]
    rows = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    rows += ["xmin = 0", f"xmax = {_number(end)}"]
    rows += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for at, (name, intervals) in enumerate(tiers, start=1):
        rows += [f"    item [{at}]:", '        class = "IntervalTier"']
        rows += [f"        name = {_quoted(name)}", "        xmin = 0"]
        rows += [f"        xmax = {_number(end)}", f"        intervals: size = {len(intervals)}"]
        for number, (first, after, text) in enumerate(intervals, start=1):
            rows += [f"        intervals [{number}]:", f"            xmin = {_number(first)}"]
            rows += [f"            xmax = {_number(after)}", f"            text = {_quoted(text)}"]
    return "\n".join(rows) + "\n"


def read(text: str, *, source: str = "") -> Transcript:
    """Read lines, each with the words whose middle lies in it.

    The numbered tiers ``lines 2`` and ``words 2`` are those of channel 2. Without numbers, lines
    are the tier called lines, utterances, sentences or phrases, and words the tier called words.
    With neither, the first tier of intervals has the lines. A file of words alone gives one line.
    Empty intervals and other tiers are skipped.

    Raises:
        UserError: the file is no TextGrid in a text form, is cut short, or has no interval tier.
    """
    name = source or "The text"
    tokens = _Tokens(text, name)
    tokens.header()
    tokens.number()
    duration = tokens.number()
    tiers: dict[str, list[Interval]] = {}
    if tokens.flag() == "<exists>":
        for _ in range(tokens.count()):
            tier, content = tokens.tier()
            if content is not None:
                tiers.setdefault(tier.strip().lower(), content)
    if not tiers:
        raise UserError(f"{name} has no tier of intervals; give a TextGrid that has one.")
    numbered = sorted({int(match[1]) for tier in tiers if (match := _NUMBERED.fullmatch(tier))})
    lines = [
        replace(line, channel=channel)
        for channel in numbered
        for line in _with_words(
            tiers.get(f"lines {channel}", []), tiers.get(f"words {channel}", [])
        )
    ]
    words = next((tiers[tier] for tier in _WORD_TIERS if tier in tiers), [])
    if lines:
        lines += _with_words(tiers.get("lines", []), words)
        lines.sort(key=lambda line: line.start or 0.0)
        return Transcript(source, tuple(lines), duration=max(0.0, duration))
    intervals = next((tiers[tier] for tier in _LINE_TIERS if tier in tiers), None)
    if intervals is None and words:
        intervals = [(words[0][0], words[-1][1], " ".join(w for _, _, w in words))]
    elif intervals is None:
        intervals = next(iter(tiers.values()))
    return Transcript(source, tuple(_with_words(intervals, words)), duration=max(0.0, duration))


def _tiers(
    lines: list[Line], channel: int | None, transcript: Transcript
) -> list[tuple[str, list[Interval]]]:
    """Make the tiers of lines and words of a channel, or of all lines (``channel`` None)."""
    words = [
        (word.start, word.end, word.text)
        for line in lines
        for word in line.words
        if word.start is not None and word.end is not None and math.isfinite(word.start + word.end)
    ]
    suffix = "" if channel is None else f" {channel}"
    timed = [_timed_line(line, transcript.source) for line in lines if line.text]
    return [(f"lines{suffix}", timed), (f"words{suffix}", words)]


def _timed_line(line: Line, source: str) -> Interval:
    start = line.start if line.start is not None or not line.words else line.words[0].start
    end = line.end if line.end is not None or not line.words else line.words[-1].end
    return *require_times(start, end, source, "a TextGrid needs"), line.text


def _tiling(intervals: Iterable[Interval], end: float) -> list[Interval]:
    """Cut and fill intervals to cover 0 to ``end`` without gaps and overlaps, as a tier needs."""
    ordered = [
        (round(a, _DECIMALS), round(b, _DECIMALS), text)
        for a, b, text in sorted(intervals, key=lambda i: i[:2])
    ]
    end = round(end, _DECIMALS)
    tiling: list[Interval] = []
    reached = 0.0
    for k, (start, after, text) in enumerate(ordered):
        start = max(start, reached)
        if k + 1 < len(ordered):
            after = min(after, max(ordered[k + 1][0], 0.0))
        if after <= start:
            continue
        if start > reached:
            tiling.append((reached, start, ""))
        tiling.append((start, after, text))
        reached = after
    return [*tiling, (reached, end, "")] if reached < end or not tiling else tiling


def _with_words(lines: list[Interval], words: list[Interval]) -> Iterator[Line]:
    at = 0
    for start, end, text in lines:
        while at < len(words) and (words[at][0] + words[at][1]) / 2 < start:
            at += 1
        first = at
        while at < len(words) and (words[at][0] + words[at][1]) / 2 < end:
            at += 1
        inside = tuple(Word(word, a, b) for a, b, word in words[first:at])
        yield Line(text, inside, start=start, end=end)


def _number(seconds: float) -> str:
    return f"{seconds:.{_DECIMALS}f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@dataclass
class _Tokens:
    """The strings, flags and numbers of a file, read one after the other."""

    text: str
    name: str

    def __post_init__(self) -> None:
        self._rest = (
            match for match in _TOKEN.finditer(self.text.removeprefix("\ufeff")) if match.lastindex
        )

    def header(self) -> None:
        first, second = next(self._rest, None), next(self._rest, None)
        if first is None or second is None or first[1] != "ooTextFile" or second[1] != "TextGrid":
            raise UserError(
                f"{self.name} is not a TextGrid in a text form; save it from Praat as a text file."
            )

    def _next(self, group: int, what: str) -> str:
        match = next(self._rest, None)
        if match is None:
            raise UserError(
                f"{self.name} is cut short: {what} is missing; give the whole TextGrid."
            )
        if match[group] is None:
            raise UserError(
                f"{self.name} has '{' '.join(match[0].split())[:40]}' where {what} belongs; "
                "give a valid TextGrid."
            )
        return match[group]

    def string(self) -> str:
        return self._next(1, "a text").replace('""', '"')

    def flag(self) -> str:
        return self._next(2, "<exists>")

    def number(self) -> float:
        value = float(self._next(3, "a number"))
        if not math.isfinite(value):
            raise UserError(f"{self.name} has a number out of range; give a valid TextGrid.")
        return value

    def count(self) -> int:
        """Read a count; it is not trusted, as reading stops where the file ends."""
        value = self.number()
        if value < 0 or value != int(value):
            raise UserError(
                f"{self.name} has {value:g} where a count belongs; give a valid TextGrid."
            )
        return int(value)

    def tier(self) -> tuple[str, list[Interval] | None]:
        """Read a tier: its name and its intervals with text, in order; None for a point tier."""
        kind, name = self.string(), self.string()
        self.number()
        self.number()
        if kind == "TextTier":
            for _ in range(self.count()):
                self.number()
                self.string()
            return name, None
        if kind != "IntervalTier":
            raise UserError(
                f"{self.name} has a tier of the class '{' '.join(kind.split())[:40]}'; "
                "give a valid TextGrid."
            )
        intervals = []
        for _ in range(self.count()):
            start, end = self.number(), self.number()
            text = " ".join(self.string().split())
            if text:
                intervals.append((start, max(start, end), text))
        return name, sorted(intervals, key=lambda interval: interval[:2])
