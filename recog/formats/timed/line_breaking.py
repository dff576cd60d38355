"""Line breaking of subtitles: a transcript's line into cues, a cue into rows.

The rules are those of Netflix's Timed Text Style Guide, General Requirements
(https://partnerhelp.netflixstudios.com/hc/en-us/articles/215758617). A cue has one row, or two
where one is not enough. A row breaks after punctuation and before conjunctions and prepositions. It
does not break between an article and its noun, a pronoun or auxiliary and its verb, or a first and
a last name. The limits for Latin script are 42 characters a row and 17 a second. A wide character
(UAX #11) counts as two, which allows 21 a row and 8.5 a second for Chinese.

The breaks minimise the total cost over the whole line (Knuth and Plass 1981).
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
PAUSE = 0.3  # seconds; a longer pause ends a phrase

# Costs. The order is the style guide's; the sizes were set by eye on transcripts of interviews.
# A break after a sentence, after a clause, before a conjunction, between other words, within a
# word of a script without spaces, between words that belong together:
_SENTENCE, _CLAUSE, _LINK, _PLAIN, _WITHIN, _INSEPARABLE = 0.0, 1.0, 2.0, 4.0, 5.0, 9.0
_CUE = 6.0  # each cue: few are better than many
_ROW = 0.5  # a break between rows, relative to the same break between cues
_UNEVEN, _TOP_HEAVY = 3.0, 0.25  # two rows, one of them empty; the upper row is longer
_SCANTY = 3.0  # a cue that is nearly empty
# per second: missing reading time, more than 7 seconds, silence within a cue
_HASTE, _LONG, _SILENCE = 6.0, 1000.0, 10.0


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LINKS = _words(  # conjunctions and prepositions, of English, French, German and Spanish
    "and or but nor so yet because since although though while whereas unless until if when where "
    "that which who whom "
    "of to in on at by for from with without about into onto over under after before between "
    "through during against as "
    "et ou mais donc car ni que qui quand lorsque puisque parce comme si dont de du des dans sur "
    "sous avec sans pour par "
    "en entre vers chez depuis pendant contre après avant "
    "und oder aber denn sondern dass weil wenn als ob obwohl während im am von vom mit nach bei zu "
    "zum zur aus auf für "
    "durch gegen ohne um über unter zwischen "
    "y o pero sino porque cuando como a al del con sin por para sobre hasta desde hacia"
)
# subjects that begin a clause
_SUBJECTS = _words("i he she we they je il elle ils elles ich er wir yo ellos ellas")
# articles, possessives, pronouns, auxiliaries and negations: they belong to the word after them
_HELPERS = _words(
    "a an the my your his her its our their this these those some any no every each i you he she "
    "it we they not never "
    "is are was were be been am has have had do does did will would shall should can could may "
    "might must "
    "don't doesn't didn't won't can't couldn't wouldn't isn't aren't wasn't i'm you're we're "
    "they're it's i'll we'll "
    "le la les un une au aux mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce "
    "cet cette ces je tu il "
    "elle on nous vous ils elles ne pas est sont était a ont avait "
    "der die das den dem ein eine einen einem einer mein dein sein ihr unser kein keine ich du er "
    "sie es wir nicht ist "
    "sind war hat haben wird werden "
    "el los las una unos unas mi tu su nuestro este esta yo usted ellos no es son era ha han"
)
_TITLES = _words("mr. mrs. ms. dr. prof. st. m. mme. mlle. hr. fr. sr. sra.")
_ENDS, _CLAUSES, _CLOSING = ".!?…。！？｡؟।", ",;:—–、，；：،؛", "\"'»”’)]}）］｝」』】"
_JOINING = "\u0300-\u036f\u200b-\u200d\u2060\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef"

# Scripts without spaces, which may break between characters (UAX #14, class ID); some marks may
# not begin a row, others may not end one.
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
# without no-break spaces, which are text
_SPACES = re.compile(r"[ \t\n\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Unit:
    """Text without a possible break: a word, or a character of a script without spaces.

    Attributes:
        spaced: whether a space stands before it.
        start, end: seconds.
    """

    text: str
    spaced: bool
    start: float
    end: float


@lru_cache(maxsize=1 << 16)
def display_width(text: str) -> int:
    """Return the width of a text in columns: two for a wide character, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(c) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(c) in ("W", "F"))
        for c in text
    )


def clean_text(text: str) -> str:
    """Replace line breaks and control characters, which would end a cue, by spaces."""
    return _SPACES.sub(" ", text).strip()


def join_units(units: Iterable[Unit]) -> str:
    """Return the text of units, without a space before the first."""
    return "".join((" " if unit.spaced and k else "") + unit.text for k, unit in enumerate(units))


def line_units(line: Line) -> tuple[list[Unit], bool]:
    """Return a line's units in order, and whether their times come from words.

    Without times of words, the line's time is divided in proportion to the width of the text.
    There are no units where the line has no text or no time.
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
    """Split a text into units, and its time in proportion to their widths."""
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
    """Make the starts of units rise from 0 on, and their ends not precede their starts."""
    starts = list(accumulate((max(0.0, unit.start) for unit in units), max))
    return [
        Unit(u.text, u.spaced, start, max(start, u.end))
        for u, start in zip(units, starts, strict=True)
    ]


def break_cost(before: Unit, after: Unit) -> float:
    """Return the cost of a break between two units; highest if they belong together."""
    word, following = before.text.lower(), after.text.lower()
    if word in _TITLES:
        return _INSEPARABLE
    ending = before.text.rstrip(_CLOSING)[-1:]
    if ending and ending in _ENDS:
        return _SENTENCE
    if ending and ending in _CLAUSES:
        return _CLAUSE
    if not after.spaced:
        return _WITHIN
    if word in _LINKS or word in _HELPERS:
        return _INSEPARABLE
    if before.text.istitle() and after.text.istitle():  # a first name and a last name
        return _INSEPARABLE
    return _LINK if following in _LINKS or following in _SUBJECTS else _PLAIN


def break_line(units: Sequence[Unit], *, timed: bool) -> list[list[list[Unit]]]:
    """Break all units of a line into cues of one or two rows, in order.

    Args:
        timed: whether the units' times are known; guessed times do not influence the breaks.
    """
    return _LineBreaker(units, timed).best() if units else []


class _LineBreaker:
    """Dynamic programming over the breaks of a line.

    ``first`` and ``after`` are indices of units, as in a slice.
    """

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
        """Return the lowest cost up to ``after``, and the first unit of the last cue.

        Args:
            costs: the lowest cost up to each earlier unit.
        """
        best = (math.inf, after - 1)
        for first in range(after - 1, -1, -1):
            width = self.width(first, after)
            if width > MAX_ROWS * MAX_COLUMNS and first < after - 1:
                break
            cost = costs[first] + self._cue(first, after, width)
            if cost < best[0]:  # rows can only add to the cost
                best = min(best, (cost + self._rows(first, after)[0], first))
        return best

    def _rows(self, first: int, after: int) -> tuple[float, int]:
        """Return the cost of a cue's rows, infinite if they do not fit, and the second row's start.

        A single unit that is wider than a row has a row for itself.
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
        """Return the cost of a cue and of the break at its end, without its rows."""
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
