"""PAGE XML (Pletschacher and Antonacopoulos 2010) of any year: a row for each ``TextLine``, in reading order.

Of several readings (``TextEquiv``) that with the lowest index is taken; a line without one is the sum of its words.
Group: the folder, when there are several. Split: folders called train, dev, test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.manifest import LineShape, Row
from recog.formats.page import lines_of
from recog.formats.xml import Element, children


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
        found += [Row(media, line.text, line=LineShape(line.polygon, line.baseline)) for line in lines_of(page)]
    return found
