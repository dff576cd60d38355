"""Read references or hypotheses from a file or folder into texts with ids.

There are three kinds of sources. *lines* is a text file with an utterance on each line, whose id is
the line number. *keyed* is JSONL, trn, a table of ids and texts, or a folder, where every text has
an id. *document* is a single transcript, in any format that recog writes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from recog.errors import UserError
from recog.formats import READERS, check_suffix, format_of
from recog.formats.layout.xml import local_name, parse_text
from recog.formats.timed import ctm, trn, tsv
from recog.transcript import Word
from recog.util.display import printable
from recog.util.folders import nfc, walk
from recog.util.text_files import read_text

# In a folder, the first of these suffixes that exists for a stem is read. `recog transcribe` writes
# STEM.txt next to the STEM.gt.txt of a bare training folder. References therefore prefer .gt.txt,
# and hypotheses prefer .txt.
_TRANSCRIPTS = (
    ".txt",
    ".json",
    ".srt",
    ".vtt",
    ".xml",
    ".hocr",
    ".textgrid",
    ".tsv",
    ".ctm",
    ".trn",
)
REFERENCE_SUFFIXES = (".gt.txt", *_TRANSCRIPTS)
HYPOTHESIS_SUFFIXES = (*_TRANSCRIPTS, ".gt.txt")
_ROWS = (".jsonl", ".ndjson")
_PAGES = ("PcGts", "alto", "html")  # roots of XML that is a transcript


@dataclass(frozen=True)
class Entry:
    """A text with its id.

    Attributes:
        id: the id of the text.
        text: the text. None where the source has the id without a text.
        group: the speaker, writer or document, None where unknown.
        words: the words of a transcript that has them.
        has_markup: whether the text is in sclite's notation, with alternates or optional words.
    """

    id: str
    text: str | None
    group: str | None = None
    words: tuple[Word, ...] = ()
    has_markup: bool = False


@dataclass(frozen=True)
class Source:
    """All texts of a file or folder, in order."""

    path: Path
    kind: Literal["lines", "keyed", "document"]
    entries: tuple[Entry, ...]


def read_source(
    path: Path, *, suffixes: tuple[str, ...] = REFERENCE_SUFFIXES, leave_out: Sequence[Path] = ()
) -> Source:
    """Read a file or folder, with the format taken from its suffix or else its content.

    Args:
        suffixes: the files to read in a folder, the preferred first.
        leave_out: folders within a folder to skip.

    Raises:
        UserError: the file is missing, is not text or is malformed, or has an id twice.
    """
    if path.is_dir():
        return Source(path, "keyed", _unique(path, _folder(path, suffixes, leave_out)))
    suffix = path.suffix.lower()
    if suffix == ".stm":
        raise UserError(
            f"{path}: recog reads no stm, whose lines are stretches of recordings; give trn or "
            "JSONL."
        )
    check_suffix(path)
    text = read_text(path)
    if suffix == ".trn":
        return as_trn(path, text)
    if suffix in _ROWS or (format_of(path, text) is None and _looks_like_rows(text)):
        return Source(path, "keyed", _unique(path, _rows(path, text)))
    if suffix == ".tsv" and not text.startswith(tsv.HEADER):
        return Source(path, "keyed", _unique(path, _table(path, text)))
    entries = _documents(path.stem, path, text)
    if entries is not None:
        return Source(path, "document" if len(entries) == 1 else "keyed", entries)
    return Source(
        path,
        "lines",
        tuple(Entry(str(number), row) for number, row in enumerate(_split(text), start=1)),
    )


def as_trn(path: Path, text: str) -> Source:
    """Parse a text as a trn file.

    Raises:
        UserError: a line has no id, an id occurs twice, or braces do not match.
    """
    entries = []
    for utterance, said in trn.read(text, source=str(path)):
        try:
            trn.parse_markup(said)
        except ValueError as error:
            raise UserError(
                f"The text of '{printable(utterance)}' in {path} {error}; correct it."
            ) from None
        entries.append(Entry(utterance, said, has_markup=trn.has_markup(said)))
    return Source(path, "keyed", _unique(path, entries))


def looks_like_trn(source: Source) -> bool:
    """Whether every line ends with an id in parentheses, as in a trn file.

    Blank lines and comments are ignored. No id may occur twice.
    """
    if source.kind != "lines":
        return False
    ids: set[str] = set()
    for entry in source.entries:
        text = entry.text or ""
        if not text.strip() or text.startswith(";;"):
            continue
        parsed = trn.parse(text)
        if parsed is None or parsed[0] in ids:
            return False
        ids.add(parsed[0])
    return bool(ids)


def lines_text(source: Source) -> str:
    """Join the lines of a source to a single text."""
    return "\n".join(entry.text or "" for entry in source.entries)


def _split(text: str) -> list[str]:
    """Split a text into lines.

    A line break at the end does not start another line. Blank lines are utterances too.
    """
    return text.removesuffix("\n").split("\n") if text else []


def _folder(root: Path, suffixes: tuple[str, ...], leave_out: Sequence[Path]) -> list[Entry]:
    """Read a text for each relative stem under a folder.

    Hidden files and links to folders are skipped.
    """
    found: dict[str, tuple[int, Path]] = {}
    for path in map(Path, walk(root, leave_out=leave_out, files_first=True)):
        suffix = next((s for s in (".gt.txt", *suffixes) if path.name.lower().endswith(s)), None)
        if suffix is None or not path.is_file():
            continue
        stem = nfc(path.relative_to(root).as_posix()[: -len(suffix)])
        rank = suffixes.index(suffix)
        if stem in found and rank == found[stem][0]:
            raise UserError(
                f"{found[stem][1]} and {path} have one name in two Unicode compositions; rename "
                "one."
            )
        if stem not in found or rank < found[stem][0]:
            found[stem] = (rank, path)
    entries = [
        entry for stem, (_, path) in sorted(found.items()) for entry in _file_entries(stem, path)
    ]
    if not entries:
        raise UserError(f"{root} holds no text; give a folder of {', '.join(suffixes)} files.")
    return entries


def _file_entries(stem: str, path: Path) -> tuple[Entry, ...]:
    """Read the texts of a file in a folder.

    Tables, and XML that is no transcript, give no texts: other systems write them next to their
    transcripts.
    """
    text, suffix = read_text(path), path.suffix.lower()
    if suffix == ".trn":
        return as_trn(path, text).entries
    if (suffix == ".tsv" and not text.startswith(tsv.HEADER)) or (
        suffix == ".xml" and local_name(parse_text(text, str(path))) not in _PAGES
    ):
        return ()
    entries = _documents(stem, path, text)
    return (Entry(stem, text.removesuffix("\n")),) if entries is None else entries


def _documents(identity: str, path: Path, text: str) -> tuple[Entry, ...] | None:
    """Parse the transcript in a file; None for plain text.

    A ctm may hold several transcripts, whose ids are the names of their recordings.
    """
    name = format_of(path, text)
    if name is None:
        return None
    if name == "ctm":
        recordings = ctm.read_with_markup(text, source=str(path))
        alone = len(recordings) < 2
        return tuple(
            Entry(
                identity if alone else transcript.source,
                transcript.text if has_markup is None else has_markup,
                words=tuple(word for line in transcript.lines for word in line.words),
                has_markup=has_markup is not None,
            )
            for transcript, has_markup in recordings
        ) or (Entry(identity, ""),)
    transcript = READERS[name](text, source=str(path))
    return (
        Entry(
            identity,
            transcript.text,
            words=tuple(word for line in transcript.lines for word in line.words),
        ),
    )


def _looks_like_rows(text: str) -> bool:
    first = text.lstrip().split("\n", 1)[0]
    if not first.startswith("{"):
        return False
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and "text" in row


def _rows(path: Path, text: str) -> list[Entry]:
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"Line {number} of {path}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise UserError(f"{place} is not valid JSON; write an object a line.") from None
        if not isinstance(row, dict):
            raise UserError(
                f"{place} is not a JSON object; write one with 'id' or 'media', and 'text'."
            )
        entries.append(
            Entry(_row_id(row, place), _string(row, "text", place), _string(row, "group", place))
        )
    return entries


def _table(path: Path, text: str) -> list[Entry]:
    """Parse rows of an id, a tab and a text, as ``--names`` prints them."""
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        identity, tab, said = line.removesuffix("\r").partition("\t")
        if not tab or not identity or "\t" in said:
            raise UserError(
                f"Line {number} of {path} is not an id, a tab and a text; write two columns, or a "
                ".txt."
            )
        entries.append(Entry(identity, said))
    return entries


def _row_id(row: dict[str, Any], place: str) -> str:
    """Return ``id``, or else ``media`` with the start and end that a manifest gives."""
    identity = row.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool):
        return str(identity)
    identity = _string(row, "id", place) or _string(row, "media", place)
    if not identity:
        raise UserError(f"{place} has no 'id' and no 'media'; add one.")
    if "id" in row or (row.get("start") is None and row.get("end") is None):
        return identity
    return f"{identity}#{row.get('start')}-{row.get('end')}"


def _string(row: dict[str, Any], key: str, place: str) -> str | None:
    value = row.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise UserError(f"{place} has a '{key}' that is not a string; correct it.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{place} has half a surrogate pair in '{key}'; correct it.") from None
    return value


def _unique(path: Path, entries: list[Entry]) -> tuple[Entry, ...]:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise UserError(
                f"{path} has the id '{printable(entry.id)}' more than once; give each text its own."
            )
        seen.add(entry.id)
    return tuple(entries)
