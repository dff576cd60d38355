"""ALTO 1 to 4 (Library of Congress): a row for each ``TextLine``, in reading order; group and split as PAGE.

Text: the ``CONTENT`` of its strings, with a space where there is an ``SP`` (or between all, where a line has none), and
a hyphen for ``HYP``. Shape: ``Polygon`` and ``BASELINE``, else the box.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.manifest import LineShape, Row
from recog.errors import UserError
from recog.formats.alto_reader import pages_of
from recog.formats.xml import Element, descendants, text_of


def rows(src: Path) -> Iterator[Row]:
    """The lines of an ALTO file, or of those beneath a folder.

    Raises:
        UserError: there is none, one is damaged, or one does not measure in pixels.
    """
    from recog.corpora.pages import rows_of

    return rows_of(src, "alto", page_lines, "ALTO")


def page_lines(root: Element, xml: Path) -> list[Row]:
    """The rows of one file: ``root`` is its <alto>, ``xml`` its name.

    Raises:
        UserError: it measures in another unit than pixels, or is of several pages.
    """
    from recog.corpora.pages import image_of

    media = image_of(xml, text_of(next(descendants(root, "fileName"), None)))
    pages = [lines for lines in map(list, pages_of(root, str(xml))) if lines]
    if len(pages) > 1:
        raise UserError(
            f"{xml} describes {len(pages)} pages, of which it names no more than one image; give a file a page."
        )
    return [Row(media, line.text, line=LineShape(line.polygon, line.baseline)) for lines in pages for line in lines]
