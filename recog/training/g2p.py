"""Learning from a dictionary how spelling is said: words are cut into letters with the sounds that
they stand for, by expectation maximisation, and an n-gram model is made of these pairs (Bisani and
Ney 2008, sections 2 and 3)."""

from __future__ import annotations

import math
import random
from collections import defaultdict

from recog.lm.estimation.kneser_ney import estimate
from recog.lm.estimation.prune import prune_to
from recog.lm.g2p import NOTHING
from recog.lm.tables import NGrams
from recog.text.pronunciations import Pronunciations

MOST_SOUNDS = 2  # that a letter may stand for: "x" for two
ORDER = 6
NGRAMS = 150_000  # kept
ROUNDS = 5
SAMPLE = 10_000  # words that the shares of the pairs are estimated on
LEAST = 0.05  # times that a pair must be expected to stay
ENOUGH = 1_000  # words to learn from
Pair = tuple[str, str]  # a letter and its sounds
Edge = tuple[int, int, float, Pair]  # of a lattice: from where, to where, its score and what it is


def learn_spelling(known: Pronunciations, *, seed: int = 1) -> NGrams | None:
    """The model of :class:`recog.lm.g2p.G2P`, of the usual ways in which words are said.

    Returns:
        None where there are too few words to learn from.
    """
    words = [(word, ways[0]) for word, ways in known.items() if NOTHING not in word + ways[0]]
    if len(words) < ENOUGH:
        return None
    cut = share_out(words, seed)
    lines = [
        " ".join(letter + (sounds or NOTHING) for letter, sounds in pairs) for pairs in cut if pairs
    ]
    return prune_to(estimate(lines, unit="word", order=ORDER), NGRAMS)


def share_out(words: list[tuple[str, str]], seed: int = 1) -> list[list[Pair]]:
    """Each word cut into letters with their sounds; empty where that cannot be."""
    counts: dict[Pair, float] = defaultdict(float)
    for word, said in words:  # at first the sounds lie along the word evenly
        for i, letter in enumerate(word):
            a, b = round(i * len(said) / len(word)), round((i + 1) * len(said) / len(word))
            counts[letter, said[a:b][:MOST_SOUNDS]] += 1.0
            counts[letter, ""] += 0.1
            for sound in said[max(0, a - 1) : b + 1]:
                counts[letter, sound] += 0.3
    sample = random.Random(seed).sample(words, min(SAMPLE, len(words)))
    for _ in range(ROUNDS):
        scores = _shares(counts)
        counts = defaultdict(float)
        for word, said in sample:
            _expect(word, said, scores, counts)
    scores = _shares(counts)
    return [_likeliest(word, said, scores) for word, said in words]


def _shares(counts: dict[Pair, float]) -> dict[Pair, float]:
    kept = {pair: count for pair, count in counts.items() if count > LEAST}
    total = sum(kept.values())
    return {pair: count / total for pair, count in kept.items()}


def _lattice(word: str, said: str, scores: dict[Pair, float]) -> list[Edge]:
    """All ways to share the sounds out to the letters; places are numbers, (letters, sounds) as a
    row and a column."""
    edges, width = [], len(said) + 1
    for i, letter in enumerate(word):
        for j in range(width):
            for k in range(min(MOST_SOUNDS, len(said) - j) + 1):
                score = scores.get((letter, said[j : j + k]))
                if score is not None:
                    edges.append(
                        (i * width + j, (i + 1) * width + j + k, score, (letter, said[j : j + k]))
                    )
    return edges


def _expect(word: str, said: str, scores: dict[Pair, float], counts: dict[Pair, float]) -> None:
    """Add how often each pair is to be expected in a word: the forward-backward sums over its
    lattice."""
    edges = _lattice(word, said, scores)
    size = (len(word) + 1) * (len(said) + 1)
    forward, backward = [0.0] * size, [0.0] * size
    forward[0] = backward[-1] = 1.0
    for a, b, score, _ in edges:
        forward[b] += forward[a] * score
    if forward[-1] <= 0.0:
        return
    for a, b, score, _ in reversed(edges):
        backward[a] += backward[b] * score
    for a, b, score, pair in edges:
        counts[pair] += forward[a] * score * backward[b] / forward[-1]


def _likeliest(word: str, said: str, scores: dict[Pair, float]) -> list[Pair]:
    best: dict[int, tuple[float, list[Pair]]] = {0: (0.0, [])}
    for a, b, score, pair in _lattice(word, said, scores):
        if a in best:
            total = best[a][0] + math.log(score)
            if b not in best or total > best[b][0]:
                best[b] = (total, [*best[a][1], pair])
    return best.get((len(word) + 1) * (len(said) + 1) - 1, (0.0, []))[1]
