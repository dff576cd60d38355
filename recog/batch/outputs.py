"""What is written for a file: most formats one file, PAGE one for each page, PDF with its
pictures."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from recog.batch import remote
from recog.batch.files import Input
from recog.errors import UserError, cause
from recog.util.atomic_files import encoded, part_of
from recog.util.folders import matched, stored

if TYPE_CHECKING:
    from recog.formats.layout.pdf import PdfWriter
    from recog.media.document.base import Document
    from recog.transcript import Transcript


def existing_results(inputs: Iterable[Input], format: str) -> dict[str, str]:
    """The targets whose result is there already, and the file that shows it: of pages in a file
    each, the first, which is written last.

    Raises:
        UserError: the folder of a URL cannot be listed.
    """
    from recog.formats.saving import page_target

    targets = [entry.target for entry in inputs if entry.target is not None]
    shown = {
        target: (target, page_target(target, 1)) if format == "page" else (target,)
        for target in targets
    }
    wanted = [name for names in shown.values() for name in names]
    found = remote.existing(name for name in wanted if remote.is_url(name))
    found |= _existing_paths(name for name in wanted if not remote.is_url(name))
    return {
        target: found[name]
        for target, names in shown.items()
        for name in [next((name for name in names if name in found), None)]
        if name is not None
    }


def _existing_paths(paths: Iterable[str]) -> dict[str, str]:
    """Those that are there, each with the path that it has there, which may differ in its Unicode
    composition."""
    folders: dict[str, dict[str, str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        folders.setdefault(folder, {})[name] = path
    found: dict[str, str] = {}
    for folder, names in folders.items():
        folder_on_disk = stored(Path(folder))
        with suppress(OSError):
            for name, entry in matched(names, set(os.listdir(folder_on_disk))).items():  # noqa: PTH208
                path = (
                    names[name]
                    if (name, Path(folder)) == (entry, folder_on_disk)
                    else str(folder_on_disk / entry)
                )
                if Path(path).exists():  # a link that leads nowhere is no result
                    found[names[name]] = path
    return found


def result_files(entry: Input, transcript: Transcript, format: str) -> list[tuple[str, bytes]]:
    """Path and content of what is to be written, that which shows that all is done last."""
    from recog.formats.saving import files

    assert entry.target is not None
    return [(target, encoded(text)) for target, text in files(entry.target, transcript, format)]


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
        with _write_errors(self.path):
            self._writer.add(page, picture)


@contextmanager
def spooled_pdf(entry: Input, *, beside_target: bool = True) -> Iterator[SpooledPdf]:
    """A PDF for an input, whole when the context ends; where it ends in an error nothing is left.

    Args:
        beside: whether it may grow beside its place; else it does in the folder for temporary
            files.
    """
    from recog.formats.layout.pdf import PdfWriter

    place = spool_of(entry) if beside_target else None
    with _write_errors(place or Path(tempfile.gettempdir())):
        path, file = _spool(place)
    try:
        with file:
            writer = PdfWriter(file, entry.stem)
            yield SpooledPdf(path, writer)
            with _write_errors(path):
                writer.finish()
                file.flush()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def spool_of(entry: Input) -> Path | None:
    """Where the PDF of an input grows: beside its place, if that is on this machine."""
    if entry.target is None or remote.is_url(entry.target):
        return None
    return part_of(Path(entry.target))


def _spool(path: Path | None) -> tuple[Path, BinaryIO]:
    if path is None:
        made, name = tempfile.mkstemp(suffix=".pdf")
        return Path(name), os.fdopen(made, "wb")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path, path.open("wb")


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    """What cannot be written is told as that: elsewhere an error of the system means that a file
    cannot be read."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({cause(error)}).") from None
