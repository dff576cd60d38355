"""Expected words and phrases as an automaton over characters (Aho and Corasick 1975)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.decoding.validation import MAX_BOOST, InvalidInputError

SPACES = (" ", "▁", "|")  # the first of these that occurs in the symbols separates words
MAX_CELLS = 50_000_000
MAX_SUM = 300.0  # natural log, of the boosts of phrases that end at the same character


@dataclass(frozen=True)
class Hotwords:
    """The automaton's tables.

    Each character of a phrase adds an equal part of its boost as a loan. A text that diverges from
    the phrase loses the loan; a complete phrase, of whole words, keeps the boost.

    Attributes:
        following: (states, codes) int32, the state after a state and a character; in state 0 no
            phrase has begun.
        gain: (states,) float64, natural log: boosts of the phrases that this state completes.
        loan: (states,) float64, natural log: part of an unfinished phrase's boost.
        start: the state at the beginning of a text.
        words: whether phrases begin and end at spaces (code 0).
    """

    following: NDArray[np.int32]
    gain: NDArray[np.float64]
    loan: NDArray[np.float64]
    start: int
    words: bool

    @property
    def bound(self) -> float:
        """The most that a character can add, natural log."""
        steps = (self.loan + self.gain)[self.following] - self.loan[:, None]
        return max(0.0, float(steps.max(initial=0.0)))


def no_hotwords(codes: int) -> Hotwords:
    """Return the automaton without phrases."""
    return Hotwords(np.zeros((1, codes), np.int32), np.zeros(1), np.zeros(1), 0, False)


def build_hotwords(boosts: Mapping[str, float], codes: dict[str, int], *, words: bool) -> Hotwords:
    """Build the automaton.

    Args:
        boosts: phrases, and the boost of the score for each, natural log, 0 to 50.
        codes: a number from 0 for each character; 0 is the space if there is one.
        words: whether phrases must begin and end at spaces.

    Raises:
        InvalidInputError: an empty phrase, one with a character that has no code, or a boost out of
            range.
    """
    if not boosts:
        return no_hotwords(max(codes.values(), default=0) + 1)
    children: list[dict[int, int]] = [{}]
    gain, loan = [0.0], [0.0]
    for phrase, boost in boosts.items():
        if not 0.0 <= boost <= MAX_BOOST:
            raise InvalidInputError(
                f"the boost of '{phrase}' is {boost:g}; it must lie between 0 and {MAX_BOOST:g}."
            )
        spelling = _spell(phrase, codes, words)
        node, letters = 0, sum(code != 0 for code in spelling) or 1
        count = 0
        for position, code in enumerate(spelling):
            if code not in children[node]:
                children[node][code] = len(children)
                children.append({})
                gain.append(0.0)
                loan.append(0.0)
            node = children[node][code]
            count += code != 0
            if position < len(spelling) - 1:  # a whole phrase has a gain
                loan[node] = max(loan[node], boost * count / letters)
        gain[node] = max(gain[node], float(boost))
    size = max(codes.values()) + 1
    if len(children) * size > MAX_CELLS:
        raise InvalidInputError(
            f"{len(boosts)} hotwords are too many for an alphabet of {size} characters."
        )
    return _link(children, np.array(gain), np.array(loan), size, words)


def without_symbol(phrase: str, symbols: Iterable[str]) -> str | None:
    """Return the first character of a phrase that no symbol has, or None.

    Args:
        symbols: the strings of the symbols, or the characters in them.
    """
    known = {character for symbol in symbols for character in symbol}
    known |= {" "} if known & set(SPACES) else set()
    return next(
        (character for character in " ".join(phrase.split()) if character not in known), None
    )


def _spell(phrase: str, codes: dict[str, int], words: bool) -> list[int]:
    text = " ".join(phrase.split()) if words else phrase
    if not text:
        raise InvalidInputError("a hotword is empty.")
    missing = next((character for character in text if character not in codes), None)
    if missing is not None:
        raise InvalidInputError(
            f"the hotword '{phrase}' cannot be spelled: there is no symbol for '{missing}'."
        )
    spelling = [codes[character] for character in text]
    return [0, *spelling, 0] if words else spelling


def _link(
    children: list[dict[int, int]],
    gain: NDArray[np.float64],
    loan: NDArray[np.float64],
    size: int,
    words: bool,
) -> Hotwords:
    """Resolve failure links, breadth first, into a full table."""
    following = np.zeros((len(children), size), np.int32)
    failure = [0] * len(children)
    queue = deque([0])
    while queue:
        node = queue.popleft()
        if node:
            following[node] = following[failure[node]]
            gain[node] += gain[failure[node]]
            loan[node] = max(loan[node], loan[failure[node]])
        for code, below in children[node].items():
            failure[below] = int(following[failure[node], code]) if node else 0
            queue.append(below)
        for code, below in children[node].items():
            following[node, code] = below
    if float((gain + loan).max()) > MAX_SUM:
        raise InvalidInputError(
            "too many hotwords end in one another; their boosts add up to more than "
            f"{MAX_SUM:g}. Lower the boosts."
        )
    return Hotwords(following, gain, loan, int(following[0, 0]) if words else 0, words)
