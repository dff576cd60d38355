#!/usr/bin/env python3
"""The pronunciations of the shipped english-speech: those of the CMU dictionary, and for other words what their spelling
suggests.

    python scripts/make_pronunciations.py CORPORA OUT.tsv

CORPORA is the folder of the corpora (data/README.md says what lies where). The words are those of english-speech's language
model and of the transcripts that it is trained on. Where the dictionary lacks one, it is said as its spelling suggests by a
joint-sequence model (Bisani and Ney 2008, "Joint-sequence models for grapheme-to-phoneme conversion"): the dictionary's
words are cut into letters with the sounds that they stand for, by expectation maximisation, and an n-gram model of
these pairs says the rest. `--check` tells how often it is right, on words that it has not seen.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recog.lm.binary import load_lm
from recog.lm.kneser_ney import estimate
from recog.lm.trie import NGramTrie
from recog.model.bundle import open_bundle
from recog.text.pronunciations import Pronunciations, pronunciations_bytes, read_cmudict
from recog.training.data import load_rows
from recog.training.recipe import read_recipe

RECIPE = Path(__file__).parents[1] / "pipelines" / "speech" / "english-speech.yaml"
SOUNDS_A_LETTER = 2  # that it may stand for, at most: "x" for two
ORDER = 7
ROUNDS = 6
SAMPLE = 15_000  # words that the shares are estimated on
BEAM = 40
NOTHING = "-"  # no sound of ARPABET
Pair = tuple[str, str]  # a letter and its sounds


def cuttings(word: str, said: str, scores: dict[Pair, float]) -> list[tuple[int, int, float, Pair]]:
    """The edges of the lattice of all ways to share the sounds out to the letters: from a place (letters, sounds) to the
    next, as numbers, with its score and what it is."""
    edges, width = [], len(said) + 1
    for i, letter in enumerate(word):
        for j in range(width):
            for k in range(min(SOUNDS_A_LETTER, len(said) - j) + 1):
                pair = (letter, said[j : j + k])
                edges.append((i * width + j, (i + 1) * width + j + k, scores.get(pair, 0.0), pair))
    return edges


def share_out(words: list[tuple[str, str]]) -> list[list[Pair]]:
    """Each word cut into letters with their sounds: expectation maximisation, and the best cutting at the end."""
    counts: dict[Pair, float] = Counter()
    for word, said in words:  # at first sounds lie along the word evenly
        for i, letter in enumerate(word):
            a, b = round(i * len(said) / len(word)), round((i + 1) * len(said) / len(word))
            counts[letter, said[a:b][:SOUNDS_A_LETTER]] += 1.0
            counts[letter, ""] += 0.1
            for sound in said[max(0, a - 1) : b + 1]:
                counts[letter, sound] += 0.3
    sample = random.Random(1).sample(words, min(SAMPLE, len(words)))
    for _ in range(ROUNDS):
        scores = shares(counts)
        counts = Counter()
        for word, said in sample:
            expect(word, said, scores, counts)
    scores = shares(counts)
    return [best_cutting(word, said, scores) for word, said in words]


def shares(counts: dict[Pair, float]) -> dict[Pair, float]:
    """Of all pairs, without those that hardly occur."""
    kept = {pair: count for pair, count in counts.items() if count > 0.05}
    total = sum(kept.values())
    return {pair: count / total for pair, count in kept.items()}


def expect(word: str, said: str, scores: dict[Pair, float], counts: dict[Pair, float]) -> None:
    """Add how often each pair is to be expected in a word."""
    edges = [edge for edge in cuttings(word, said, scores) if edge[2] > 0.0]
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


def best_cutting(word: str, said: str, scores: dict[Pair, float]) -> list[Pair]:
    """The most probable one; none where there is no way."""
    best: dict[int, tuple[float, list[Pair]]] = {0: (0.0, [])}
    for a, b, score, pair in cuttings(word, said, scores):
        if a in best and score > 0.0:
            total = best[a][0] + math.log(score)
            if b not in best or total > best[b][0]:
                best[b] = (total, [*best[a][1], pair])
    return best.get((len(word) + 1) * (len(said) + 1) - 1, (0.0, []))[1]


class Spelled:
    """Says words as their spelling suggests.

    Args:
        known: words to learn from.
    """

    def __init__(self, known: Pronunciations) -> None:
        words = [(word, ways[0]) for word, ways in known.items() if word.replace("'", "").isalpha()]
        lines = [" ".join(f"{letter}{sounds or NOTHING}" for letter, sounds in cut) for cut in share_out(words) if cut]
        self.lm = NGramTrie.from_ngrams(estimate(lines, unit="word", order=ORDER, cutoffs=(0, 0, 0, 1, 1, 1, 1)))
        self.ways: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for i, token in enumerate(self.lm.words):
            if not token.startswith("<"):
                self.ways[token[0]].append((i, token[1:].replace(NOTHING, "")))

    def say(self, word: str) -> str:
        """The most probable pronunciation, by beam search; empty where a letter was never seen."""
        begin, end = self.lm.index["<s>"], self.lm.index["</s>"]
        scores, states, said = np.zeros(1), np.array([1 + begin], np.int64), [""]
        for letter in word:
            ways = self.ways.get(letter)
            if not ways:
                return ""
            before = np.repeat(np.arange(len(scores)), len(ways))
            ids = np.tile(np.array([i for i, _ in ways]), len(scores))
            log_prob, after = self.lm.advance(states[before], ids)
            total = scores[before] + log_prob
            kept = np.argsort(-total)[:BEAM]
            said = [said[before[k]] + ways[k % len(ways)][1] for k in kept]
            scores, states = total[kept], after[kept]
        scores = scores + self.lm.advance(states, np.full(len(states), end))[0]
        sums: dict[str, float] = defaultdict(lambda: -math.inf)  # several cuttings say the same
        for text, score in zip(said, scores, strict=True):
            sums[text] = float(np.logaddexp(sums[text], score))
        return max(sums, key=lambda text: sums[text])


def wanted(corpora: Path) -> set[str]:
    """The words of the language model and of the transcripts."""
    bundle = open_bundle("english-speech")
    lm = load_lm(bundle.file(bundle.config.decoding.lm or ""))
    rows = load_rows(read_recipe(RECIPE)).rows
    return {word for word in lm.words if not word.startswith("<")} | {w for row, _ in rows for w in row.text.split()}


def check(known: Pronunciations) -> None:
    """Learn from nine tenths of the words, say the rest."""
    from rapidfuzz.distance import Levenshtein

    words = sorted(word for word in known if word.isalpha())
    random.Random(1).shuffle(words)
    held = words[: min(2000, len(words) // 10)]
    model = Spelled({word: known[word] for word in words[len(held) :]})
    wrong = [min(Levenshtein.distance(model.say(word), way) for way in known[word]) for word in held]
    sounds = sum(len(known[word][0]) for word in held)
    print(
        f"{len(held)} words: {sum(map(bool, wrong)) / len(held):.1%} said wrong, {sum(wrong) / sounds:.1%} of the sounds"
    )


def said_words(words: Iterable[str], known: Pronunciations) -> Pronunciations:
    """The dictionary's where there are any (the usual way alone), else by spelling; words with an ending that the
    dictionary lacks are its words with it."""
    model = Spelled(known)
    found = {}
    for word in sorted(words):
        said = known[word][0] if word in known else possessive(word, known) or model.say(word)
        if said:
            found[word] = (said,)
    return found


def possessive(word: str, known: Pronunciations) -> str | None:
    """Of a known word's possessive: ``s`` after sounds without voice, ``z`` after others, ``Iz`` after hissing ones."""
    stem = word.removesuffix("'s")
    if stem == word or stem not in known:
        return None
    said = known[stem][0]
    return said + ("Iz" if said[-1] in "szSZCJ" else "s" if said[-1] in "ptkfT" else "z")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--check", action="store_true", help="tell how often spelling says it right")
    arguments = parser.parse_args()
    known = read_cmudict(arguments.corpora / "text" / "cmudict.dict")
    if arguments.check:
        check(known)
    if arguments.out:
        arguments.out.write_bytes(pronunciations_bytes(said_words(wanted(arguments.corpora), known)))


if __name__ == "__main__":
    main()
