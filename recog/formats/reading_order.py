"""The reading order that PAGE and ALTO state apart from the order in which they list their regions and lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from recog.formats.xml import Element, local, number

MAX_DEPTH = 100  # of groups in groups


def in_reading_order(lines: Iterable[Element], order: Element | None) -> list[Element]:
    """The lines of a page as its ``ReadingOrder`` says.

    Lines of what it does not name come last; those of one region, and all of them without such an element, stay as they
    are listed.

    Args:
        order: the element ``ReadingOrder``, of groups (ordered by ``index`` where that is given) of references to regions
            (``regionRef``) or to blocks and lines (``REF``).
    """
    found = list(lines)
    if order is None:
        return found
    places: dict[str, int] = {}
    for name in _references(order, 0):
        places.setdefault(name, len(places))
    return sorted(found, key=lambda line: _place(line, places))


def _references(group: Element, depth: int) -> Iterator[str]:
    for element in sorted(group, key=_index):
        name = element.get("regionRef") or element.get("REF")
        if name:
            yield name
        if local(element).endswith(("Group", "GroupIndexed")) and depth < MAX_DEPTH:
            yield from _references(element, depth + 1)


def _index(element: Element) -> float:
    index = number(element.get("index"))
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
