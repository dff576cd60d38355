"""The interface of documents; a plain image is a document of one page."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from recog.media.document.picture import Picture, file_picture
from recog.media.image.reader import check_header, decode_image

USUAL_DPI = 300.0  # of an image without a resolution, and of a page that is no scan


class Document:
    """The pages of an image file: one, unless a subclass has more.

    Attributes:
        name: name of the file, for messages.
    """

    def __init__(self, name: str, data: bytes | bytearray) -> None:
        self.name = name
        self._data = data

    def __len__(self) -> int:
        return 1

    def grey(self, index: int) -> NDArray[np.uint8]:
        """The page at ``index``, from 0, upright: uint8 of shape (height, width), 0 black.

        Raises:
            MediaError: it cannot be read; other pages may be readable.
        """
        return decode_image(self.name, self._data)

    def picture(self, index: int) -> Picture:
        """The page at ``index`` in its colours, encoded.

        Raises:
            MediaError: it cannot be read.
        """
        return file_picture(self.name, self._data, USUAL_DPI)

    def stored(self, index: int) -> tuple[tuple[int, int], int]:
        """(width, height) of the stored page, and its Exif orientation.

        Raises:
            MediaError: it cannot be read.
        """
        header = check_header(self.name, self._data)
        return (header.width, header.height), header.orientation

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Document:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()
