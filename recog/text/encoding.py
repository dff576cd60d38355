"""Bytes of a text file -> text: UTF-8, or UTF-16 with a byte order mark, as Praat and Windows write it."""

from __future__ import annotations

import codecs

from recog.errors import UserError

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def decode_text(content: bytes, name: str) -> str:
    """The text without its byte order mark.

    Args:
        name: of the file, for messages.

    Raises:
        UserError: it is in another encoding, or has null characters, as binary files have.
    """
    encoding = _UTF16.get(content[:2])
    try:
        text = "\0" if encoding is None and b"\0" in content else content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        called = "UTF-16" if encoding else "UTF-8"
        raise UserError(f"{name} is not {called} text (byte {error.start}); convert it to UTF-8.") from None
    if "\0" in text:
        raise UserError(f"{name} is not a text file; give one in UTF-8.")
    return text.removeprefix("\ufeff")
