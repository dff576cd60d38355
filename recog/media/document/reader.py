"""Open any document, to read its pages one at a time: PDF, TIFF, or any other image.

A page is in memory only while it is used. PDFium draws the pages of a PDF (the extra ``pdf``); it
is not thread-safe, so one thread at a time uses it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recog.media.document.base import USUAL_DPI, Document
from recog.media.document.pdf import PdfDocument
from recog.media.document.picture import Picture, file_picture
from recog.media.errors import MediaError
from recog.media.image.reader import check_header, decode_image, load
from recog.media.image.tiff import MAX_PAGES as MAX_WALKED_PAGES
from recog.media.image.tiff import point_to_page, tiff_pages
from recog.media.source import File, Source, image_file

MAX_PAGES = 1_000  # of a document, whose transcripts are in memory until all pages are read
IMAGE_STARTS = (b"\x89PNG", b"\xff\xd8", b"RIFF", b"II", b"MM", b"BM", b"GIF8")
# bytes from the start, for some files have other bytes before the mark
PDF_MARK, PDF_MARK_WITHIN = b"%PDF-", 1024


class TiffDocument(Document):
    """The pages of a TIFF file."""

    def __init__(self, name: str, data: bytes, pages: list[int]) -> None:
        super().__init__(name, bytearray(data))
        self._pages = pages

    def __len__(self) -> int:
        return len(self._pages)

    def grey(self, index: int) -> NDArray[np.uint8]:
        return decode_image(self.page_name(index), self.page_data(index))

    def picture(self, index: int) -> Picture:
        return file_picture(self.page_name(index), self.page_data(index), USUAL_DPI)

    def stored(self, index: int) -> tuple[tuple[int, int], int]:
        header = check_header(self.page_name(index), self.page_data(index))
        return (header.width, header.height), header.orientation

    def page_name(self, index: int) -> str:
        """The name of a page, for messages."""
        return f"Page {index + 1} of {self.name}"

    def page_data(self, index: int) -> bytearray:
        """The file with this page as its first page; valid until the next call."""
        assert isinstance(self._data, bytearray)
        point_to_page(self._data, self._pages[index])
        return self._data


def open_document(source: Source) -> Document:
    """Open a PDF, a TIFF of several pages, or any other image.

    Args:
        source: see :func:`recog.media.source.image_file`.

    Raises:
        UserError: it cannot be opened, is empty, has no pages or more than 1,000, or is a PDF and
            the extra ``pdf`` is not installed. An image is checked when it is read.
    """
    document = _open(image_file(source))
    if len(document) > MAX_PAGES:
        pages = (
            f"{len(document)} pages"
            if len(document) < MAX_WALKED_PAGES
            else f"{len(document)} pages or more"
        )
        document.close()
        raise MediaError(
            f"{document.name} has {pages}, and recog reads up to {MAX_PAGES} at once: split it"
        )
    return document


def _open(source: File) -> Document:
    if isinstance(source, str | Path) and is_pdf(_start_of(Path(source))):
        return PdfDocument(str(source), Path(source))
    name, data = load(source)
    if is_pdf(data[:PDF_MARK_WITHIN]):
        return PdfDocument(name, data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        pages = tiff_pages(data)
        if len(pages) > 1:
            return TiffDocument(name, data, pages)
    return Document(name, data)


def is_pdf(start: bytes) -> bool:
    """Whether a file with this beginning is a PDF."""
    return PDF_MARK in start[:PDF_MARK_WITHIN] and not start.startswith(IMAGE_STARTS)


def _start_of(path: Path) -> bytes:
    """The first bytes of a file; none where it cannot be read, which reading it will report."""
    try:
        with path.open("rb") as file:
            return file.read(PDF_MARK_WITHIN)
    except (OSError, ValueError):
        return b""
