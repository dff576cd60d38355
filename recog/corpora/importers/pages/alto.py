"""ALTO 1 to 4 (Library of Congress): a row for each ``TextLine``, in reading order; group and split
as PAGE.

Text: the ``CONTENT`` of its strings, with a space where there is an ``SP`` (or between all, where a
line has none), and a hyphen for ``HYP``. Shape: ``Polygon`` and ``BASELINE``, else the box.
Coordinates in tenths of a millimetre or parts of an inch become pixels by the sizes of the page and
of its image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.importers.pages.page_files import rows_of
from recog.corpora.rows import Row


def rows(src: Path) -> Iterator[Row]:
    """The lines of an ALTO file, or of those beneath a folder.

    Raises:
        UserError: there is none, one is damaged, of several pages, or describes another image than
            its own.
    """
    return rows_of(src, "alto", "ALTO")
