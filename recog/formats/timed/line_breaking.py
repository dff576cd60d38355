"""Where subtitles break: into cues, and a cue into rows.

Followed is Netflix's Timed Text Style Guide, General Requirements
(https://partnerhelp.netflixstudios.com/hc/en-us/articles/ 215758617): a row, or two where one is
not enough; broken after punctuation, before conjunctions and prepositions, and not between an
article and its noun, a pronoun or auxiliary and its verb, a first name and a last name. Rows of 42
characters and 17 of them a second are its limits for Latin script; a wide character (UAX #11)
counts as two, which for Chinese comes to 21 a row and 8.5 a second.

The breaks are those of the lowest total cost over all ways to break (Knuth and Plass 1981), not the
first that fit.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from recog.transcript import Line

MAX_COLUMNS = 42
MAX_ROWS = 2
MAX_SPEED = 17.0  # columns a second
MIN_SECONDS, MAX_SECONDS = 5 / 6, 7.0
LINGER = 0.5  # seconds that a cue may stay after its last word, to be read (12 frames)
PAUSE = 0.3  # seconds: whoever pauses longer has come to an end

# What a break costs. Their order is the style guide's; their sizes were set by eye on transcripts
# of interviews.
_SENTENCE, _CLAUSE, _LINK, _PLAIN, _WITHIN, _HELD = 0.0, 1.0, 2.0, 4.0, 5.0, 9.0
_CUE = 6.0  # of each cue: few are better than many
_ROW = 0.5  # of a break between rows, in that between cues
_UNEVEN, _TOP_HEAVY = 3.0, 0.25  # of two rows of which one is empty; of an upper one that is longer
_SCANTY = 3.0  # of a cue that is nearly empty
# of a second: too few to read, more than 7, of silence within a cue
_HASTE, _LONG, _SILENCE = 6.0, 1000.0, 10.0


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_LINKS = _words(  # conjunctions and prepositions, of English, French, German and Spanish
    "and or but nor so yet because since although though while whereas unless until if when where that which who whom "
    "of to in on at by for from with without about into onto over under after before between through during against as "
    "et ou mais donc car ni que qui quand lorsque puisque parce comme si dont de du des dans sur sous avec sans pour par "
    "en entre vers chez depuis pendant contre après avant "
    "und oder aber denn sondern dass weil wenn als ob obwohl während im am von vom mit nach bei zu zum zur aus auf für "
    "durch gegen ohne um über unter zwischen "
    "y o pero sino porque cuando como a al del con sin por para sobre hasta desde hacia"
)
# they begin a clause
_SUBJECTS = _words("i he she we they je il elle ils elles ich er wir yo ellos ellas")
# articles, possessives, pronouns, auxiliaries and negations: they belong to the word after them
_HELPERS = _words(
    "a an the my your his her its our their this these those some any no every each i you he she it we they not never "
    "is are was were be been am has have had do does did will would shall should can could may might must "
    "don't doesn't didn't won't can't couldn't wouldn't isn't aren't wasn't i'm you're we're they're it's i'll we'll "
    "le la les un une au aux mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces je tu il "
    "elle on nous vous ils elles ne pas est sont était a ont avait "
    "der die das den dem ein eine einen einem einer mein dein sein ihr unser kein keine ich du er sie es wir nicht ist "
    "sind war hat haben wird werden "
    "el los las una unos unas mi tu su nuestro este esta yo usted ellos no es son era ha han"
)
_TITLES = _words("mr. mrs. ms. dr. prof. st. m. mme. mlle. hr. fr. sr. sra.")
_ENDS, _CLAUSES, _CLOSING = ".!?…。！？｡؟।", ",;:—–、，；：،؛", "\"'»”’)]}）］｝」』】"
_JOINING = "\u0300-\u036f\u200b-\u200d\u2060\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef"

# Scripts written without spaces whose characters may be parted (UAX #14, class ID), but for the
# marks that may not begin a row, and those that may not end one.
_CJK = "\u3000-\u303f\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff60\U00020000-\U0003ffff"
_NO_START = (
    re.escape(
        "、。，．・：；？！）］｝」』】〕〉》〗〙〟’”ー々〻ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ゠〜～…,.!?:;)]}%"
    )
    + _JOINING
)
_NO_END = re.escape("（［｛「『【〔〈《〖〘〝‘“([{") + _JOINING
_OPENING = re.compile(
    rf"(?<![{_NO_END}])(?![{_NO_START}])(?:(?<=[{_CJK}])(?=\S)|(?<=\S)(?=[{_CJK}]))"
)
# not no-break spaces, which are text
_SPACES = re.compile(r"[ \t\n\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Unit:
    """What no break parts: a word, or a character of a script without spaces. ``start`` and ``end``
    in seconds."""

    text: str
    spaced: bool  # a space stands before it
    start: float
    end: float


@lru_cache(maxsize=1 << 16)
def display_width(text: str) -> int:
    """The width of a text: two for a wide character, none for a mark that stands on another."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(c) in ("W", "F"))
        for c in text
    )


def clean_text(text: str) -> str:
    """On one line: line breaks and control characters, which would end a cue, are spaces."""
    return _SPACES.sub(" ", text).strip()


def join_units(units: Iterable[Unit]) -> str:
    """The text of units, without a space before the first."""
    return "".join((" " if unit.spaced and k else "") + unit.text for k, unit in enumerate(units))


def line_units(line: Line) -> tuple[list[Unit], bool]:
    """A line's units in order, and whether their times are known from its words.

    Where they are not, the line's own time is shared out by width: a guess, but one that can be
    read. Returns no units where there is nothing to time, or no time.
    """
    text = clean_text(line.text)
    words = [
        (clean_text(word.text), word.start, word.end)
        for word in line.words
        if clean_text(word.text)
    ]
    times = [t for _, start, end in words for t in (start, end)]
    timed = bool(words) and all(t is not None and math.isfinite(t) for t in times)
    if timed and " ".join(word for word, _, _ in words) == text:
        return _monotonic(
            [unit for word, a, b in words for unit in _split(word, a or 0.0, b or 0.0)]
        ), True
    start, end = (
        (line.start, line.end)
        if not timed
        else (_or(line.start, times[0]), _or(line.end, times[-1]))
    )
    if not text or start is None or end is None or not math.isfinite(start + end):
        return [], False
    return _monotonic(_split(text, start, end)), False


def _or(value: float | None, other: float | None) -> float | None:
    return other if value is None else value


def _split(text: str, start: float, end: float) -> list[Unit]:
    """The units of a text, its time shared out by their widths."""
    parts = [
        (part, k == 0)
        for word in text.split(" ")
        if word
        for k, part in enumerate(_OPENING.split(word))
    ]
    widths = [display_width(part) + 1e-9 for part, _ in parts]
    ends = [start + (end - start) * width / sum(widths) for width in accumulate(widths)]
    starts = [start, *ends[:-1]]
    return [
        Unit(part, first, a, b) for (part, first), a, b in zip(parts, starts, ends, strict=True)
    ]


def _monotonic(units: list[Unit]) -> list[Unit]:
    """Times from 0 on that never go back."""
    starts = list(accumulate((max(0.0, unit.start) for unit in units), max))
    return [
        Unit(u.text, u.spaced, start, max(start, u.end))
        for u, start in zip(units, starts, strict=True)
    ]


def break_cost(before: Unit, after: Unit) -> float:
    """What it costs to break a text there; more than the rest, where it would part what belongs
    together."""
    word, following = before.text.lower(), after.text.lower()
    if word in _TITLES:
        return _HELD
    ending = before.text.rstrip(_CLOSING)[-1:]
    if ending and ending in _ENDS:
        return _SENTENCE
    if ending and ending in _CLAUSES:
        return _CLAUSE
    if not after.spaced:
        return _WITHIN
    if word in _LINKS or word in _HELPERS:
        return _HELD
    if before.text.istitle() and after.text.istitle():  # a first name and a last name
        return _HELD
    return _LINK if following in _LINKS or following in _SUBJECTS else _PLAIN


def break_line(units: Sequence[Unit], *, timed: bool) -> list[list[list[Unit]]]:
    """The cues of a line, each of one or two rows of units: all of them, in order.

    Args:
        timed: whether the units' times are known; where they are shared out, a long cue is no
            reason to break.
    """
    return _LineBreaker(units, timed).best() if units else []


class _LineBreaker:
    """A line's units, and what each way to break them costs. ``first`` and ``after`` number units,
    as a slice does."""

    def __init__(self, units: Sequence[Unit], timed: bool) -> None:
        self.units, self.timed = units, timed
        self.reach = [0, *accumulate(display_width(unit.text) + unit.spaced for unit in units)]
        self.parting = [0.0, *(break_cost(a, b) for a, b in pairwise(units)), 0.0]
        self.pauses = [0.0, *(max(0.0, b.start - a.end) for a, b in pairwise(units)), math.inf]
        self.silence = [0.0, *accumulate(max(0.0, pause - PAUSE) for pause in self.pauses[1:-1])]

    def width(self, first: int, after: int) -> int:
        return self.reach[after] - self.reach[first] - self.units[first].spaced

    def best(self) -> list[list[list[Unit]]]:
        costs, starts = [0.0], [0]
        for after in range(1, len(self.units) + 1):
            cost, start = self._last_cue(after, costs)
            costs.append(cost)
            starts.append(start)
        cues, after = [], len(self.units)
        while after:
            first = starts[after]
            row = self._rows(first, after)[1]
            cues.append([list(self.units[a:b]) for a, b in ((first, row), (row, after)) if b > a])
            after = first
        return cues[::-1]

    def _last_cue(self, after: int, costs: Sequence[float]) -> tuple[float, int]:
        """The lowest cost of everything up to ``after``, and the unit with which the last cue then
        begins.

        Args:
            costs: that lowest cost, for all units before.
        """
        best = (math.inf, after - 1)
        for first in range(after - 1, -1, -1):
            width = self.width(first, after)
            if width > MAX_ROWS * MAX_COLUMNS and first < after - 1:
                break
            cost = costs[first] + self._cue(first, after, width)
            if cost < best[0]:  # rows cost more, never less
                best = min(best, (cost + self._rows(first, after)[0], first))
        return best

    def _rows(self, first: int, after: int) -> tuple[float, int]:
        """What a cue's rows cost, infinity where they do not fit, and the unit with which the
        second begins.

        A single unit that is wider than a row stands alone in one.
        """
        if after == first + 1 or self.width(first, after) <= MAX_COLUMNS:
            return 0.0, after
        best = (math.inf, after)
        for k in range(after - 1, first, -1):
            left, right = self.width(first, k), self.width(k, after)
            if right > MAX_COLUMNS:
                break
            if left <= MAX_COLUMNS:
                uneven = _UNEVEN * abs(left - right) / MAX_COLUMNS + (
                    _TOP_HEAVY if left > right else 0.0
                )
                best = min(best, (_ROW * self.parting[k] + uneven, k))
        return best

    def _cue(self, first: int, after: int, width: int) -> float:
        """What a cue costs, with the break at its end."""
        pause = self.pauses[after]
        cost = _CUE + self.parting[after] * (1.0 - min(1.0, pause / (2 * PAUSE)))
        cost += _SCANTY * max(0.0, 1.0 - width / MAX_COLUMNS)
        if not self.timed:
            return cost
        spoken = self.units[after - 1].end - self.units[first].start
        shown = spoken + max(0.0, min(pause, LINGER))
        cost += _HASTE * max(0.0, width / MAX_SPEED - shown, MIN_SECONDS - shown)
        if after > first + 1:
            cost += _LONG * max(0.0, spoken - MAX_SECONDS)
        return cost + _SILENCE * (self.silence[after - 1] - self.silence[first])
