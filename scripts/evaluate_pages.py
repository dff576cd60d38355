#!/usr/bin/env python3
"""Whole pages against their ALTO or PAGE files: baseline F1, character error rate of the page, and what it costs.

    python scripts/evaluate_pages.py $RECOG_CORPORA/handwriting/pages/peraire --layout alto [--page-model runs/pages]
    python scripts/evaluate_pages.py $RECOG_CORPORA/handwriting/pages/* letters/ --turn

With --turn every picture of the folders, with or without a reference, is turned by 0, 90, 180 and 270 degrees: a table says
how many were set right in each direction, and what finding lines, order and direction costs.

Printed otherwise for each page and over all: baseline precision, recall and F1 (Gruening et al. 2017), CER of the page's text in
reading order, the same against the reference's lines in the order in which recog would read them (the gap between the two
is what the order alone costs), CER of the same lines where they are given, and CPU seconds. Texts are normalised by
'diplomatic', and the editorial marks # ⋎ ⟦ ⟧ < > ^ are taken out. Rows of the dev split are read; of all, where a corpus
has no splits.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

import recog
from recog.corpora import importer
from recog.corpora.files import IMAGE_SUFFIXES, walk
from recog.corpora.manifest import Row
from recog.evaluation.baselines import mean_score, score_page
from recog.media.image import read_image
from recog.ocr import LineReader
from recog.runner import recognise_row
from recog.segment.order import reading_order
from recog.text.normalise import rule

MARKS = str.maketrans("", "", "#⋎⟦⟧<>^")


def plain(text: str) -> str:
    return " ".join(rule("diplomatic")(text).translate(MARKS).split())


def reordered(rows: list[Row], width: float) -> str:
    """Text of a reference page with its lines in recog's reading order; lines without a baseline come last."""
    drawn = [row for row in rows if row.line is not None and len(row.line.baseline) >= 2]
    order = reading_order([np.asarray(row.line.baseline, np.float64) for row in drawn if row.line is not None], width)
    rest = [row for row in rows if row not in drawn]
    return plain(" ".join(row.text for row in [*(drawn[k] for k in order), *rest]))


def turn_table(folders: list[Path], reader: LineReader) -> None:
    """Print how many pages of each folder are set right, by how they were turned clockwise."""
    print(f"{'folder':24}{'pages':>7}{'0':>7}{'90':>7}{'180':>7}{'270':>7}   CPU seconds, median and most")
    total = np.zeros(4, int)
    count = 0
    for folder in folders:
        right, seconds, wrong = np.zeros(4, int), [], []
        pages = [path for path in walk(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
        for path in pages:
            page = read_image(path)
            for turns in range(4):
                turned = np.ascontiguousarray(np.rot90(page, -turns))
                begin = time.process_time()
                found, _ = reader.lines_of(turned)
                seconds.append(time.process_time() - begin)
                right[turns] += found == turns
                if found != turns:
                    wrong.append(f"{path.name} turned by {90 * turns}: {90 * ((turns - found) % 4)} degrees off")
        total, count = total + right, count + len(pages)
        of = "".join(f"{n:>7}" for n in right)
        print(f"{folder.name[:23]:24}{len(pages):>7}{of}   {np.median(seconds):.2f} {max(seconds):.2f}", flush=True)
        print("".join(f"    {line}\n" for line in wrong), end="")
    print(f"{'all':24}{count:>7}" + "".join(f"{n:>7}" for n in total))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--layout", choices=("alto", "page"), default="alto")
    parser.add_argument("--turn", action="store_true", help="only see in which direction each page is read")
    parser.add_argument("--model", default="latin-handwriting")
    parser.add_argument("--page-model")
    arguments = parser.parse_args()
    reader = recog.load(arguments.model, layout="page", page_model=arguments.page_model, threads=1)
    assert isinstance(reader, LineReader)
    if arguments.turn:
        return turn_table(arguments.pages, reader)
    pages: dict[Path, list[Row]] = {}
    for folder in arguments.pages:
        for row in importer(arguments.layout)(folder):
            if row.split in (None, "dev"):
                pages.setdefault(row.media, []).append(row)
    scores, errors, in_order, given, characters, seconds = [], 0, 0, 0, 0, 0.0
    for media, rows in pages.items():
        begin = time.process_time()
        transcript = reader.transcribe(media)
        spent = time.process_time() - begin
        true = [row.line.baseline for row in rows if row.line is not None and len(row.line.baseline) >= 2]
        score = score_page(true, [line.baseline for line in transcript.lines])
        truth = plain(" ".join(row.text for row in rows))
        read = plain(" ".join(line.text for line in transcript.lines))
        wrong = Levenshtein.distance(read, truth)
        ordered = Levenshtein.distance(read, reordered(rows, transcript.size[0] if transcript.size else 0.0))
        of_lines = sum(Levenshtein.distance(plain(recognise_row(reader, row)), plain(row.text)) for row in rows)
        size = sum(len(plain(row.text)) for row in rows)
        print(
            f"{media.name}: {len(true)} lines, {len(transcript.lines)} found, precision {100 * score.precision:.1f}, recall "
            f"{100 * score.recall:.1f}, F1 {100 * score.f1:.1f}; CER {100 * wrong / max(1, len(truth)):.1f} %, in recog's order "
            f"{100 * ordered / max(1, len(truth)):.1f} %, of given lines {100 * of_lines / max(1, size):.1f} %; {spent:.1f} s"
        )
        scores.append(score)
        errors, in_order, given = errors + wrong, in_order + ordered, given + of_lines
        characters, seconds = characters + size, seconds + spent
    f1 = 100 * np.mean([score.f1 for score in scores])
    mean = mean_score(scores)
    print(
        f"{len(scores)} pages: F1 {f1:.1f} (precision {100 * mean.precision:.1f}, recall {100 * mean.recall:.1f}), CER "
        f"{100 * errors / characters:.1f} %, in recog's order {100 * in_order / characters:.1f} %, "
        f"of given lines {100 * given / characters:.1f} %, "
        f"{seconds / len(scores):.1f} s a page"
    )


if __name__ == "__main__":
    main()
