"""Read users' text files: UTF-8 or UTF-16, with a size limit.

Praat and Windows write UTF-16.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from recog.errors import UserError

MAX_BYTES = 1 << 30
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def decode_text(content: bytes, name: str) -> str:
    """Decode UTF-8, or UTF-16 with a byte order mark, and remove the mark.

    Args:
        name: the file's name, for messages.

    Raises:
        UserError: the content is in another encoding, or has null characters, as binary files do.
    """
    encoding = _UTF16.get(content[:2])
    try:
        text = (
            "\0" if encoding is None and b"\0" in content else content.decode(encoding or "utf-8")
        )
    except UnicodeDecodeError as error:
        called = "UTF-16" if encoding else "UTF-8"
        raise UserError(
            f"{name} is not {called} text (byte {error.start}); convert it to UTF-8."
        ) from None
    if "\0" in text:
        raise UserError(f"{name} is not a text file; give one in UTF-8.")
    return text.removeprefix("\ufeff")


def read_text(path: Path, *, max_bytes: int = MAX_BYTES, keep_line_ends: bool = False) -> str:
    """Read a UTF-8 or UTF-16 text file.

    Args:
        max_bytes: size limit.
        keep_line_ends: whether ``\\r\\n`` and ``\\r`` stay; else they become ``\\n``.

    Raises:
        UserError: the file is missing, unreadable, larger than ``max_bytes``, or not text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from None
    if len(content) > max_bytes:
        raise UserError(f"{path} is larger than {max_bytes:,} bytes; split it.")
    text = decode_text(content, str(path))
    return text if keep_line_ends else _unix_line_ends(text)


def split_lines(text: str) -> list[str]:
    """Split at ``\\n``, ``\\r\\n`` and ``\\r``, but not at form feeds.

    A byte order mark is removed.
    """
    return _unix_line_ends(text.removeprefix("\ufeff")).split("\n")


def _unix_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
