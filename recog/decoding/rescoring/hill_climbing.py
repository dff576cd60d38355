"""Improve a hypothesis by words of others, as long as its score rises.

Several hypotheses for a long line differ in a few places only, and seldom is any of them right
everywhere. Hill climbing replaces a run of words at a time (Rastrow et al. 2011, "Efficient
discriminative training of long-span language models", climb from the N-best list).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from recog.decoding.hypothesis import Hypothesis

Tokens = tuple[int, ...]
MAX_CANDIDATES = 40  # combinations scored, for each call or each round


def climb(
    best: Hypothesis,
    neighbours: Callable[[Hypothesis], Iterable[Tokens]],
    choose: Callable[[Hypothesis, Iterable[Tokens]], Hypothesis],
    rounds: int | None = None,
) -> Hypothesis:
    """Move to a better neighbour until there is none.

    Args:
        best: the hypothesis to start from.
        neighbours: yields the candidates next to a hypothesis.
        choose: the best of a hypothesis and some candidates; the hypothesis itself ends the climb.
        rounds: the most moves; None for any number.
    """
    while rounds is None or rounds > 0:
        better = choose(best, neighbours(best))
        if better is best:
            break
        best, rounds = better, None if rounds is None else rounds - 1
    return best


def new_combinations(
    best: Hypothesis, others: Iterable[Hypothesis], known: Container[Tokens], space: int
) -> Iterator[Tokens]:
    """Yield ``best`` with words of each of the others in turn, except what is ``known``.

    Args:
        space: index of the space, which separates words.
    """
    for other in others:
        for tokens in combine(best.tokens, other.tokens, space):
            if tokens not in known:
                yield tokens


def combine(tokens: Tokens, others: Tokens, space: int) -> Iterator[Tokens]:
    """Yield a hypothesis with one differing run of words taken from another.

    Where a run has as many words in both, each word is exchanged alone too.
    """
    words, other_words = _split(tokens, space), _split(others, space)
    matcher = SequenceMatcher(None, words, other_words, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            continue
        singles = (
            [(a + k, a + k + 1, c + k, c + k + 1) for k in range(b - a)]
            if 1 < b - a == d - c
            else []
        )
        for first, after, start, end in [(a, b, c, d), *singles]:
            yield _join([*words[:first], *other_words[start:end], *words[after:]], space)


def _split(tokens: Tokens, space: int) -> list[Tokens]:
    ends = [k for k, token in enumerate(tokens) if token == space]
    return [tokens[a + 1 : b] for a, b in zip([-1, *ends], [*ends, len(tokens)], strict=True)]


def _join(words: Sequence[Tokens], space: int) -> Tokens:
    return tuple(token for k, word in enumerate(words) for token in ((space, *word) if k else word))
