"""Text for language models: lines of files, tokens of lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from recog.errors import UserError
from recog.lm.files import read_blocks
from recog.lm.tables import BEGIN, END, SPACE, UNKNOWN, Unit

HYPHENS = ("-", "¬", "⸗", "‐", "\u00ad")  # at the end of a line: its last word continues
# for each character of an unknown word, natural log: about the entropy of a letter
UNKNOWN_COST = 2.0
# bytes, or 2,000 pages, which may be a few kilobytes of gzip
LONGEST_LINE = 1 << 24
_RESERVED = frozenset((UNKNOWN, BEGIN, END))


def tokens(line: str, unit: Unit) -> list[str]:
    """Return the tokens of a line in Unicode's composed form (NFC), without sentence marks.

    Words are separated by white space. A character is a code point, and white space inside the line
    becomes a single ``|``. Reserved tokens in the line count as unknown: the words ``<unk>``,
    ``<s>`` and ``</s>``, and the character ``|``.
    """
    words = unicodedata.normalize("NFC", line).split()
    if unit == "word":
        return (
            words
            if _RESERVED.isdisjoint(words)
            else [UNKNOWN if word in _RESERVED else word for word in words]
        )
    text = " ".join(words)
    if SPACE not in text:
        return list(text.replace(" ", SPACE))
    return [SPACE if symbol == " " else UNKNOWN if symbol == SPACE else symbol for symbol in text]


def read_text(paths: Iterable[Path | str]) -> Iterator[str]:
    """Yield the lines of UTF-8 files, decompressed if they are gzip or xz.

    Raises:
        UserError: a file cannot be read, is damaged or cut off, is not UTF-8, expands to far more
            than text does, or has a line of over 16 MiB.
    """
    for path in map(Path, paths):
        for number, line in enumerate(_lines(path), 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path}: line {number} is not UTF-8; convert the file first."
                ) from error
            yield text.rstrip("\r")


def _lines(path: Path) -> Iterator[bytes]:
    rest = b""
    for block in read_blocks(path):
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > LONGEST_LINE:
            raise UserError(
                f"{path}: a line is longer than {LONGEST_LINE >> 20} MiB; is this a text?"
            )
        yield from lines
    if rest:
        yield rest
