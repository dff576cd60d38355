"""Save a transcript to a file, in the format that the file's name means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from recog.errors import UsageError, UserError, cause
from recog.formats import WRITERS
from recog.formats.media_checks import require_image
from recog.transcript import Transcript
from recog.util.atomic_files import atomic_file, to_utf8, write_bytes

if TYPE_CHECKING:
    from recog.media.source import Source

FORMATS = (*WRITERS, "pdf")
BY_SUFFIX = {name: name for name in FORMATS if name not in ("page", "alto")} | {
    "html": "hocr",
    "htm": "hocr",
}


def save(
    transcript: Transcript,
    path: str | os.PathLike[str],
    format: str | None = None,
    image: Source | None = None,
) -> None:
    """Implement :meth:`recog.transcript.Transcript.save`."""
    if not isinstance(path, str | os.PathLike):
        raise UsageError(
            f"A transcript is saved to a path, and this is {type(path).__name__}; "
            "give the file's name."
        )
    path = Path(path)
    format = format_of(path) if format is None else format
    if format not in FORMATS:
        raise UsageError(f"There is no output format {format!r}; use one of {', '.join(FORMATS)}.")
    try:
        if format == "pdf":
            _save_pdf(transcript, path, image)
        else:
            for target, text in transcript_files(str(path), transcript, format):
                write_bytes(Path(target), to_utf8(text))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({cause(error)}).") from None


def format_of(path: Path) -> str:
    """Return the format that a file's suffix means.

    Raises:
        UsageError: the suffix means no format, or more than one.
    """
    suffix = path.suffix.removeprefix(".").lower()
    if suffix == "xml":
        raise UsageError(f"{path} may be PAGE or ALTO; give format='page' or format='alto' too.")
    if suffix not in BY_SUFFIX:
        raise UsageError(
            f"{path} has no suffix that names a format; end it in one of "
            f".{', .'.join(BY_SUFFIX)}, or give a format: {', '.join(FORMATS)}."
        )
    return BY_SUFFIX[suffix]


def transcript_files(target: str, transcript: Transcript, format: str) -> list[tuple[str, str]]:
    """Return path and text of each file to write; the last one marks the output as complete.

    A PAGE file holds a single page, so a document gets a file for each page.
    """
    write = WRITERS[format]
    if format != "page" or not transcript.pages:
        return [(target, write(transcript))]
    numbered = list(enumerate(transcript.pages, start=1))
    return [(page_path(target, number), write(page)) for number, page in reversed(numbered)]


def page_path(target: str, number: int) -> str:
    """Return the path of a document's single page: ``NAME-0001.xml``."""
    stem, dot, suffix = target.rpartition(".")
    return f"{stem}-{number:04d}{dot}{suffix}"


def _save_pdf(transcript: Transcript, path: Path, image: Source | None) -> None:
    """Write a searchable PDF with the pictures of ``image``, by default those of the source."""
    from recog.formats.layout.pdf import PdfWriter
    from recog.media.document.reader import open_document
    from recog.media.errors import MediaError

    require_image(transcript, "a searchable PDF needs images")
    if image is None:
        if not Path(transcript.source).is_file():
            raise UsageError(
                f"A PDF needs the picture of {transcript.source}; "
                f"give it too: save({str(path)!r}, image=...)."
            )
        image = transcript.source
    pages = transcript.pages or (transcript,)
    with open_document(image) as document:
        if len(document) != len(pages):
            raise UsageError(
                f"{document.name} has {len(document)} pages, and the transcript of "
                f"{transcript.source} has {len(pages)}; give the image that it is of."
            )
        with atomic_file(path) as file:
            writer = PdfWriter(file, path.stem)
            for index, page in enumerate(pages):
                try:
                    picture = document.picture(index)
                except MediaError:  # an unreadable page has an empty transcript
                    picture = None
                writer.add(page, picture)
            writer.finish()
