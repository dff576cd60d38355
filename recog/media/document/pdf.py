"""Draw the pages of a PDF with PDFium (pypdfium2, the extra ``pdf``).

A page that is a scan is drawn at the resolution of the scan, any other at 300 dots per inch. A page
that is too large for that is drawn smaller, and refused where it would become unreadable.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recog.media.document.base import USUAL_DPI, Document
from recog.media.document.picture import Picture, encoded
from recog.media.errors import MediaError
from recog.media.image.reader import MAX_PIXELS

if TYPE_CHECKING:
    import pypdfium2

POINTS = 72.0  # points an inch
MAX_DPI, MIN_DPI = 600.0, 36.0
MAX_DRAWN = 50_000_000  # pixels of a page: DIN A3 with 500 dpi, A4 with 700
MAX_SIDE = 30_000  # pixels
MAX_SECONDS = 60.0  # to draw a page
KEPT_PAGES = 16  # pages after which a document is opened anew, for PDFium caches what it has read
SCAN_SHARE = 0.5  # share of a page that images cover, from which it is a scan
_lock = threading.Lock()


class PdfDocument(Document):
    """The pages of a PDF.

    Raises:
        MediaError: it is encrypted or damaged, has no pages, or pypdfium2 is not installed.
    """

    def __init__(self, name: str, source: Path | bytes) -> None:
        super().__init__(name, b"")
        try:
            import pypdfium2
        except ImportError:
            raise MediaError(
                f'{name} is a PDF, which needs pypdfium2: pip install "recog[pdf]"'
            ) from None
        self._pdfium = pypdfium2
        with _lock:
            self._pdf = _open(name, source)
            self._source = source  # PDFium goes on reading it
            self._drawn_pages = 0
            self._pages = len(self._pdf)
        if not self._pages:
            self.close()
            raise MediaError(f"{name} is a PDF without pages")

    def __len__(self) -> int:
        return self._pages

    def grey(self, index: int) -> NDArray[np.uint8]:
        return self._drawn(index, grey=True)[0]

    def picture(self, index: int) -> Picture:
        pixels, dpi = self._drawn(index, grey=False)
        return encoded(pixels, 1, dpi)

    def stored(self, index: int) -> tuple[tuple[int, int], int]:
        return (0, 0), 1  # drawn, not stored

    def close(self) -> None:
        with _lock:
            self._pdf.close()

    def _drawn(self, index: int, *, grey: bool) -> tuple[NDArray[np.uint8], float]:
        name = f"Page {index + 1} of {self.name}"
        with _lock:
            self._drawn_pages += 1
            if self._drawn_pages % KEPT_PAGES == 0:
                self._pdf.close()
                self._pdf = _open(self.name, self._source)
            try:
                page = self._pdf[index]
            except self._pdfium.PdfiumError:
                raise MediaError(f"{name} is damaged: PDFium cannot load it") from None
            try:
                dpi = _resolution(page, name)
                return _draw(page, dpi, grey, name), dpi
            except (self._pdfium.PdfiumError, ValueError):
                raise MediaError(f"{name} is damaged: PDFium cannot draw it") from None
            finally:
                page.close()


def _open(name: str, source: Path | bytes) -> pypdfium2.PdfDocument:
    import pypdfium2
    import pypdfium2.raw as raw

    if isinstance(source, bytes):
        handle = raw.FPDF_LoadMemDocument64(source, len(source), None)
    else:
        handle = raw.FPDF_LoadDocument(os.fsencode(source) + b"\0", None)
    if handle:
        return pypdfium2.PdfDocument(handle)
    if raw.FPDF_GetLastError() in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
        raise MediaError(f"{name} is encrypted: save it without a password first")
    raise MediaError(f"{name} is cut short or damaged: PDFium cannot read this PDF")


def _resolution(page: pypdfium2.PdfPage, name: str) -> float:
    """Dots per inch at which a page is drawn."""
    width, height = page.get_size()
    if not (width > 0 and height > 0 and math.isfinite(width * height)):
        raise MediaError(f"{name} is {width:g} x {height:g} points large: there is nothing to draw")
    target = min(_scan_resolution(page, width * height, name) or USUAL_DPI, MAX_DPI)
    dpi = min(
        target,
        POINTS * math.sqrt(MAX_DRAWN / (width * height)),
        POINTS * MAX_SIDE / max(width, height),
    )
    if dpi < min(target, MIN_DPI):
        raise MediaError(
            f"{name} is {width:.0f} x {height:.0f} points large, too large to be read: make it "
            "smaller"
        )
    return dpi


def _scan_resolution(page: pypdfium2.PdfPage, area: float, name: str) -> float | None:
    """Dots per inch of a scanned page; None for a page with text or drawings, or without images."""
    import pypdfium2.raw as raw

    scans: list[tuple[float, float]] = []  # area in square points, dots per inch
    for item in page.get_objects(max_depth=4):
        if item.type == raw.FPDF_PAGEOBJ_PATH or (
            item.type == raw.FPDF_PAGEOBJ_TEXT and _is_visible(item)
        ):
            return None
        if item.type != raw.FPDF_PAGEOBJ_IMAGE:
            continue
        across, down = item.get_px_size()
        if across * down > MAX_PIXELS:
            raise MediaError(
                f"{name} has an image of {across} x {down} pixels, more than {MAX_PIXELS}: scale "
                "it down"
            )
        matrix = item.get_matrix()
        width, height = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
        if width > 0 and height > 0:
            scans.append((width * height, POINTS * max(across / width, down / height)))
    if sum(covered for covered, _ in scans) < SCAN_SHARE * area:
        return None
    largest = max(covered for covered, _ in scans)
    return max(dpi for covered, dpi in scans if covered > largest / 2)


def _is_visible(text: Any) -> bool:
    import pypdfium2.raw as raw

    return bool(raw.FPDFTextObj_GetTextRenderMode(text) != raw.FPDF_TEXTRENDERMODE_INVISIBLE)


def _draw(page: pypdfium2.PdfPage, dpi: float, grey: bool, name: str) -> NDArray[np.uint8]:
    """Draw a page on white: grey (height, width), or blue, green and red (height, width, 3)."""
    import pypdfium2
    import pypdfium2.raw as raw

    width, height = (max(1, round(side * dpi / POINTS)) for side in page.get_size())
    kind = raw.FPDFBitmap_Gray if grey else raw.FPDFBitmap_BGR
    bitmap = pypdfium2.PdfBitmap.new_native(width, height, format=kind)
    try:
        bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
        flags = (
            raw.FPDF_ANNOT | raw.FPDF_RENDER_LIMITEDIMAGECACHE | (raw.FPDF_GRAYSCALE if grey else 0)
        )
        with _time_limit() as pause:
            status = raw.FPDF_RenderPageBitmap_Start(
                bitmap, page, 0, 0, width, height, 0, flags, pause
            )
            raw.FPDF_RenderPage_Close(page)
        if status == raw.FPDF_RENDER_TOBECONTINUED:
            raise MediaError(
                f"{name} takes more than {MAX_SECONDS:.0f} s to draw: print it to a simpler PDF "
                "first"
            )
        if status != raw.FPDF_RENDER_DONE:
            raise MediaError(f"{name} is damaged: PDFium cannot draw it")
        return np.array(bitmap.to_numpy(), dtype=np.uint8)
    finally:
        bitmap.close()


@contextmanager
def _time_limit() -> Iterator[Any]:
    """The callback by which PDFium stops to draw a page after :data:`MAX_SECONDS`."""
    import pypdfium2.raw as raw

    until = time.monotonic() + MAX_SECONDS
    pause = raw.IFSDK_PAUSE(version=1)
    pause.NeedToPauseNow = type(pause.NeedToPauseNow)(lambda _: time.monotonic() > until)
    yield pause
