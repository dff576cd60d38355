"""Pronunciation dictionaries: words and their phones.

English spelling has to be learned word by word, but phones can be learned from a few hours of
speech. A model that predicts phones and looks the words up reads more words correctly from the
same recordings (Miao et al. 2015, "EESEN: End-to-end speech recognition using deep RNN models and
WFST-based decoding", section 4).

Each line of a dictionary file is a word, a tab and its pronunciation. A word with several
pronunciations has several lines, the most common first. A phone is any one character; the shipped
dictionaries use the one-letter codes of ARPABET.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice, product
from pathlib import Path

from recog.errors import UserError
from recog.text.alphabet import Alphabet

Pronunciations = dict[str, tuple[str, ...]]  # word -> its variants, the most common first
MAX_BYTES = 64 << 20
MAX_LENGTH = 200  # characters of a word or of a pronunciation
SPACE = " "  # between the pronunciations of words

ARPABET = {  # two-letter code, as in CMUdict -> one-letter code
    "AA": "a", "AE": "@", "AH": "A", "AO": "c", "AW": "W", "AY": "Y", "EH": "E", "ER": "R", "EY": "e", "IH": "I",
    "IY": "i", "OW": "o", "OY": "O", "UH": "U", "UW": "u", "B": "b", "CH": "C", "D": "d", "DH": "D", "F": "f",
    "G": "g", "HH": "h", "JH": "J", "K": "k", "L": "l", "M": "m", "N": "n", "NG": "G", "P": "p", "R": "r", "S": "s",
    "SH": "S", "T": "t", "TH": "T", "V": "v", "W": "w", "Y": "y", "Z": "z", "ZH": "Z",
}  # fmt: skip


def read_pronunciations(path: Path) -> Pronunciations:
    """Read a pronunciation dictionary.

    Raises:
        UserError: the file cannot be read, or a line is not a word, a tab and a pronunciation.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(
                f"{path}: is larger than a file of pronunciations may be ({MAX_BYTES >> 20} MiB)."
            )
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text.") from None
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        word, _, said = (part.strip() for part in line.partition("\t"))
        if (
            not line.count("\t") == 1
            or not word
            or not said
            or any(c.isspace() for c in word + said)
        ):
            raise UserError(f"{path}, line {number}: must be a word, a tab and its pronunciation.")
        if max(len(word), len(said)) > MAX_LENGTH:
            raise UserError(f"{path}, line {number}: is longer than a word may be.")
        ways = found.setdefault(word, [])
        if said not in ways:
            ways.append(said)
    if not found:
        raise UserError(f"{path}: has no pronunciation.")
    return {word: tuple(ways) for word, ways in found.items()}


def encode_pronunciations(pronunciations: Mapping[str, Iterable[str]]) -> bytes:
    """Encode a dictionary as a file for :func:`read_pronunciations`."""
    lines = (f"{word}\t{said}\n" for word, ways in pronunciations.items() for said in ways)
    return "".join(lines).encode()


def phone_alphabet(pronunciations: Pronunciations) -> Alphabet:
    """The alphabet of a phone model: the space between words, and the dictionary's phones."""
    return Alphabet(
        (
            SPACE,
            *sorted({sound for ways in pronunciations.values() for said in ways for sound in said}),
        )
    )


def pronounce(text: str, pronunciations: Pronunciations) -> str | None:
    """Convert a text to the most common pronunciation of each word, joined by spaces.

    Returns:
        None if a word is not in the dictionary.
    """
    try:
        return SPACE.join(pronunciations[word][0] for word in text.split())
    except KeyError:
        return None


def all_pronunciations(text: str, pronunciations: Pronunciations, most: int) -> list[str]:
    """List up to ``most`` pronunciations of a text, the most common first.

    Every word of the text must be in the dictionary.
    """
    ways = product(*(pronunciations[word] for word in text.split()))
    return [SPACE.join(way) for way in islice(ways, most)]


def read_cmudict(path: Path) -> Pronunciations:
    """Read the CMU pronouncing dictionary, without stress, in one-letter codes.

    Its lines are ``word  P R AH0 N ...``; variants are written ``word(2)``.

    Raises:
        UserError: the file cannot be read, or has a phone that is not in ARPABET.
    """
    found: dict[str, list[str]] = {}
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from None
    for number, line in enumerate(lines, 1):
        parts = line.split("#")[0].split()
        if len(parts) < 2 or line.startswith(";;;"):
            continue
        word = parts[0].partition("(")[0].lower()
        try:
            said = "".join(ARPABET[sound.rstrip("012")] for sound in parts[1:])
        except KeyError as error:
            raise UserError(
                f"{path}, line {number}: {error.args[0]} is no sound of ARPABET."
            ) from None
        ways = found.setdefault(word, [])
        if said not in ways:
            ways.append(said)
    return {word: tuple(ways) for word, ways in found.items()}
