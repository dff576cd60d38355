"""NIST's transcript files (.trn), as sclite reads them: ``text (utterance-id)``, an utterance a line.

Alternations (``{ a / b }``) and other marks of sclite are left as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from recog.errors import UserError

_ID = re.compile(r"[^()\s]+")


def write(pairs: Iterable[tuple[str, str]]) -> str:
    """``pairs`` of (utterance id, text), a line each.

    Raises:
        UserError: an id that is empty or has white space or parentheses, which no reader could tell from text.
    """
    rows = []
    for utterance, text in pairs:
        if not _ID.fullmatch(utterance):
            raise UserError(f"'{utterance}' cannot be an utterance id of a trn file; leave out spaces and parentheses.")
        rows.append(f"{' '.join(text.split())} ({utterance})".lstrip() + "\n")
    return "".join(rows)


def read(text: str, *, source: str = "") -> list[tuple[str, str]]:
    """(utterance id, text) of each line, in order; blank lines and comments (``;;``) are passed over.

    Raises:
        UserError: a line that does not end with an id in parentheses.
    """
    pairs = []
    rows = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, row in enumerate(rows, start=1):
        if not row.strip() or row.startswith(";;"):
            continue
        match = parse(row)
        if match is None:
            name = source or "the text"
            raise UserError(f"Line {number} of {name} does not end with an utterance id in parentheses; add one.")
        pairs.append(match)
    return pairs


def parse(row: str) -> tuple[str, str] | None:
    """(utterance id, text) of one line, or None where it does not end with an id in parentheses."""
    text, opening, ending = row.strip().rpartition("(")
    utterance = ending.removesuffix(")")
    if not opening or utterance == ending or not _ID.fullmatch(utterance):
        return None
    return utterance, text.strip()
