"""The image of a row: its whole image, or its line cut out of the page."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.corpora.rows import Row
from recog.media.image.reader import crop_line, read_image


@lru_cache(maxsize=4)
def _page(path: Path, _changed: int) -> NDArray[np.uint8]:
    image = read_image(path)
    image.setflags(write=False)
    return image


def line_image(row: Row) -> NDArray[np.uint8]:
    """Read the grey image (height, width) of a row.

    The last few pages are cached, because rows come page by page.

    Raises:
        UserError: the image cannot be read, or the line lies outside it.
    """
    if row.line is None:
        return read_image(row.media)
    try:
        changed = row.media.stat().st_mtime_ns
    except OSError:
        changed = 0
    return crop_line(_page(row.media, changed), row.line.polygon, row.line.baseline or None)
