"""Reading a text file that a person gave: bounded, with one sentence for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

from recog.errors import UserError
from recog.text.encoding import decode_text

MAX_BYTES = 1 << 30


def read_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """The content of ``path`` without its byte order mark, line breaks as ``\\n``.

    Raises:
        UserError: missing, unreadable, larger than ``max_bytes``, or not text; see :func:`recog.text.encoding.decode_text`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}).") from None
    if len(content) > max_bytes:
        raise UserError(f"{path} is larger than {max_bytes:,} bytes; split it.")
    return decode_text(content, str(path)).replace("\r\n", "\n").replace("\r", "\n")


def printable(text: str, *, limit: int = 60) -> str:
    """``text`` for a terminal: control characters as U+FFFD, cut to ``limit`` characters."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
