"""Import ALTO 1 to 4 (Library of Congress): a row for each ``TextLine``, in reading order.

Text: the ``CONTENT`` of its strings, and a hyphen for ``HYP``. A space stands where there is an
``SP``, or between all strings where a line has no ``SP``. Shape: ``Polygon`` and ``BASELINE``, else
the box. Coordinates in tenths of a millimetre or fractions of an inch are converted to pixels by
the sizes of the page and of its image. Group and split: as for PAGE.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.importers.pages.page_files import rows_of
from recog.corpora.rows import Row


def rows(src: Path) -> Iterator[Row]:
    """Import the lines of an ALTO file, or of all ALTO files below a folder.

    Raises:
        UserError: there is no ALTO file, or a file is damaged, has several pages, or does
            not match its image.
    """
    return rows_of(src, "alto", "ALTO")
