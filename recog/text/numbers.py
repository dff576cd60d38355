"""Spell numbers in a text as English words, as a speaker most likely reads them."""

from __future__ import annotations

import re
import unicodedata

# maximum digits of a number; longer ones are telephone or account numbers
LONGEST = 15
_YEARS = range(1100, 2100)  # "1905" alone is read "nineteen oh five", whether it is a year or not
_MONEY = {
    "$": ("dollar", "dollars"),
    "€": ("euro", "euros"),
    "£": ("pound", "pounds"),
    "¥": ("yen", "yen"),
    "¢": ("cent", "cents"),
}
# the compatibility form of ½, with an optional number before it
_FRACTION = re.compile(r"(?:(\d+) +)?(\d+)\u2044(\d+)")
_DATE = re.compile(r"\d+(?:\.\d+){2,}")  # 27.10.1876 is not a decimal number
_NUMBER = re.compile(
    r"(?P<money>[$€£¥] ?)?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
    r"(?:\.(?P<part>\d+)(?![.\d]))?"
    r"(?P<after>st\b|nd\b|rd\b|th\b|['\u2019]?s\b| ?%| ?[$€£¥¢](?!\d))?",
    re.IGNORECASE,
)


def spell_numbers(text: str) -> str:
    """Replace every number by English words, with a space on either side.

    These are read: whole numbers with or without commas, decimals, ordinals (``3rd``), years and
    decades (``1920s``), percentages, amounts of money with the sign before or after them, and
    fractions of one character (``½``). Digits of any script count. A number of more than 15 digits,
    or with a leading zero, is read digit by digit.
    """
    text = "".join(map(_plain_digit, text))
    text = _DATE.sub(lambda match: match[0].replace(".", " "), text)
    text = _FRACTION.sub(lambda match: f" {_mixed(match)} ", text)
    return _NUMBER.sub(lambda match: f" {_number_words(match)} ", text)


def _plain_digit(character: str) -> str:
    if character.isascii() or unicodedata.category(character)[0] != "N":
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    return f" {unicodedata.normalize('NFKD', character)} "  # 10² is not 102, 5½ not 51⁄2


def _number_words(match: re.Match[str]) -> str:
    whole, part = match["whole"].replace(",", ""), match["part"]
    after = (match["after"] or "").strip().lower()
    alone = (
        match["whole"] == whole and not part and not match["money"] and after not in ("%", *_MONEY)
    )
    if len(whole) > LONGEST or (whole[0] == "0" and len(whole) > 1):
        words = " ".join(map(_cardinal, map(int, whole)))
    elif after in ("st", "nd", "rd", "th") and not part:
        return _words(int(whole), "ordinal")
    elif alone and len(whole) == 4 and int(whole) in _YEARS:
        words = _words(int(whole), "year")
    else:
        words = _cardinal(int(whole))
    if part:
        words += " point " + " ".join(map(_cardinal, map(int, part)))
    money = (match["money"] or "").strip() or (after if after in _MONEY else "")
    if money:
        words += " " + _MONEY[money][words != "one"]
    if after in _MONEY:
        return words
    if after.endswith("s"):
        return _plural(words)
    return f"{words} percent" if after == "%" else f"{words} {after}".strip()


def _mixed(match: re.Match[str]) -> str:
    """Spell a fraction, or a number and a fraction: ``five and a half``."""
    fraction = _fraction(int(match[2]), int(match[3]))
    return (
        f"{_cardinal(int(match[1]))} and {fraction.replace('one ', 'a ', 1)}"
        if match[1]
        else fraction
    )


def _fraction(above: int, below: int) -> str:
    if below == 2:
        named = "half" if above == 1 else "halves"
    elif below == 4:
        named = "quarter" if above == 1 else "quarters"
    elif below < 2:  # ⅟, the numerator before a number
        return f"{_cardinal(above)} over {_cardinal(below)}"
    else:
        named = _words(below, "ordinal") + ("s" if above != 1 else "")
    return f"{_cardinal(above)} {named}"


def _plural(words: str) -> str:
    """The plural of a number word: ``twenties`` for ``twenty``.

    In a decade, only the last word takes the ending.
    """
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def _cardinal(number: int) -> str:
    return _words(number, "cardinal")


def _words(number: int, kind: str) -> str:
    from num2words import num2words  # imported late: only texts with digits need it

    said: str = num2words(number, lang="en", to=kind)
    return said.replace("-", " ").replace(",", "")
