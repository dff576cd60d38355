"""Training of a grapheme-to-phoneme model (Bisani and Ney 2008, sections 2 and 3).

Expectation maximisation aligns the letters of each word with its phones. The model is an n-gram
model of the pairs of a letter and its phones.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict

from recog.lm.estimation.kneser_ney import estimate
from recog.lm.estimation.prune import prune_to
from recog.lm.g2p import NOTHING
from recog.lm.tables import NGrams
from recog.text.pronunciations import Pronunciations

MAX_PHONES = 2  # of a letter, as of "x"
ORDER = 6
NGRAMS = 150_000  # of the pruned model
ITERATIONS = 5
SAMPLE = 10_000  # words that the probabilities of the pairs are estimated on
MIN_COUNT = 0.05  # expected count below which a pair is dropped
MIN_WORDS = 1_000  # to train on
Pair = tuple[str, str]  # a letter and its phones
Edge = tuple[int, int, float, Pair]  # of a lattice: from node, to node, score, pair


def train_g2p(lexicon: Pronunciations, *, seed: int = 1) -> NGrams | None:
    """Train the model of :class:`recog.lm.g2p.G2P` on first pronunciations.

    Returns:
        None if there are too few words.
    """
    words = [
        (word, pronunciations[0])
        for word, pronunciations in lexicon.items()
        if NOTHING not in word + pronunciations[0]
    ]
    if len(words) < MIN_WORDS:
        return None
    cuts = align_letters(words, seed)
    lines = [
        " ".join(letter + (phones or NOTHING) for letter, phones in pairs)
        for pairs in cuts
        if pairs
    ]
    return prune_to(estimate(lines, unit="word", order=ORDER), NGRAMS)


def align_letters(words: list[tuple[str, str]], seed: int = 1) -> list[list[Pair]]:
    """The pairs of each word; empty if no alignment is possible."""
    counts: dict[Pair, float] = defaultdict(float)
    for word, phones in words:  # at first the phones lie along the word evenly
        for i, letter in enumerate(word):
            a, b = round(i * len(phones) / len(word)), round((i + 1) * len(phones) / len(word))
            counts[letter, phones[a:b][:MAX_PHONES]] += 1.0
            counts[letter, ""] += 0.1
            for phone in phones[max(0, a - 1) : b + 1]:
                counts[letter, phone] += 0.3
    sample = random.Random(seed).sample(words, min(SAMPLE, len(words)))
    for _ in range(ITERATIONS):
        scores = _probabilities(counts)
        counts = defaultdict(float)
        for word, phones in sample:
            _add_expected_counts(word, phones, scores, counts)
    scores = _probabilities(counts)
    return [_best_cut(word, phones, scores) for word, phones in words]


def _probabilities(counts: dict[Pair, float]) -> dict[Pair, float]:
    frequent = {pair: count for pair, count in counts.items() if count > MIN_COUNT}
    total = sum(frequent.values())
    return {pair: count / total for pair, count in frequent.items()}


def _lattice(word: str, phones: str, scores: dict[Pair, float]) -> list[Edge]:
    """The edges of all alignments; a node is the number of a (letters, phones) cell."""
    edges, width = [], len(phones) + 1
    for i, letter in enumerate(word):
        for j in range(width):
            for k in range(min(MAX_PHONES, len(phones) - j) + 1):
                score = scores.get((letter, phones[j : j + k]))
                if score is not None:
                    edges.append(
                        (i * width + j, (i + 1) * width + j + k, score, (letter, phones[j : j + k]))
                    )
    return edges


def _add_expected_counts(
    word: str, phones: str, scores: dict[Pair, float], counts: dict[Pair, float]
) -> None:
    """Add the expected count of each pair in a word, by forward-backward over its lattice."""
    edges = _lattice(word, phones, scores)
    size = (len(word) + 1) * (len(phones) + 1)
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


def _best_cut(word: str, phones: str, scores: dict[Pair, float]) -> list[Pair]:
    best: dict[int, tuple[float, list[Pair]]] = {0: (0.0, [])}
    for a, b, score, pair in _lattice(word, phones, scores):
        if a in best:
            total = best[a][0] + math.log(score)
            if b not in best or total > best[b][0]:
                best[b] = (total, [*best[a][1], pair])
    return best.get((len(word) + 1) * (len(phones) + 1) - 1, (0.0, []))[1]
