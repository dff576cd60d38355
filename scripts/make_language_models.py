#!/usr/bin/env python3
"""The language models of the shipped recognisers, from public-domain text.

    python scripts/make_language_models.py english-speech CORPORA OUT.bin
    python scripts/make_language_models.py latin-handwriting CORPORA OUT.bin
    python scripts/make_language_models.py latin-handwriting-english CORPORA ENGLISH.bin [TEXT ...]
    python scripts/make_language_models.py latin-handwriting-german CORPORA GERMAN.bin
    python scripts/make_language_models.py latin-handwriting-spanish CORPORA SPANISH.bin

CORPORA is the folder of the corpora (data/README.md says what lies where). english-speech gets a
3-gram of words over the transcripts of LibriSpeech's train-clean-100 (its two dev speakers left
out) and English prose. latin-handwriting gets 7-grams of characters, each interpolated of the
transcriptions that the recogniser was trained on and of prose: one for French and whatever is no
other language, one each for English, German and Spanish lines. TEXT are further English
transcriptions, a line each. Then `recog tune MODEL DATA --lm OUT.bin --lm-for English=ENGLISH.bin
--lm-for German=GERMAN.bin --lm-for Spanish=SPANISH.bin`.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from recog.lm.binary import write_binary
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.estimation.mix import mix
from recog.lm.estimation.prune import prune_to
from recog.lm.perplexity import perplexity
from recog.lm.tables import NGrams
from recog.lm.text import read_text
from recog.text.normalise import diplomatic, spoken
from recog.training.recogniser.recipe import read_recipe
from recog.training.recogniser.rows import load_rows

SENTENCE = re.compile(r"(?<=[.!?;:])[\"')\u201d\u2019]*\s+")
# as readers say and LibriSpeech spells them
READ_AS = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint"}
RECIPE = Path(__file__).parents[1] / "pipelines" / "handwriting" / "latin-handwriting.yaml"
# repeats: few lines of another kind than the rest; 0 for prose that is there anyway
REPEATS = {"lathrop": 4, "rendered": 0}
LANGUAGES = {"German": {"leopold", "fondue-de-18"}, "Spanish": {"htrogene-es"}}  # corpora of others
# Transcriptions, French prose, English prose. Dev, nearly all French, would give English 0.04: 1 %
# less perplexity there, and 12 % more on English lines that are too short to tell.
SHARES = (0.77, 0.13, 0.1)
ENGLISH_SHARES = (0.15, 0.6, 0.25)  # all transcriptions, English prose, English transcriptions
GERMAN_SHARES = (0.1, 0.25, 0.65)  # all transcriptions, German prose, German transcriptions
SPANISH_SHARES = (0.2, 0.8)  # all transcriptions, Spanish ones
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


def characters(texts: Iterable[str]) -> NGrams:
    return estimate(texts, unit="character", order=7)


def prose_model(path: Path, size: int, every: int = 1) -> NGrams:
    return prune_to(estimate(prose(path, every), unit="character", order=7, cutoffs=RARE), size)


def repeated(rows: list[tuple[str, str]], without: Collection[str] = ()) -> list[str]:
    return [text for name, text in rows if name not in without for _ in range(REPEATS.get(name, 1))]


def write(
    models: list[NGrams], shares: tuple[float, ...], size: int, dev: list[str], out: Path
) -> None:
    mixed = prune_to(mix(models, shares), size)
    print(perplexity(mixed, dev))
    write_binary(mixed, out, quantise=True)


def latin_handwriting(corpora: Path, out: Path) -> None:
    others = set().union(*LANGUAGES.values())
    models = [
        characters(repeated(transcriptions(corpora, "train"), others)),
        prose_model(corpora / "text" / "fr.txt.xz", 4_000_000),
        prose_model(corpora / "text" / "en.txt.xz", 2_500_000, every=2),
    ]
    dev = [text for name, text in transcriptions(corpora, "dev") if name not in others]
    write(models, SHARES, 1_400_000, dev, out)


def latin_handwriting_english(corpora: Path, out: Path, more: Sequence[Path]) -> None:
    train = transcriptions(corpora, "train")
    english = [text for name, text in train if name == "lathrop"]
    models = [
        characters(repeated(train)),
        prose_model(corpora / "text" / "en.txt.xz", 6_000_000),
        characters([*english, *map(diplomatic, read_text(more))] if more else english),
    ]
    dev = [text for name, text in transcriptions(corpora, "dev") if name == "lathrop"]
    write(models, ENGLISH_SHARES, 1_200_000, dev, out)


def latin_handwriting_of(language: str, corpora: Path, out: Path) -> None:
    names, train = LANGUAGES[language], transcriptions(corpora, "train")
    ours = characters([text for name, text in train if name in names])
    dev = [text for name, text in transcriptions(corpora, "dev") if name in names]
    if language == "German":
        novels = prose_model(corpora / "text" / "de.txt.xz", 4_000_000, every=3)
        write([characters(repeated(train)), novels, ours], GERMAN_SHARES, 1_000_000, dev, out)
    else:
        write([characters(repeated(train)), ours], SPANISH_SHARES, 500_000, dev, out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    makers: dict[str, Callable[[Path, Path], None]] = {
        "english-speech": english_speech,
        "latin-handwriting": latin_handwriting,
        "latin-handwriting-german": partial(latin_handwriting_of, "German"),
        "latin-handwriting-spanish": partial(latin_handwriting_of, "Spanish"),
    }
    english = "latin-handwriting-english"
    parser.add_argument("model", choices=[*makers, english])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("text", type=Path, nargs="*")
    arguments = parser.parse_args()
    if arguments.model == english:
        latin_handwriting_english(arguments.corpora, arguments.out, arguments.text)
    else:
        makers[arguments.model](arguments.corpora, arguments.out)


if __name__ == "__main__":
    main()
