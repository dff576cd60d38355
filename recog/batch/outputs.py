"""The files that are written for an input: mostly one, in PAGE one for each page."""

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
from recog.util.atomic_files import partial_path, to_utf8
from recog.util.folders import existing_path, match_names

if TYPE_CHECKING:
    from recog.formats.layout.pdf import PdfWriter
    from recog.media.document.base import Document
    from recog.transcript import Transcript


def existing_results(inputs: Iterable[Input], format: str) -> dict[str, str]:
    """The targets that have a result, and the file that proves it.

    Of PAGE files of several pages that is the first, which is written last.

    Raises:
        UserError: the folder of a URL cannot be listed.
    """
    from recog.formats.saving import page_path

    targets = [entry.target for entry in inputs if entry.target is not None]
    candidates = {
        target: (target, page_path(target, 1)) if format == "page" else (target,)
        for target in targets
    }
    names = [name for candidate in candidates.values() for name in candidate]
    existing = remote.existing(name for name in names if remote.is_url(name))
    existing |= _existing_paths(name for name in names if not remote.is_url(name))
    return {
        target: existing[name]
        for target, candidate in candidates.items()
        for name in [next((name for name in candidate if name in existing), None)]
        if name is not None
    }


def _existing_paths(paths: Iterable[str]) -> dict[str, str]:
    """The paths that exist, with their names on disk, which may differ in Unicode composition."""
    folders: dict[str, dict[str, str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        folders.setdefault(folder, {})[name] = path
    existing: dict[str, str] = {}
    for folder, names in folders.items():
        place = existing_path(Path(folder))
        with suppress(OSError):
            for name, entry in match_names(names, set(os.listdir(place))).items():  # noqa: PTH208
                path = names[name] if (name, Path(folder)) == (entry, place) else str(place / entry)
                if Path(path).exists():  # not for a broken link
                    existing[names[name]] = path
    return existing


def result_files(entry: Input, transcript: Transcript, format: str) -> list[tuple[str, bytes]]:
    """The paths and contents of the files to write; the last one proves that all are written."""
    from recog.formats.saving import transcript_files

    assert entry.target is not None
    return [
        (target, to_utf8(text))
        for target, text in transcript_files(entry.target, transcript, format)
    ]


class SpooledPdf:
    """A searchable PDF that is written page by page to a temporary file.

    Attributes:
        path: of the temporary file, which the main process of the batch moves to its place.
    """

    def __init__(self, path: Path, writer: PdfWriter) -> None:
        self.path = path
        self._writer = writer

    def add(self, page: Transcript, document: Document, index: int) -> None:
        """Add a page with its picture; a page that cannot be read has no picture."""
        from recog.media.errors import MediaError

        try:
            picture = document.picture(index)
        except MediaError:
            picture = None
        with _write_errors(self.path):
            self._writer.add(page, picture)


@contextmanager
def spooled_pdf(entry: Input, *, beside_target: bool = True) -> Iterator[SpooledPdf]:
    """Gives a PDF to write for an input. An error in the context removes it.

    Args:
        beside_target: write the temporary file beside the target, and not in the folder for
            temporary files.
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
    """The temporary file of an input's PDF, beside the target; None if that is a URL."""
    if entry.target is None or remote.is_url(entry.target):
        return None
    return partial_path(Path(entry.target))


def _spool(path: Path | None) -> tuple[Path, BinaryIO]:
    if path is None:
        made, name = tempfile.mkstemp(suffix=".pdf")
        return Path(name), os.fdopen(made, "wb")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path, path.open("wb")


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    """Turn OS errors into a UserError that says that the file cannot be written.

    Elsewhere an OS error means that an input cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({cause(error)}).") from None
