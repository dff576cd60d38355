"""Text normalisation: what a model is trained to write, and what an evaluation looks away from.

Rules are named, so that a model's config and an evaluation's result can state them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from recog.errors import UserError

_QUOTES = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u02bc": "'", "\u2032": "'", "`": "'", "\u00b4": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"', "\u2033": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
    }
)  # fmt: skip
_MARKS = str.maketrans("", "", "#\u22ce\u27e6\u27e7<>^")
_SPACES = re.compile(r"\s+")
_NOT_SPOKEN = re.compile(r"[^a-z' ]+")
_DIGIT = re.compile(r"\d")
_LONE_QUOTE = re.compile(r"(?<![a-z])'|'(?![a-z])")


def collapse(text: str) -> str:
    """NFC, runs of white space to one space, none at the ends."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def plain(text: str) -> str:
    """:func:`collapse`, with curly quotes and long dashes made plain."""
    return collapse(unicodedata.normalize("NFC", text).translate(_QUOTES))


def diplomatic(text: str) -> str:
    """:func:`plain` without the editorial marks ``# ⋎ ⟦ ⟧ < > ^``."""
    return plain(unicodedata.normalize("NFC", text).translate(_QUOTES).translate(_MARKS))


def spoken(text: str) -> str:
    """English as it is heard: lower case, letters, apostrophe and space; accents off, everything else a space."""
    text = unicodedata.normalize("NFKD", text.translate(_QUOTES).replace("&", " and ")).lower()
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = _NOT_SPOKEN.sub(" ", text)
    return collapse(_LONE_QUOTE.sub(" ", text))


class _Spaced(dict[int, str]):
    """For ``str.translate``: a space for every sign and mark of punctuation but the apostrophe, all else itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = character == "'" or not unicodedata.category(character).startswith(("P", "S"))
        self[code] = found = character if kept else " "
        return found


_SPACED = _Spaced()


def basic(text: str) -> str:
    """For scoring whatever the conventions: lower case, no punctuation, plain quotes, white space collapsed."""
    return collapse(plain(text).casefold().translate(_SPACED))


def words(text: str) -> str:
    """For language models of words: :func:`basic`, a word ends after its apostrophe, and every digit is 0."""
    return collapse(_DIGIT.sub("0", basic(text)).replace("'", "' "))


RULES: dict[str, Callable[[str], str]] = {
    "none": str,
    "collapse": collapse,
    "plain": plain,
    "diplomatic": diplomatic,
    "spoken": spoken,
    "basic": basic,
    "words": words,
}


def rule(name: str) -> Callable[[str], str]:
    """The normalisation called ``name``; :class:`UserError` for an unknown one."""
    try:
        return RULES[name]
    except KeyError:
        raise UserError(f"There is no text normalisation '{name}'; use one of {', '.join(RULES)}.") from None
