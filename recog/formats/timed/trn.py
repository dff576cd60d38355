"""NIST's transcript files (.trn), as sclite reads them: ``text (utterance-id)``, an utterance a
line.

In the text ``{ a / b / @ }`` stands for any of its alternates, ``@`` for nothing, and ``(uh)`` for
a word that may be left out (https://github.com/usnistgov/SCTK, doc/infmts.htm). :func:`read` gives
them as they stand; :func:`parse_markup` takes them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from recog.errors import UserError

MAX_DEPTH = 20  # of alternates in alternates
_ID = re.compile(r"[^()\s]+")
_TOKEN = re.compile(r"[{}]|[^{}\s]+")
_MARKUP = re.compile(r"[{}]|(?<!\S)(?:@|\([^()\s]+\))(?!\S)")
_OPTIONAL = re.compile(r"\(([^()\s]+)\)")


@dataclass(frozen=True)
class MarkupWord:
    """A word; ``optional`` for one that may be left out."""

    text: str
    optional: bool = False


@dataclass(frozen=True)
class Alternates:
    """Several ways to say the same; one of no words says nothing."""

    ways: tuple[Markup, ...]


Markup: TypeAlias = tuple[MarkupWord | Alternates, ...]


def write(pairs: Iterable[tuple[str, str]]) -> str:
    """``pairs`` of (utterance id, text), a line each.

    Raises:
        UserError: an id that is empty or has white space or parentheses, which no reader could tell
            from text.
    """
    rows = []
    for utterance, text in pairs:
        if not _ID.fullmatch(utterance):
            raise UserError(
                f"'{utterance}' cannot be an utterance id of a trn file; leave out spaces and parentheses."
            )
        rows.append(f"{' '.join(text.split())} ({utterance})".lstrip() + "\n")
    return "".join(rows)


def read(text: str, *, source: str = "") -> list[tuple[str, str]]:
    """(utterance id, text) of each line, in order; blank lines and comments (``;;``) are passed
    over.

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
            raise UserError(
                f"Line {number} of {name} does not end with an utterance id in parentheses; add one."
            )
        pairs.append(match)
    return pairs


def parse(row: str) -> tuple[str, str] | None:
    """(utterance id, text) of one line, or None where it does not end with an id in parentheses."""
    text, opening, ending = row.strip().rpartition("(")
    utterance = ending.removesuffix(")")
    if not opening or utterance == ending or not _ID.fullmatch(utterance):
        return None
    return utterance, text.strip()


def parse_markup(text: str) -> Markup:
    """The words of a text in sclite's notation.

    Raises:
        ValueError: braces that do not fit, or are nested too deeply; its message says which.
    """
    # the ways of each group that is not closed yet
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
    """Whether a text has alternates, optional words or words for nothing in it."""
    return _MARKUP.search(text) is not None


def first_reading(words: Markup) -> str:
    """The text with the first of all alternates and every optional word."""
    texts = (
        word.text if isinstance(word, MarkupWord) else first_reading(word.ways[0]) for word in words
    )
    return " ".join(filter(None, texts))


def plain_text(text: str) -> str:
    """A text in sclite's notation without it: :func:`first_reading`, or the text itself where its
    braces do not fit."""
    if not has_markup(text):
        return text
    try:
        return first_reading(parse_markup(text))
    except ValueError:
        return text
