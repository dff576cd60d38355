"""Praat's TextGrid (.TextGrid), https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html:
tiers of intervals.

Written are the tiers ``lines`` and ``words`` in the long text form, UTF-8; read are the long and
the short text form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from recog.errors import UsageError, UserError
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
# What Praat reads: strings, flags and numbers that stand free. Labels such as `xmin =` and
# `intervals [1]:` are passed over, so that both text forms are the same to it; `!` begins a
# comment.
_TOKEN = re.compile(
    r'"((?:[^"]++|"")*+)"|(?<!\S)(<\w+>)(?!\S)|(?<!\S)([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?!\S)|![^\n]*|\S+'
)


def write(transcript: Transcript) -> str:
    """A tier of lines and one of words, where they have times; stretches between them are empty
    intervals.

    What overlaps is cut where the next begins, and what then has no length is left out: a tier
    cannot hold it.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line with text has no times.
    """
    if transcript.size is not None:
        raise UsageError(
            f"{transcript.source} is an image, and a TextGrid needs sound; choose another format."
        )
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
    end = max(
        [
            transcript.duration or 0.0,
            *(interval[1] for _, intervals in tiers for interval in intervals),
        ]
    )
    tiers = [(name, _tiling(intervals, end)) for name, intervals in tiers]
    rows = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_number(end)}",
    ]
    rows += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for at, (name, intervals) in enumerate(tiers, start=1):
        rows += [
            f"    item [{at}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(name)}",
        ]
        rows += [
            "        xmin = 0",
            f"        xmax = {_number(end)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for number, (first, after, text) in enumerate(intervals, start=1):
            rows += [f"        intervals [{number}]:", f"            xmin = {_number(first)}"]
            rows += [f"            xmax = {_number(after)}", f"            text = {_quoted(text)}"]
    return "\n".join(rows) + "\n"


def read(text: str, *, source: str = "") -> Transcript:
    """The lines, with the words whose middle lies in them.

    Tiers that are numbered, ``lines 2`` and ``words 2``, are those of a channel. Else lines are the
    tier called lines, utterances, sentences or phrases, words the one called words; with neither,
    the first tier of intervals is the lines. A file with words alone gives a single line. Empty
    intervals say nothing, and other tiers are passed over.

    Raises:
        UserError: it is no TextGrid in a text form, is cut short, or has no tier of intervals.
    """
    name = source or "The text"
    tokens = _Tokens(text, name)
    tokens.header()
    tokens.number()
    duration = tokens.number()
    tiers: dict[str, list[Interval]] = {}
    if tokens.flag() == "<exists>":
        for _ in range(tokens.count()):
            tier, intervals = tokens.tier()
            if intervals is not None:
                tiers.setdefault(tier.strip().lower(), intervals)
    if not tiers:
        raise UserError(f"{name} has no tier of intervals; give a TextGrid that has one.")
    numbered = sorted({int(match[1]) for tier in tiers if (match := _NUMBERED.fullmatch(tier))})
    found = [
        replace(line, channel=channel)
        for channel in numbered
        for line in _with_words(
            tiers.get(f"lines {channel}", []), tiers.get(f"words {channel}", [])
        )
    ]
    words = next((tiers[tier] for tier in _WORD_TIERS if tier in tiers), [])
    if found:
        found += _with_words(tiers.get("lines", []), words)
        return Transcript(
            source,
            tuple(sorted(found, key=lambda line: line.start or 0.0)),
            duration=max(0.0, duration),
        )
    lines = next((tiers[tier] for tier in _LINE_TIERS if tier in tiers), None)
    if lines is None:
        lines = (
            [(words[0][0], words[-1][1], " ".join(w for _, _, w in words))]
            if words
            else next(iter(tiers.values()))
        )
    return Transcript(source, tuple(_with_words(lines, words)), duration=max(0.0, duration))


def _tiers(
    lines: list[Line], channel: int | None, transcript: Transcript
) -> list[tuple[str, list[Interval]]]:
    """The tiers of all lines, or of those of a channel."""
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
    if start is None or end is None or not math.isfinite(start + end):
        raise UserError(
            f"A line of {source} has no times, which a TextGrid needs; choose another format."
        )
    return start, end, line.text


def _tiling(intervals: Iterable[Interval], end: float) -> list[Interval]:
    """Intervals from 0 to ``end`` without holes and overlaps, as a tier needs them."""
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
    """The strings, flags and numbers of a file, one after the other."""

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
                f"{self.name} has '{' '.join(match[0].split())[:40]}' where {what} belongs; give a valid TextGrid."
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
        """How many follow: not trusted, the file has to go on that long."""
        value = self.number()
        if value < 0 or value != int(value):
            raise UserError(
                f"{self.name} has {value:g} where a count belongs; give a valid TextGrid."
            )
        return int(value)

    def tier(self) -> tuple[str, list[Interval] | None]:
        """A tier's name and its intervals that say something, in order; None for a tier of
        points."""
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
                f"{self.name} has a tier of the class '{' '.join(kind.split())[:40]}'; give a valid TextGrid."
            )
        intervals = []
        for _ in range(self.count()):
            start, end = self.number(), self.number()
            text = " ".join(self.string().split())
            if text:
                intervals.append((start, max(start, end), text))
        return name, sorted(intervals, key=lambda interval: interval[:2])
