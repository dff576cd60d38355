"""Text normalisation: what a model is trained to write, and what an evaluation looks away from.

Rules are named, so that a model's config and an evaluation's result can state them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection

from recog.errors import UserError
from recog.text.numbers import spell_numbers

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
_STEM = re.compile(r"LATIN SMALL LETTER (?:DOTLESS )?([A-Z])(?: WITH .+)?")
_LIGATURES = {
    "æ": "ae",
    "œ": "oe",
    "ß": "ss",
    "ð": "d",
    "þ": "th",
    "ŋ": "ng",
    "ĸ": "k",
    "ə": "e",
    "ȝ": "y",
    "ƿ": "w",
}
_DIGIT = re.compile(r"\d")
_ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
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


class _AsciiSpelling(dict[int, str]):
    """For ``str.translate``: a Latin letter as ASCII spells it (ø as o, ł as l, ß as ss), all else
    itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        stem = None if code < 128 else _STEM.fullmatch(unicodedata.name(character, ""))
        self[code] = kin = stem[1].lower() if stem else _LIGATURES.get(character, character)
        return kin


_ASCII_SPELLING = _AsciiSpelling()


def spoken(text: str) -> str:
    """English as it is heard: lower case, letters, apostrophe and space; numbers as English words;
    accents off, Latin letters as ASCII spells them, everything else a space."""
    return _letters_only(_in_ascii(spell_numbers(text) if has_digits(text) else text))


def spoken_without_numbers(text: str) -> str:
    """:func:`spoken`, for a language whose numbers nobody says here: digits become spaces."""
    return _letters_only(_in_ascii(text))


def _in_ascii(text: str) -> str:
    """Lower case without accents, as far as there is an ASCII spelling."""
    text = unicodedata.normalize("NFKD", text.translate(_QUOTES).replace("&", " and ")).lower()
    return "".join(c for c in text if not unicodedata.combining(c)).translate(_ASCII_SPELLING)


def _letters_only(text: str) -> str:
    return collapse(_LONE_QUOTE.sub(" ", _NOT_SPOKEN.sub(" ", text)))


def has_digits(text: str) -> bool:
    """Whether a text has digits or other signs for numbers, of any script."""
    if text.isascii():
        return _DIGIT.search(text) is not None
    return any(unicodedata.category(c)[0] == "N" for c in text)


class _PunctuationToSpace(dict[int, str]):
    """For ``str.translate``: a space for every sign and mark of punctuation but the apostrophe, all
    else itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = character == "'" or not unicodedata.category(character).startswith(("P", "S"))
        self[code] = found = character if kept else " "
        return found


_PUNCTUATION_TO_SPACE = _PunctuationToSpace()


def basic(text: str) -> str:
    """For scoring whatever the conventions: lower case, no punctuation, plain quotes, white space
    collapsed."""
    return collapse(plain(text).casefold().translate(_PUNCTUATION_TO_SPACE))


def words(text: str) -> str:
    """For language models of words: :func:`basic`, a word ends after its apostrophe, and every
    digit is 0."""
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


def rule(name: str, languages: Collection[str] = ()) -> Callable[[str], str]:
    """The normalisation called ``name``; :class:`UserError` for an unknown one.

    Args:
        name: one of :data:`RULES`.
        languages: those of the texts, as a model's config names them; none where they are not
            known. "spoken" says numbers in English, and leaves them out where English is not among
            the languages.
    """
    if name == "spoken" and not _may_be_english(languages):
        return spoken_without_numbers
    try:
        return RULES[name]
    except KeyError:
        raise UserError(
            f"There is no text normalisation '{name}'; use one of {', '.join(RULES)}."
        ) from None


def _may_be_english(languages: Collection[str]) -> bool:
    return not languages or any(
        re.match(r"english\b|eng?(?![a-z])", name.casefold()) for name in languages
    )


class TrackedRule:
    """A normalisation that keeps account of what it does to texts beyond their spelling: see
    :meth:`notes`.

    Args:
        name, languages: as for :func:`rule`.
    """

    def __init__(self, name: str, languages: Collection[str] = ()) -> None:
        self.name = name
        self.rule = rule(name, languages)
        self.texts = self.numbers = self.losses = 0
        self.lost: Counter[str] = Counter()
        self.example = ("", "")

    def __call__(self, text: str) -> str:
        """The text, normalised."""
        self.texts += 1
        if self.name == "spoken" and not (text.isascii() and text.replace(" ", "").isalpha()):
            self._account(text)
        return self.rule(text)

    def _account(self, text: str) -> None:
        if self.rule is spoken and has_digits(text):
            self.numbers += 1
            if not self.example[0]:
                word = next(word for word in text.split() if has_digits(word))
                self.example = word, spoken(word)
        lost = self.dropped_characters(text)
        self.losses += bool(lost)
        self.lost.update(lost)

    def dropped_characters(self, text: str) -> list[str]:
        """The letters and digits of a text that the rule leaves out, having no spelling for
        them."""
        if self.name != "spoken":
            return []
        text = _in_ascii(spell_numbers(text) if self.rule is spoken and has_digits(text) else text)
        return [c for c in text if c not in _ASCII_LETTERS and unicodedata.category(c)[0] in "LN"]

    def notes(self, what: str = "texts") -> list[str]:
        """Sentences for people: in how many texts numbers are said, and how many lost letters or
        digits.

        Args:
            what: the texts are, in the plural.
        """
        notes = []
        if self.numbers:
            notes.append(
                f"The numbers in {self.numbers:,} of {self.texts:,} {what} are taken as English words "
                f"('{self.example[0][:40]}' as '{self.example[1][:60]}'); they may have been said otherwise."
            )
        if self.losses:
            shown = " ".join(c for c, _ in self.lost.most_common(10))
            notes.append(
                f"The rule '{self.name}' has no spelling for some letters or digits in {self.losses:,} of "
                f"{self.texts:,} {what}, and leaves them out: {shown}{' ...' if len(self.lost) > 10 else ''}"
            )
        return notes
