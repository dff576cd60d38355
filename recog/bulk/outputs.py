"""What is written for a file: most formats one file, PAGE one for each page, PDF with its pictures."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from recog.bulk.files import Input, encoded
from recog.errors import UserError

if TYPE_CHECKING:
    from recog.formats.pdf import PdfWriter
    from recog.media.document import Document
    from recog.transcript import Transcript


def finished(entry: Input, format: str) -> Path | None:
    """The result of an input that is there already, or None. Of pages in a file each, the first is written last."""
    if entry.output is None or entry.output.exists():
        return entry.output
    first = Path(page_target(entry, 1))
    return first if format == "page" and first.exists() else None


def page_target(entry: Input, number: int) -> str:
    """Where a page goes that has a file of its own: ``NAME-0001.xml``."""
    assert entry.output is not None
    return str(entry.output.with_stem(f"{entry.output.stem}-{number:04d}"))


def contents(entry: Input, transcript: Transcript, format: str) -> list[tuple[str, bytes]]:
    """Path and content of what is to be written, that which shows that all is done last."""
    from recog.formats import WRITERS

    assert entry.target is not None
    write = WRITERS[format]
    if format != "page" or not transcript.pages:
        return [(entry.target, encoded(write(transcript)))]
    numbered = list(enumerate(transcript.pages, start=1))
    return [(page_target(entry, number), encoded(write(page))) for number, page in reversed(numbered)]


class SpooledPdf:
    """A searchable PDF that grows page by page in a file beside its place.

    Attributes:
        path: of that file; whoever leads the batch moves it.
    """

    def __init__(self, path: Path, writer: PdfWriter) -> None:
        self.path = path
        self._writer = writer

    def add(self, page: Transcript, document: Document, index: int) -> None:
        """A page and its picture; a page that cannot be read has none."""
        from recog.media.errors import MediaError

        try:
            picture = document.picture(index)
        except MediaError:
            picture = None
        with _told(self.path):
            self._writer.add(page, picture)


@contextmanager
def spooled_pdf(entry: Input) -> Iterator[SpooledPdf]:
    """A PDF for an input, whole when the context ends; where it ends in an error nothing is left."""
    from recog.formats.pdf import PdfWriter

    with _told(entry.output or Path(tempfile.gettempdir())):
        path, file = _spool(entry)
    try:
        with file:
            writer = PdfWriter(file, entry.stem)
            yield SpooledPdf(path, writer)
            with _told(path):
                writer.finish()
                file.flush()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _spool(entry: Input) -> tuple[Path, BinaryIO]:
    if entry.output is None:
        made, name = tempfile.mkstemp(suffix=".pdf")
        return Path(name), os.fdopen(made, "wb")
    path = entry.output.with_name(entry.output.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path, path.open("wb")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What cannot be written is told as that: elsewhere an error of the system means that a file cannot be read."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}).") from None
