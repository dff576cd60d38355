"""PAGE XML (Pletschacher and Antonacopoulos 2010) of any year: a row for each ``TextLine``, in document order.

Of several readings (``TextEquiv``) that with the lowest index is taken; a line without one is the sum of its words.
Group: the folder, when there are several. Split: folders called train, dev, test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.manifest import LineShape, Row
from recog.corpora.xml import Element, child, children, descendants, number, points, text_of
from recog.transcript import Point


def rows(src: Path) -> Iterator[Row]:
    """The lines of a PAGE file, or of those beneath a folder.

    Raises:
        UserError: there is none, or one is damaged.
    """
    from recog.corpora.pages import rows_of

    return rows_of(src, "PcGts", page_lines, "PAGE")


def page_lines(root: Element, xml: Path) -> list[Row]:
    """The rows of one file: ``root`` is its <PcGts>, ``xml`` its name."""
    from recog.corpora.pages import image_of

    found = []
    for page in children(root, "Page"):
        media = image_of(xml, page.get("imageFilename", ""))
        for line in descendants(page, "TextLine"):
            shape = LineShape(_points(child(line, "Coords"), 3), _points(child(line, "Baseline"), 2))
            found.append(Row(media, _text(line), line=shape))
    return found


def _text(line: Element) -> str:
    readings = list(children(line, "TextEquiv"))
    if not readings:
        return " ".join(filter(None, (_text(word) for word in children(line, "Word"))))
    best = min(readings, key=_index)
    unicode = child(best, "Unicode")
    return text_of(unicode if unicode is not None else child(best, "PlainText")).strip()


def _index(reading: Element) -> float:
    """One without an index is the only or the main one."""
    index = number(reading.get("index"))
    return -1.0 if index is None else index


def _points(element: Element | None, least: int) -> tuple[Point, ...]:
    """``points="x,y x,y"``, or <Point x= y=/> as up to 2010."""
    if element is None:
        return ()
    value = element.get("points")
    if value is None:
        value = " ".join(f"{point.get('x')},{point.get('y')}" for point in children(element, "Point"))
    found = points(value)
    return found if len(found) >= least else ()
