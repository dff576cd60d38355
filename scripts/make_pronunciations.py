#!/usr/bin/env python3
"""The pronunciations of the shipped english-speech: those of the CMU dictionary, and for other
words what their spelling suggests.

    python scripts/make_pronunciations.py CORPORA OUT.tsv
    python scripts/make_pronunciations.py CORPORA --check

CORPORA is the folder of the corpora (data/README.md says what lies where). The words are those of
english-speech's language model and of the transcripts that it is trained on. `--check` tells how
often spelling says it right, on words of the dictionary that it was not learned from.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from recog.lm.binary import load_lm
from recog.lm.g2p import G2P
from recog.lm.trie import NGramTrie
from recog.model.recogniser_folder import open_recogniser_folder
from recog.text.pronunciations import Pronunciations, encode_pronunciations, read_cmudict
from recog.training.g2p import train_g2p
from recog.training.recogniser.recipe import read_recipe
from recog.training.recogniser.rows import load_rows

RECIPE = Path(__file__).parents[1] / "pipelines" / "speech" / "english-speech.yaml"
HELD = 2_000  # words that --check holds back


def g2p(known: Pronunciations) -> G2P:
    model = train_g2p(
        {word: ways for word, ways in known.items() if word.replace("'", "").isalpha()}
    )
    assert model is not None  # the dictionary is large
    return G2P(NGramTrie.from_ngrams(model))


def check(known: Pronunciations) -> None:
    """Learn from all but some of the words, and say these."""
    from rapidfuzz.distance import Levenshtein

    words = sorted(word for word in known if word.isalpha())
    random.Random(1).shuffle(words)
    held = words[:HELD]
    said = g2p({word: known[word] for word in words[HELD:]}).pronounce(held)
    wrong = [
        min(Levenshtein.distance(one, way) for way in known[word])
        for word, one in zip(held, said, strict=True)
    ]
    sounds = sum(len(known[word][0]) for word in held)
    print(
        f"{HELD} words: {sum(map(bool, wrong)) / HELD:.1%} said wrong, {sum(wrong) / sounds:.1%} "
        "of the sounds"
    )


def wanted(corpora: Path) -> list[str]:
    """The words of the language model and of the transcripts."""
    model_folder = open_recogniser_folder("english-speech")
    lm = load_lm(model_folder.file(model_folder.config.decoding.lm or ""))
    rows = load_rows(read_recipe(RECIPE)).rows
    words = {word for word in lm.words if not word.startswith("<")} | {
        w for row, _ in rows for w in row.text.split()
    }
    return sorted(words)


def pronounce(words: list[str], known: Pronunciations) -> Pronunciations:
    """Each word in all ways of the dictionary, as its stem with an 's, or as it is spelled."""
    found = {word: known[word] if word in known else possessive(word, known) for word in words}
    rest = [word for word, ways in found.items() if not ways]
    found |= {word: (said,) for word, said in zip(rest, g2p(known).pronounce(rest), strict=True)}
    return {word: ways for word, ways in found.items() if any(ways)}


def possessive(word: str, known: Pronunciations) -> tuple[str, ...]:
    """Of a known word's possessive: ``s`` after sounds without voice, ``z`` after others, ``Iz``
    after hissing ones."""
    stem = word.removesuffix("'s")
    if stem == word or stem not in known:
        return ()
    return tuple(
        said + ("Iz" if said[-1] in "szSZCJ" else "s" if said[-1] in "ptkfT" else "z")
        for said in known[stem]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument(
        "--check", action="store_true", help="tell how often spelling says it right"
    )
    arguments = parser.parse_args()
    known = read_cmudict(arguments.corpora / "text" / "cmudict.dict")
    if arguments.check:
        check(known)
    if arguments.out:
        arguments.out.write_bytes(
            encode_pronunciations(pronounce(wanted(arguments.corpora), known))
        )


if __name__ == "__main__":
    main()
