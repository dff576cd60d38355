"""Import PAGE XML of any year: a row for each ``TextLine``, in reading order.

The format is described by Pletschacher and Antonacopoulos (2010). Of several readings
(``TextEquiv``), the reading with the lowest index is taken. A line without a reading is made of its
words. Group: the folder, when there are several. Split: folders called train, dev, test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.importers.pages.page_files import rows_of
from recog.corpora.rows import Row


def rows(src: Path) -> Iterator[Row]:
    """Import the lines of a PAGE file, or of all PAGE files below a folder.

    Raises:
        UserError: there is no PAGE file, or a file is damaged or does not match its image.
    """
    return rows_of(src, "PcGts", "PAGE")
