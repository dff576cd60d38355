"""Convert right-to-left lines between logical order and display order.

Logical order is the order of typing. Display order is the order on paper, from left to right.
A recogniser reads a line image from left to right. Lines of Hebrew, Arabic and related scripts
are therefore trained in display order and returned in logical order.

The order is that of the Unicode bidirectional algorithm (UAX #9), by python-bidi. Two of its
display rules are applied to the characters themselves:

* L4: a bracket in a right-to-left run becomes its mirror image, the shape on the paper.
* L3: combining marks follow their base, so that a line in display order is still well-formed
  text for NFC.

:func:`to_logical` returns a line whose display order is the given line. It restores the original
exactly for lines of words, numbers, punctuation and brackets. The exceptions are lines that look
the same on paper as another line:

* A number directly before a left-to-right word in a right-to-left line. ``<hebrew> 15 abc`` looks
  like ``<hebrew> abc 15``, and the second is returned.
* A number between a left-to-right and a right-to-left word in a left-to-right line.
* Neutral characters (spaces, quotes, dashes, unpaired brackets) where the direction changes, when
  an invisible mark (LRM, RLM, embeddings, isolates) says where they belong. These marks leave no
  ink and are dropped.
* Lines whose base direction is not that of most of their words, unless ``base`` is given in both
  directions.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

Direction = Literal["L", "R"]

# Every block with characters of class R, AL or AN.
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# Two invisible characters of class NSM bracket the marks of a cluster: base P marks Q. The
# algorithm keeps them in the run of their base, so that their order afterwards tells the run's
# direction.
_P, _Q = "\u034f", "\u180b"
_PROBES = re.compile(f"[{_P}{_Q}]")
_MARKED = re.compile(f"{_Q}([^{_P}{_Q}]*){_P}(.)|(.){_P}([^{_P}{_Q}]*){_Q}|(.)", re.DOTALL)

# The characters of Unicode's BidiMirroring.txt (UAX #9) that occur in writing.
_PAIRS = "()[]{}<>«»‹›≤≥⟦⟧⟨⟩⟪⟫⁅⁆⁽⁾₍₎❨❩❪❫❬❭❮❯❰❱❲❳❴❵⸢⸣⸤⸥⸦⸧⸨⸩〈〉《》「」『』【】〔〕〖〗〘〙〚〛（）［］｛｝＜＞｟｠｢｣"
_MIRROR = {
    a: b
    for left, right in zip(_PAIRS[::2], _PAIRS[1::2], strict=True)
    for a, b in ((left, right), (right, left))
}


def is_right_to_left(text: str) -> bool:
    """Whether ``text`` has a character of a right-to-left script.

    Without any, logical and display order are the same.
    """
    return _RIGHT_TO_LEFT.search(text) is not None


def base_direction(text: str) -> Direction:
    """The direction of most words; right-to-left when even.

    It is the same for a line in display and in logical order. That does not hold for the standard's
    rule P2, where the first letter decides.
    """
    words = {"L": 0, "R": 0}
    previous = ""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind == "NSM":  # a mark continues its word
            continue
        kind = "R" if kind == "AL" else kind
        if kind != previous and kind in words:
            words[kind] += 1
        previous = kind
    return "R" if words["R"] >= words["L"] else "L"


def to_display(text: str, *, base: Direction | None = None) -> str:
    """Convert logical order to display order, line by line.

    Args:
        text: in logical order; returned unchanged when no character is right-to-left.
        base: the direction of the paragraph; by default that of most of the line's words.

    Returns:
        The same number of characters, less the invisible direction marks.
    """
    if not is_right_to_left(text):
        return text
    return "\n".join(_reorder(line, base or base_direction(line)) for line in text.split("\n"))


def to_logical(text: str, *, base: Direction | None = None) -> str:
    """Convert display order to logical order, line by line.

    The inverse of :func:`to_display`, within the limits in the module's docstring.

    Args:
        text: in display order, as a model writes it.
        base: the value that was given to :func:`to_display`.
    """
    if not is_right_to_left(text):
        return text
    return "\n".join(_restore(line, base or base_direction(line)) for line in text.split("\n"))


def _restore(line: str, base: Direction) -> str:
    if not is_right_to_left(line):
        return line
    again = _reorder(
        line, base
    )  # the algorithm inverts itself except for numbers: the text before decides their direction
    if _reorder(again, base) == line:
        return again
    backwards = _reverse(
        _reorder(_reverse(line), base)
    )  # read from the right, a number has the same text before it as in logical order
    return _numbers_after_words(backwards, base) if _reorder(backwards, base) == line else again


def _numbers_after_words(line: str, base: Direction) -> str:
    """Rewrite ``15 abc`` as ``abc 15`` wherever both look the same on paper.

    In print, a number belongs to the word before it.
    """
    tokens = line.split(" ")
    kinds = "".join(map(_kind, tokens))
    for match in re.finditer("(n+)(l[ln]*)", kinds):
        start, middle, end = match.start(1), match.start(2), match.end()
        numbers = tokens[start:middle][::-1]
        for moved in (numbers, [_turn(number) for number in numbers]):
            changed = tokens[:start] + tokens[middle:end] + moved + tokens[end:]
            if _reorder(" ".join(changed), base) == _reorder(line, base):
                tokens = changed
                break
    return " ".join(tokens)


def _turn(number: str) -> str:
    """Reverse a number's parts: ``%50`` to ``50%``, ``18-14`` to ``14-18``.

    Both look the same on paper where the algorithm took the number for an Arabic number.
    """
    return "".join(re.findall(r"\d+|\D", number)[::-1])


def _kind(token: str) -> str:
    classes = {unicodedata.bidirectional(c) for c in token}
    if classes & {"R", "AL"}:
        return "r"
    return "l" if "L" in classes else "n" if classes & {"EN", "AN"} else "o"


def _reorder(line: str, base: Direction) -> str:
    """Apply UAX #9 to one line, with rules L3 and L4."""
    from bidi import get_display

    if not is_right_to_left(line):
        return line
    line = _PROBES.sub("", line)
    marked = _clusters().sub(_probe, line)
    shown = str(get_display(marked, base_dir=base))
    return _CONTROLS.sub("", _MARKED.sub(_unprobe, shown))


def _probe(match: re.Match[str]) -> str:
    cluster = match.group()
    return f"{cluster[0]}{_P}{cluster[1:]}{_Q}"


def _unprobe(match: re.Match[str]) -> str:
    right_marks, right_base, left_base, left_marks, plain = match.groups()
    if right_base is not None:
        return _MIRROR.get(right_base, right_base) + right_marks[::-1]
    return plain if plain is not None else left_base + left_marks


def _reverse(line: str) -> str:
    """Reverse a line cluster by cluster, with mirrored brackets."""
    line = _PROBES.sub("", line)
    clusters = re.findall(f".{_marks()}*", line, re.DOTALL)
    return "".join(_MIRROR.get(c[0], c[0]) + c[1:] for c in reversed(clusters))


@cache
def _marks() -> str:
    """A regular expression class of the non-spacing marks of the first two planes.

    These are the characters of bidirectional class NSM in the Basic and Supplementary planes.
    """
    marks = [i for i in range(0x300, 0x20000) if unicodedata.bidirectional(chr(i)) == "NSM"]
    ranges: list[tuple[int, int]] = []
    for i in marks:
        if ranges and ranges[-1][1] == i - 1:
            ranges[-1] = (ranges[-1][0], i)
        else:
            ranges.append((i, i))
    return "[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in ranges) + "]"


@cache
def _clusters() -> re.Pattern[str]:
    """A pattern for the clusters that need probes: mirrored characters and bases with marks."""
    mirrored = "".join(map(re.escape, _MIRROR))
    return re.compile(f"[{mirrored}]{_marks()}*|.{_marks()}+", re.DOTALL)
