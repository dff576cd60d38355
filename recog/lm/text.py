"""Text as a language model takes it: lines from files, tokens from lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from recog.errors import UserError
from recog.lm.files import read_blocks
from recog.lm.tables import BEGIN, END, SPACE, UNKNOWN, Unit

HYPHENS = ("-", "¬", "⸗", "‐", "\u00ad")  # at the end of a line: the word goes on in the next
# of each character of an unknown word: about the entropy of a letter, natural log
UNKNOWN_COST = 2.0
# bytes: 2,000 pages in one line are no text, but they can be a few kilobytes of gzip
LONGEST_LINE = 1 << 24
_RESERVED = frozenset((UNKNOWN, BEGIN, END))


def tokens(line: str, unit: Unit) -> list[str]:
    """The tokens of a line in Unicode's composed form (NFC), without ``<s>`` and ``</s>``.

    A word is what stands between white space. A character is one code point; white space inside the
    line is one ``|``. What would be read as something else is unknown: the words ``<unk>``, ``<s>``
    and ``</s>``, and a character ``|``.
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
    """The lines of UTF-8 files one after the other; gzip and xz are unpacked on the way.

    Raises:
        UserError: a file that cannot be read, is damaged or cut off, is not UTF-8, expands beyond
            what text does, or has a line of over 16 MiB.
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
