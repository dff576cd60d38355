"""Text normalisation for training and for scoring.

Rules have names, so that a model's config and an evaluation's result can state them.
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
    """Convert to NFC, collapse white space to single spaces and strip the ends."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def plain(text: str) -> str:
    """Apply :func:`collapse`, and replace curly quotes and long dashes by plain ones."""
    return collapse(unicodedata.normalize("NFC", text).translate(_QUOTES))


def diplomatic(text: str) -> str:
    """Apply :func:`plain`, and remove the editorial marks ``# ⋎ ⟦ ⟧ < > ^``."""
    return plain(unicodedata.normalize("NFC", text).translate(_QUOTES).translate(_MARKS))


class _AsciiSpelling(dict[int, str]):
    """A ``str.translate`` table from Latin letters to their ASCII spelling.

    ø becomes o, ł becomes l, ß becomes ss. All other characters stay.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        stem = None if code < 128 else _STEM.fullmatch(unicodedata.name(character, ""))
        self[code] = kin = stem[1].lower() if stem else _LIGATURES.get(character, character)
        return kin


_ASCII_SPELLING = _AsciiSpelling()


def spoken(text: str) -> str:
    """Reduce English to its spoken form: lower-case letters, apostrophes and spaces.

    Numbers become English words. Accents are removed and Latin letters get their ASCII spelling.
    Everything else becomes a space.
    """
    return _letters_only(_in_ascii(spell_numbers(text) if has_digits(text) else text))


def spoken_without_numbers(text: str) -> str:
    """Apply :func:`spoken` without spelling out numbers: digits become spaces.

    For languages other than English, because numbers are spelled out in English only.
    """
    return _letters_only(_in_ascii(text))


def _in_ascii(text: str) -> str:
    """Convert to lower case without accents, where an ASCII spelling exists."""
    text = unicodedata.normalize("NFKD", text.translate(_QUOTES).replace("&", " and ")).lower()
    return "".join(c for c in text if not unicodedata.combining(c)).translate(_ASCII_SPELLING)


def _letters_only(text: str) -> str:
    return collapse(_LONE_QUOTE.sub(" ", _NOT_SPOKEN.sub(" ", text)))


def has_digits(text: str) -> bool:
    """Whether a text has digits or other number signs, of any script."""
    if text.isascii():
        return _DIGIT.search(text) is not None
    return any(unicodedata.category(c)[0] == "N" for c in text)


class _PunctuationToSpace(dict[int, str]):
    """A ``str.translate`` table from punctuation and signs to spaces.

    The apostrophe and all other characters stay.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = character == "'" or not unicodedata.category(character).startswith(("P", "S"))
        self[code] = found = character if kept else " "
        return found


_PUNCTUATION_TO_SPACE = _PunctuationToSpace()


def basic(text: str) -> str:
    """Normalise for scoring across transcription conventions.

    Lower case, no punctuation, plain quotes, collapsed white space.
    """
    return collapse(plain(text).casefold().translate(_PUNCTUATION_TO_SPACE))


def words(text: str) -> str:
    """Normalise for word language models.

    :func:`basic`, with a word boundary after each apostrophe and every digit as 0.
    """
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
    """Look up a normalisation by name.

    Args:
        name: a key of :data:`RULES`.
        languages: the languages of the texts, as a model's config names them; empty when unknown.
            "spoken" spells numbers in English, and drops them where English is not among the
            languages.

    Raises:
        UserError: the name is unknown.
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
    """A normalisation that counts the texts with spelled-out numbers or lost characters.

    :meth:`notes` reports the counts.

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
        """Normalise a text and count its changes."""
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
        """List the letters and digits of a text that the rule drops for want of a spelling."""
        if self.name != "spoken":
            return []
        text = _in_ascii(spell_numbers(text) if self.rule is spoken and has_digits(text) else text)
        return [c for c in text if c not in _ASCII_LETTERS and unicodedata.category(c)[0] in "LN"]

    def notes(self, what: str = "texts") -> list[str]:
        """Report how many texts have spelled-out numbers, and how many lost letters or digits.

        Args:
            what: a plural noun for the texts.

        Returns:
            Sentences for the user; empty when there is nothing to report.
        """
        notes = []
        if self.numbers:
            notes.append(
                f"The numbers in {self.numbers:,} of {self.texts:,} {what} are taken as English "
                "words "
                f"('{self.example[0][:40]}' as '{self.example[1][:60]}'); they may have been said "
                "otherwise."
            )
        if self.losses:
            shown = " ".join(c for c, _ in self.lost.most_common(10))
            notes.append(
                f"The rule '{self.name}' has no spelling for some letters or digits in "
                f"{self.losses:,} of "
                f"{self.texts:,} {what}, and leaves them out: "
                f"{shown}{' ...' if len(self.lost) > 10 else ''}"
            )
        return notes
