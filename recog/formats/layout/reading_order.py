"""The reading order that PAGE and ALTO state apart from the order in which they list their regions
and lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from recog.formats.layout.xml import Element, local_name, parse_number

MAX_DEPTH = 100  # of groups in groups
_CUSTOM = re.compile(r"readingOrder\s*\{[^{}]*?index\s*:\s*(\d{1,9})\b")


def in_reading_order(page: Element, order: Element | None) -> list[Element]:
    """The elements ``TextLine`` of a page in reading order.

    First says the element ``ReadingOrder``; lines of what it does not name come last. What it
    leaves open say the indices that Transkribus writes at regions and lines, ``custom="readingOrder
    {index:0;}"``: among the elements of one parent they decide, those without an index coming last.
    Else lines stay as they are listed.

    Args:
        page: an element ``Page``.
        order: the element ``ReadingOrder``, of groups (ordered by ``index`` where that is given) of
            references to regions (``regionRef``) or to blocks and lines (``REF``).
    """
    found = list(_lines(page))
    if order is None:
        return found
    places: dict[str, int] = {}
    for name in _references(order, 0):
        places.setdefault(name, len(places))
    return sorted(found, key=lambda line: _place(line, places))


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


def _place(line: Element, places: dict[str, int]) -> float:
    """That of the innermost element around the line, itself included, that has one."""
    element: Element | None = line
    while element is not None:
        place = places.get(element.get("id") or element.get("ID") or "")
        if place is not None:
            return place
        element = element.getparent()
    return math.inf
