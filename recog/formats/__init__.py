"""File formats of transcripts: one module a format, reading and writing side by side.

``WRITERS`` maps a format's name to ``write(transcript) -> str``; ``READERS`` maps a file suffix
without its dot to ``read(text, *, source) -> Transcript``; :func:`format_of` chooses one.
:mod:`recog.formats.timed.trn`, many utterances in a file, and :mod:`recog.formats.layout.pdf`,
which needs the pages' pictures, stand apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from recog.errors import UsageError, UserError
from recog.formats import json, txt
from recog.formats.layout import alto, alto_reader, hocr, page
from recog.formats.layout.xml import Element, local_name, parse_text, tag_text
from recog.formats.timed import ctm, srt, textgrid, tsv, vtt
from recog.transcript import Transcript


class Reader(Protocol):
    """What every format's ``read`` looks like; ``source`` is the name that error messages and the
    transcript carry."""

    def __call__(self, text: str, *, source: str = "") -> Transcript: ...


def read_xml(text: str, *, source: str = "") -> Transcript:
    """A PAGE, ALTO or hOCR file, whichever it is.

    Raises:
        UserError: it is none.
    """
    return _read_root(parse_text(text, source or "The text"), source)


def _read_root(root: Element, source: str) -> Transcript:
    readers = {"PcGts": page.read_root, "alto": alto_reader.read_root, "html": hocr.read_root}
    reader = readers.get(local_name(root))
    if reader is None:
        raise UserError(
            f"{source or 'The text'} is neither PAGE nor ALTO nor hOCR: its root is {tag_text(root)}."
        )
    return reader(root, source=source)


WRITERS: dict[str, Callable[[Transcript], str]] = {
    "txt": txt.write,
    "json": json.write,
    "srt": srt.write,
    "vtt": vtt.write,
    "tsv": tsv.write,
    "ctm": ctm.write,
    "textgrid": textgrid.write,
    "page": page.write,
    "alto": alto.write,
    "hocr": hocr.write,
}
# of files, where it is not the format's name
SUFFIXES = {"textgrid": "TextGrid", "page": "xml", "alto": "xml"}
READERS: dict[str, Reader] = {
    "txt": txt.read,
    "json": json.read,
    "srt": srt.read,
    "vtt": vtt.read,
    "tsv": tsv.read,
    "ctm": ctm.read,
    "textgrid": textgrid.read,
    "xml": read_xml,
    "hocr": hocr.read,
    "html": hocr.read,
    "htm": hocr.read,
}
READABLE = "plain text, json, srt, vtt, tsv, ctm, trn, TextGrid, PAGE, ALTO or hOCR"
# How a file begins that is of a format whatever its name.
_SIGNATURES = {
    "xml": re.compile(r"\s*<(?:\?xml\b|(?:\w+:)?(?:PcGts|alto)\b)"),
    "html": re.compile(r"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE),
    "vtt": re.compile(r"WEBVTT(?:\s|$)"),
    "srt": re.compile(r"\s*(?:\d+\s*\n\s*)?\d+:\d\d:\d\d[,.]\d+\s*-->"),
    "textgrid": re.compile(r'\s*(?:File type = )?"ooTextFile"'),
    "json": re.compile(r'\s*\{\s*"format_version"'),
}
# Documents, of which none but a PDF's pictures are read; and tables, subtitles and annotations that
# are text with times, styles or columns in it, which would count as words.
_NOT_READ = frozenset(
    (
        "pdf", "doc", "docx", "odt", "rtf",
        "csv", "ass", "ssa", "sbv", "sub", "lrc", "ttml", "dfxp", "smi", "eaf",
    )
)  # fmt: skip


def check_suffix(path: Path) -> None:
    """Refuse, by its name, a document that is no text, or text in a format that is not read.

    Raises:
        UserError: it is one.
    """
    if path.suffix.lower().removeprefix(".") in _NOT_READ:
        raise UserError(f"{path} is not read as text; give {READABLE}.")


def format_of(path: Path, text: str) -> str | None:
    """The key in :data:`READERS` of a transcript, by the suffix of its name or by how its text
    begins; None for plain text."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in READERS and suffix != "txt":
        return suffix
    return next((name for name, beginning in _SIGNATURES.items() if beginning.match(text)), None)


def writer(name: str) -> Callable[[Transcript], str]:
    """The writer of the format called ``name``; :class:`UsageError` for an unknown one."""
    try:
        return WRITERS[name]
    except KeyError:
        raise UsageError(
            f"There is no output format '{name}'; use one of {', '.join(WRITERS)}."
        ) from None
