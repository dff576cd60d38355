"""A model's output symbols and their indices.

Index 0 is the CTC blank and never a symbol.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from recog.errors import UserError

BLANK = 0
MAX_SYMBOLS = 65_536  # more than any script has; bounds the memory a damaged config can claim


def describe(symbol: str) -> str:
    """Format a symbol so that it can be searched for in a file: ``'é' (U+00E9)``."""
    return f"'{symbol}' ({' '.join(f'U+{ord(c):04X}' for c in symbol)})"


@dataclass(frozen=True)
class Alphabet:
    """Symbols with indices 1 to ``len(alphabet) - 1``; index 0 is the blank.

    A symbol may be several characters (``"ch"``, a letter with its combining mark); :meth:`encode`
    takes the longest that fits at each position, from left to right.

    Attributes:
        symbols: the symbols without the blank: ``symbols[i]`` has index ``i + 1``.

    Raises:
        UserError: a symbol is empty, occurs twice, is not NFC, or there are none or too many.

    Example:
        >>> alphabet = Alphabet.of(["abba", "cab"])
        >>> alphabet.encode("cab"), alphabet.decode([3, 1, 2]), len(alphabet)
        ([3, 1, 2], 'cab', 4)
    """

    symbols: tuple[str, ...]
    _index: dict[str, int] = field(init=False, repr=False, compare=False)
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _validate(self.symbols)
        object.__setattr__(
            self, "_index", {symbol: i for i, symbol in enumerate(self.symbols, start=1)}
        )
        pattern = None
        if any(len(symbol) > 1 for symbol in self.symbols):
            longest_first = sorted(self.symbols, key=len, reverse=True)
            pattern = re.compile("|".join(map(re.escape, longest_first)) + "|.", re.DOTALL)
        object.__setattr__(self, "_pattern", pattern)

    @classmethod
    def of(cls, texts: Iterable[str], *, min_count: int = 1) -> Alphabet:
        """Make an alphabet of the characters of ``texts`` after NFC, in code point order.

        Args:
            texts: normalised texts.
            min_count: characters that occur less often are left out.

        Raises:
            UserError: no character is left.
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(unicodedata.normalize("NFC", text))
        return cls(tuple(sorted(symbol for symbol, count in counts.items() if count >= min_count)))

    @classmethod
    def from_list(cls, symbols: Iterable[str]) -> Alphabet:
        """Make an alphabet from the symbols without the blank; the inverse of :meth:`to_list`.

        The first symbol gets index 1.
        """
        return cls(tuple(symbols))

    def to_list(self) -> list[str]:
        """List the symbols from index 1 on, without the blank.

        A model's config stores this list.
        """
        return list(self.symbols)

    def __len__(self) -> int:
        """The number of classes, including the blank."""
        return len(self.symbols) + 1

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._index

    def encode(self, text: str, *, skip_unknown: bool = False) -> list[int]:
        """Convert ``text`` to indices from 1 to ``len(self) - 1``, after NFC.

        Args:
            text: in the order the model is trained in (display order for right-to-left scripts).
            skip_unknown: leave out characters outside the alphabet.

        Raises:
            UserError: characters are outside the alphabet. The message names each of them.
        """
        indices = [self._index.get(piece, BLANK) for piece in self._pieces(text)]
        if BLANK in indices:
            if not skip_unknown:
                names = ", ".join(describe(symbol) for symbol in self.unknown(text))
                raise UserError(
                    f"The text '{_shorten(text)}' has characters outside the alphabet: {names}."
                )
            indices = [i for i in indices if i != BLANK]
        return indices

    def unknown(self, text: str) -> list[str]:
        """List the characters of ``text`` outside the alphabet, each once, in code point order."""
        return sorted({piece for piece in self._pieces(text) if piece not in self._index})

    def decode(self, indices: Iterable[int]) -> str:
        """Convert indices to text. Blanks are dropped, repeats stay.

        A CTC path must be collapsed before.

        Raises:
            ValueError: an index lies outside 0 to ``len(self) - 1``.
        """
        symbols = []
        for index in indices:
            if not 0 <= index < len(self):
                raise ValueError(f"index {index} lies outside the alphabet's 0 to {len(self) - 1}")
            if index != BLANK:
                symbols.append(self.symbols[index - 1])
        return "".join(symbols)

    def _pieces(self, text: str) -> Iterable[str]:
        text = unicodedata.normalize("NFC", text)
        return text if self._pattern is None else self._pattern.findall(text)


def _validate(symbols: tuple[str, ...]) -> None:
    if not symbols:
        raise UserError("The alphabet has no symbols: give it texts that are not empty.")
    if len(symbols) >= MAX_SYMBOLS:
        raise UserError(
            f"The alphabet has {len(symbols)} symbols; at most {MAX_SYMBOLS - 1} are possible."
        )
    for symbol in symbols:
        if not isinstance(symbol, str) or not symbol:
            raise UserError(f"The alphabet has a symbol that is not text or is empty: {symbol!r}.")
        if not unicodedata.is_normalized("NFC", symbol):
            raise UserError(
                f"The alphabet's symbol {describe(symbol)} is not in Unicode's normal form NFC."
            )
    twice = [symbol for symbol, count in Counter(symbols).items() if count > 1]
    if twice:
        raise UserError(f"The alphabet has symbols twice: {', '.join(map(describe, twice[:10]))}.")


def _shorten(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
