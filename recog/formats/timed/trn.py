"""NIST transcripts (.trn) as sclite reads them: ``text (utterance-id)`` on each line.

The text may have sclite's markup (https://github.com/usnistgov/SCTK, doc/infmts.htm): ``{ a / b /
@ }`` lists alternates, ``@`` stands for no word, and ``(uh)`` is an optional word. :func:`read`
keeps the markup; :func:`parse_markup` parses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from recog.errors import UserError
from recog.util.text_files import split_lines

MAX_DEPTH = 20  # of alternates in alternates
_ID = re.compile(r"[^()\s]+")
_TOKEN = re.compile(r"[{}]|[^{}\s]+")
_MARKUP = re.compile(r"[{}]|(?<!\S)(?:@|\([^()\s]+\))(?!\S)")
_OPTIONAL = re.compile(r"\(([^()\s]+)\)")


@dataclass(frozen=True)
class MarkupWord:
    """A word; an ``optional`` word may be left out."""

    text: str
    optional: bool = False


@dataclass(frozen=True)
class Alternates:
    """Alternative readings of a passage; a reading may have no words."""

    readings: tuple[Markup, ...]


Markup: TypeAlias = tuple[MarkupWord | Alternates, ...]


def write(pairs: Iterable[tuple[str, str]]) -> str:
    """Write (utterance id, text) pairs, one on each line.

    Raises:
        UserError: an id is empty, or has white space or parentheses, which readers could not
            separate from the text.
    """
    rows = []
    for utterance, text in pairs:
        if not _ID.fullmatch(utterance):
            raise UserError(
                f"'{utterance}' cannot be an utterance id of a trn file; "
                "leave out spaces and parentheses."
            )
        rows.append(f"{' '.join(text.split())} ({utterance})".lstrip() + "\n")
    return "".join(rows)


def read(text: str, *, source: str = "") -> list[tuple[str, str]]:
    """Read (utterance id, text) of each line; blank lines and comments (``;;``) are skipped.

    Raises:
        UserError: a line does not end with an id in parentheses.
    """
    pairs = []
    for number, row in enumerate(split_lines(text), start=1):
        if not row.strip() or row.startswith(";;"):
            continue
        match = parse(row)
        if match is None:
            name = source or "the text"
            raise UserError(
                f"Line {number} of {name} does not end with an utterance id in parentheses; "
                "add one."
            )
        pairs.append(match)
    return pairs


def parse(row: str) -> tuple[str, str] | None:
    """Parse a line into (utterance id, text); None if it does not end with an id in parentheses."""
    text, opening, ending = row.strip().rpartition("(")
    utterance = ending.removesuffix(")")
    if not opening or utterance == ending or not _ID.fullmatch(utterance):
        return None
    return utterance, text.strip()


def parse_markup(text: str) -> Markup:
    """Parse the words, alternates and optional words of a text in sclite's notation.

    Raises:
        ValueError: the braces do not match, or are nested too deeply; the message says which.
    """
    # the readings of each group that is not closed yet
    open_groups: list[list[list[MarkupWord | Alternates]]] = [[[]]]
    for token in _TOKEN.findall(text):
        if token == "{":
            if len(open_groups) > MAX_DEPTH:
                raise ValueError(f"nests alternates more than {MAX_DEPTH} deep")
            open_groups.append([[]])
        elif token == "}":
            if len(open_groups) == 1:
                raise ValueError("has a '}' without its '{'")
            group = Alternates(tuple(map(tuple, open_groups.pop())))
            open_groups[-1][-1].append(group)
        else:
            for number, word in enumerate(token.split("/") if len(open_groups) > 1 else [token]):
                if number:
                    open_groups[-1].append([])
                optional = _OPTIONAL.fullmatch(word)
                if optional:
                    open_groups[-1][-1].append(MarkupWord(optional[1], optional=True))
                elif word and word != "@":
                    open_groups[-1][-1].append(MarkupWord(word))
    if len(open_groups) > 1:
        raise ValueError("has a '{' without its '}'")
    return tuple(open_groups[0][0])


def has_markup(text: str) -> bool:
    """Whether a text has alternates, optional words or ``@``."""
    return _MARKUP.search(text) is not None


def first_reading(words: Markup) -> str:
    """Return the text with the first of all alternates and with every optional word."""
    texts = (
        word.text if isinstance(word, MarkupWord) else first_reading(word.readings[0])
        for word in words
    )
    return " ".join(filter(None, texts))


def plain_text(text: str) -> str:
    """Remove sclite's markup (:func:`first_reading`); a text with unmatched braces stays."""
    if not has_markup(text):
        return text
    try:
        return first_reading(parse_markup(text))
    except ValueError:
        return text
