"""File formats: a module for each, with its reader and its writer.

log_probs     log-probabilities and symbols of other models, to be decoded
json, txt     any transcript
timed         subtitles, NIST files, Praat annotations
layout        PAGE, ALTO, hOCR, PDF
media_checks  whether a transcript is of sound or of images
saving        a transcript to a file, in the format that its name means

``WRITERS`` maps a format's name to ``write(transcript) -> str``. ``READERS`` maps a file suffix
without its dot to ``read(text, *, source) -> Transcript``; :func:`format_of` chooses one. Two
formats are not in these tables: :mod:`recog.formats.timed.trn` holds many utterances, and
:mod:`recog.formats.layout.pdf` needs the pages' pictures.
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
    """Signature of a reader; ``source`` is the file's name, for messages and the transcript."""

    def __call__(self, text: str, *, source: str = "") -> Transcript: ...


def read_xml(text: str, *, source: str = "") -> Transcript:
    """Read a PAGE, ALTO or hOCR file; the root element tells which.

    Raises:
        UserError: the file is none of these.
    """
    return _read_root(parse_text(text, source or "The text"), source)


def _read_root(root: Element, source: str) -> Transcript:
    readers = {"PcGts": page.read_root, "alto": alto_reader.read_root, "html": hocr.read_root}
    reader = readers.get(local_name(root))
    if reader is None:
        raise UserError(
            f"{source or 'The text'} is neither PAGE nor ALTO nor hOCR: "
            f"its root is {tag_text(root)}."
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
# of formats whose files have another suffix than the format's name
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
# Beginnings of files that tell their format whatever their name.
_SIGNATURES = {
    "xml": re.compile(r"\s*<(?:\?xml\b|(?:\w+:)?(?:PcGts|alto)\b)"),
    "html": re.compile(r"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE),
    "vtt": re.compile(r"WEBVTT(?:\s|$)"),
    "srt": re.compile(r"\s*(?:\d+\s*\n\s*)?\d+:\d\d:\d\d[,.]\d+\s*-->"),
    "textgrid": re.compile(r'\s*(?:File type = )?"ooTextFile"'),
    "json": re.compile(r'\s*\{\s*"format_version"'),
}
# Documents that are not text; and tables, subtitles and annotations whose times, styles or columns
# would be taken for words.
_NOT_READ = frozenset(
    (
        "pdf", "doc", "docx", "odt", "rtf",
        "csv", "ass", "ssa", "sbv", "sub", "lrc", "ttml", "dfxp", "smi", "eaf",
    )
)  # fmt: skip


def check_suffix(path: Path) -> None:
    """Refuse files of formats that cannot be read as text, by their suffix.

    Raises:
        UserError: the file has the suffix of such a format.
    """
    if path.suffix.lower().removeprefix(".") in _NOT_READ:
        raise UserError(f"{path} is not read as text; give {READABLE}.")


def format_of(path: Path, text: str) -> str | None:
    """Return the key in :data:`READERS` by the file's suffix or beginning; None for plain text."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in READERS and suffix != "txt":
        return suffix
    return next((name for name, pattern in _SIGNATURES.items() if pattern.match(text)), None)


def writer(name: str) -> Callable[[Transcript], str]:
    """Return the writer of a format; :class:`UsageError` if there is none of this name."""
    try:
        return WRITERS[name]
    except KeyError:
        raise UsageError(
            f"There is no output format '{name}'; use one of {', '.join(WRITERS)}."
        ) from None
