"""The reading order that a PAGE or ALTO file states apart from the order of its lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from recog.formats.layout.xml import Element, local_name, parse_number

MAX_DEPTH = 100  # of nested groups
_CUSTOM = re.compile(r"readingOrder\s*\{[^{}]*?index\s*:\s*(\d{1,9})\b")


def in_reading_order(page: Element, order: Element | None) -> list[Element]:
    """Return the elements ``TextLine`` of a page in reading order.

    The element ``ReadingOrder`` decides first; lines that it does not name come last. Then decide
    the indices that Transkribus writes at regions and lines, ``custom="readingOrder {index:0;}"``:
    they order the children of one parent, with those without an index last. Otherwise the lines
    keep the order of the file.

    Args:
        page: an element ``Page``.
        order: the element ``ReadingOrder``: groups, ordered by their ``index`` if they have it, of
            references to regions (``regionRef``) or to blocks and lines (``REF``).
    """
    lines = list(_lines(page))
    if order is None:
        return lines
    ranks: dict[str, int] = {}
    for name in _references(order, 0):
        ranks.setdefault(name, len(ranks))
    return sorted(lines, key=lambda line: _rank(line, ranks))


def _lines(element: Element) -> Iterator[Element]:
    for child in sorted(element, key=_custom_index):
        if local_name(child) == "TextLine":
            yield child
        else:
            yield from _lines(child)


def _custom_index(element: Element) -> float:
    match = _CUSTOM.search(element.get("custom") or "")
    return math.inf if match is None else int(match[1])


def _references(group: Element, depth: int) -> Iterator[str]:
    for element in sorted(group, key=_index):
        name = element.get("regionRef") or element.get("REF")
        if name:
            yield name
        if local_name(element).endswith(("Group", "GroupIndexed")) and depth < MAX_DEPTH:
            yield from _references(element, depth + 1)


def _index(element: Element) -> float:
    index = parse_number(element.get("index"))
    return math.inf if index is None else index


def _rank(line: Element, ranks: dict[str, int]) -> float:
    """Return the rank of the innermost element, from the line outwards, that has one."""
    element: Element | None = line
    while element is not None:
        rank = ranks.get(element.get("id") or element.get("ID") or "")
        if rank is not None:
            return rank
        element = element.getparent()
    return math.inf
