"""File formats of transcripts: one module a format, reading and writing side by side.

``WRITERS`` maps a format's name to ``write(transcript) -> str``; ``READERS`` maps a file suffix without its dot to
``read(text, *, source) -> Transcript``. :mod:`recog.formats.trn`, many utterances in a file, and
:mod:`recog.formats.pdf`, which needs the pages' pictures, stand apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from recog.errors import UsageError
from recog.formats import alto, alto_reader, ctm, hocr, json, page, srt, textgrid, tsv, txt, vtt
from recog.formats.xml import local, parse_text
from recog.transcript import Transcript


class Reader(Protocol):
    """What every format's ``read`` looks like; ``source`` is the name that error messages and the transcript carry."""

    def __call__(self, text: str, *, source: str = "") -> Transcript: ...


def read_xml(text: str, *, source: str = "") -> Transcript:
    """A PAGE or an ALTO file, whichever it is.

    Raises:
        UserError: it is neither.
    """
    root = parse_text(text, source or "The text")
    return (alto_reader.read_root if local(root) == "alto" else page.read_root)(root, source=source)


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
SUFFIXES = {"textgrid": "TextGrid", "page": "xml", "alto": "xml"}  # of files, where it is not the format's name
READERS: dict[str, Reader] = {
    "txt": txt.read,
    "json": json.read,
    "srt": srt.read,
    "vtt": vtt.read,
    "tsv": tsv.read,
    "ctm": ctm.read,
    "textgrid": textgrid.read,
    "xml": read_xml,
}


def writer(name: str) -> Callable[[Transcript], str]:
    """The writer of the format called ``name``; :class:`UsageError` for an unknown one."""
    try:
        return WRITERS[name]
    except KeyError:
        raise UsageError(f"There is no output format '{name}'; use one of {', '.join(WRITERS)}.") from None
