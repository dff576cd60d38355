#!/usr/bin/env python3
"""The language models of the shipped recognisers, from public-domain text.

    python scripts/make_language_models.py english-speech CORPORA OUT.bin
    python scripts/make_language_models.py latin-handwriting CORPORA OUT.bin
    python scripts/make_language_models.py latin-handwriting-english CORPORA ENGLISH.bin

CORPORA is the folder of the corpora (data/README.md says what lies where). english-speech gets a
3-gram of words over the transcripts of LibriSpeech's train-clean-100 (its two dev speakers left
out) and English prose; latin-handwriting a 7-gram of characters, interpolated of the transcriptions
that the recogniser was trained on, French prose and English prose, and for English lines another,
of English prose, its English transcriptions, and all of them. Then `recog tune MODEL DATA --lm
OUT.bin --lm-for English=ENGLISH.bin`.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path

from recog.lm.binary import write_binary
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.estimation.mix import mix
from recog.lm.estimation.prune import prune_to
from recog.lm.perplexity import perplexity
from recog.lm.text import read_text
from recog.text.normalise import diplomatic, spoken
from recog.training.recogniser.recipe import read_recipe
from recog.training.recogniser.rows import load_rows

SENTENCE = re.compile(r"(?<=[.!?;:])[\"')\u201d\u2019]*\s+")
# as readers say and LibriSpeech spells them
READ_AS = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint"}
RECIPE = Path(__file__).parents[1] / "pipelines" / "handwriting" / "latin-handwriting.yaml"
# few lines of another kind than the rest; and prose that is there anyway Transcriptions, French
# prose, English prose. Dev, nearly all French, would give English 0.04: 1 % less perplexity there,
# and 12 % more on English lines that are too short to tell.
SAID_TWICE = {"lathrop": 4, "rendered": 0}
SHARES = (0.77, 0.13, 0.1)
ENGLISH_SHARES = (0.15, 0.6, 0.25)  # all transcriptions, English prose, English transcriptions
RARE = (0, 0, 0, 0, 0, 1, 1)  # counts up to which n-grams of each order are left out


def said(text: str) -> str:
    return " ".join(READ_AS.get(word, word) for word in spoken(text).split())


def english_speech(corpora: Path, out: Path) -> None:
    def lines() -> Iterator[str]:
        yield from map(said, read_text([corpora / "text" / "librispeech-train-clean-100.txt.xz"]))
        for paragraph in read_text([corpora / "text" / "en.txt.xz"]):
            for sentence in SENTENCE.split(paragraph):
                words = said(sentence)
                if " " in words:
                    yield words

    model = prune_to(estimate(lines(), unit="word", order=3, vocabulary=80_000), 2_000_000)
    write_binary(model, out, quantise=True)


def transcriptions(corpora: Path, split: str) -> list[tuple[str, str]]:
    """The name of a corpus and the text, of each line of latin-handwriting's recipe."""
    os.environ["RECOG_CORPORA"] = str(corpora)
    return [
        (source.name, row.text)
        for row, source in load_rows(read_recipe(RECIPE)).rows
        if row.split == split
    ]


def prose(path: Path, every: int = 1) -> Iterator[str]:
    for i, paragraph in enumerate(read_text([path])):
        if i % every == 0:
            yield diplomatic(paragraph)


def latin_handwriting(corpora: Path, out: Path) -> None:
    train = [
        text
        for name, text in transcriptions(corpora, "train")
        for _ in range(SAID_TWICE.get(name, 1))
    ]
    french = estimate(
        prose(corpora / "text" / "fr.txt.xz"), unit="character", order=7, cutoffs=RARE
    )
    english = estimate(
        prose(corpora / "text" / "en.txt.xz", 2), unit="character", order=7, cutoffs=RARE
    )
    models = [
        estimate(train, unit="character", order=7),
        prune_to(french, 4_000_000),
        prune_to(english, 2_500_000),
    ]
    mixed = mix(models, SHARES)
    print(perplexity(mixed, [text for _, text in transcriptions(corpora, "dev")]))
    write_binary(prune_to(mixed, 1_200_000), out, quantise=True)


def latin_handwriting_english(corpora: Path, out: Path) -> None:
    train = transcriptions(corpora, "train")
    models = [
        estimate(
            [text for name, text in train for _ in range(SAID_TWICE.get(name, 1))],
            unit="character",
            order=7,
        ),
        prune_to(
            estimate(
                prose(corpora / "text" / "en.txt.xz"), unit="character", order=7, cutoffs=RARE
            ),
            6_000_000,
        ),
        estimate([text for name, text in train if name == "lathrop"], unit="character", order=7),
    ]
    mixed = mix(models, ENGLISH_SHARES)
    print(
        perplexity(
            mixed, [text for name, text in transcriptions(corpora, "dev") if name == "lathrop"]
        )
    )
    write_binary(prune_to(mixed, 1_200_000), out, quantise=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    makers = {
        "english-speech": english_speech,
        "latin-handwriting": latin_handwriting,
        "latin-handwriting-english": latin_handwriting_english,
    }
    parser.add_argument("model", choices=list(makers))
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    makers[arguments.model](arguments.corpora, arguments.out)


if __name__ == "__main__":
    main()
