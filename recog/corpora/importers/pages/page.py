"""PAGE XML (Pletschacher and Antonacopoulos 2010) of any year: a row for each ``TextLine``, in
reading order.

Of several readings (``TextEquiv``) that with the lowest index is taken; a line without one is the
sum of its words. Group: the folder, when there are several. Split: folders called train, dev, test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.importers.pages.page_files import rows_of
from recog.corpora.rows import Row


def rows(src: Path) -> Iterator[Row]:
    """The lines of a PAGE file, or of those beneath a folder.

    Raises:
        UserError: there is none, one is damaged, or describes another image than its own.
    """
    return rows_of(src, "PcGts", "PAGE")
