#!/usr/bin/env python3
"""Whole pages against their PAGE or ALTO files, collection by collection: lines, order, text and
what it costs.

    python scripts/evaluate_pages.py $RECOG_CORPORA/handwriting/pages/* [--page-model runs/pages]
    [--most 10] [--verbose] python scripts/evaluate_pages.py $RECOG_CORPORA/handwriting/pages/*
    letters/ --turn python -m venv peer && peer/bin/pip install rapidocr onnxruntime python
    scripts/evaluate_pages.py $RECOG_CORPORA/handwriting/pages/* --rapidocr peer/bin/python

A folder is a collection; of one with splits the dev pages are read. Printed for each: baseline
precision, recall and F1 (Gruening et al. 2017), each a mean over pages, and the lowest F1; CER of
the pages' texts in reading order, with the 95 % interval over pages; the same against the
reference's lines in the order in which recog would read them (the gap between the two is what the
order alone costs); CER of the same lines where they are given; Kendall's tau of recog's order of
the reference's lines; the share of pages that are lost (a CER above 60 %); CPU seconds a page,
median and most. Texts are normalised by 'diplomatic', and the editorial marks # ⋎ ⟦ ⟧ < > ^ are
taken out.

With --rapidocr the same pages are read by RapidOCR as it is installed, on one thread, in a row
below. It gives boxes: a baseline is taken to run at 0.8 of a box's height. Their order is
RapidOCR's.

With --turn every picture of the folders, with or without a reference, is turned by 0, 90, 180 and
270 degrees: a table says how many were set right in each direction, and what finding lines, order
and direction costs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

import recog
from recog.corpora.data import load_data
from recog.corpora.files import IMAGE_SUFFIXES, walk
from recog.corpora.rows import Row
from recog.evaluation.baselines import BaselineScore, mean_score, score_page
from recog.media.image.reader import read_image
from recog.recognition.dataset import recognise_row
from recog.recognition.handwriting import HandwritingRecogniser
from recog.segment.reading_order import reading_order
from recog.text.normalise import rule

MARKS = str.maketrans("", "", "#⋎⟦⟧<>^")
LOST = 0.6  # CER of a page from which it is lost
SAMPLES, SEED = 2000, 1  # of the bootstrap over pages


RAPIDOCR = """
import json, sys, time, cv2
from rapidocr import RapidOCR
threads = {
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}
engine = RapidOCR(params=threads)
for path in json.load(sys.stdin):
    begin = time.process_time()
    result = engine(cv2.imread(path))
    boxes = [] if result.boxes is None else result.boxes.tolist()
    texts = list(result.txts or ())
    print("RESULT " + json.dumps([time.process_time() - begin, boxes, texts]), flush=True)
"""
FEET = 0.8  # of a box's height, where its baseline is taken to be


@dataclass(frozen=True)
class PageResult:
    """One page: its baselines' score, edits and characters of its texts, and CPU seconds."""

    baselines: BaselineScore
    errors: int
    errors_in_order: int
    errors_given: int
    characters: int
    tau: float
    seconds: float

    @property
    def cer(self) -> float:
        return self.errors / max(1, self.characters)


def plain(text: str) -> str:
    return " ".join(rule("diplomatic")(text).translate(MARKS).split())


def drawn_order(rows: list[Row], width: float) -> tuple[list[Row], list[int]]:
    """The rows that have a baseline, and the order in which recog would read them."""
    drawn = [row for row in rows if row.line is not None and len(row.line.baseline) >= 2]
    return drawn, reading_order(
        [np.asarray(row.line.baseline, np.float64) for row in drawn if row.line is not None], width
    )


def kendall_tau(order: list[int]) -> float:
    """Of an order against 0, 1, 2, ...: 1 where all pairs agree, -1 where none does."""
    place = np.argsort(order)
    pairs = [np.sign(place[k + 1 :] - place[k]).sum() for k in range(len(place) - 1)]
    return float(2 * np.sum(pairs) / (len(place) * (len(place) - 1))) if len(place) > 1 else 1.0


def read_page(reader: HandwritingRecogniser, media: Path, rows: list[Row]) -> PageResult:
    begin = time.process_time()
    transcript = reader.transcribe(media)
    seconds = time.process_time() - begin
    drawn, order = drawn_order(rows, float(transcript.size[0] if transcript.size else 0))
    truth, text = (
        plain(" ".join(line.text for line in lines)) for lines in (rows, transcript.lines)
    )
    rest = [row for row in rows if row not in drawn]
    ordered = plain(" ".join(row.text for row in [*(drawn[k] for k in order), *rest]))
    given = sum(
        Levenshtein.distance(plain(recognise_row(reader, row)), plain(row.text)) for row in rows
    )
    true = [row.line.baseline for row in drawn if row.line is not None]
    return PageResult(
        score_page(true, [line.baseline for line in transcript.lines]),
        Levenshtein.distance(text, truth),
        Levenshtein.distance(text, ordered),
        given,
        len(truth),
        kendall_tau(order),
        seconds,
    )


def read_by_rapidocr(python: str, pages: dict[Path, list[Row]]) -> list[PageResult]:
    """The same of RapidOCR, in one process of the interpreter that it is installed in."""
    asked = json.dumps([str(media) for media in pages])
    done = subprocess.run(
        [python, "-c", RAPIDOCR], input=asked, capture_output=True, text=True, check=True
    )
    answers = [
        json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("RESULT ")
    ]
    results = []
    for rows, (seconds, boxes, texts) in zip(pages.values(), answers, strict=True):
        corners = np.array(boxes, np.float64).reshape(-1, 4, 2)  # from the top left, clockwise
        baselines = [(1 - FEET) * box[:2] + FEET * box[:1:-1] for box in corners]
        true = [
            row.line.baseline
            for row in rows
            if row.line is not None and len(row.line.baseline) >= 2
        ]
        truth, text = plain(" ".join(row.text for row in rows)), plain(" ".join(texts))
        wrong = Levenshtein.distance(text, truth)
        results.append(
            PageResult(score_page(true, baselines), wrong, wrong, 0, len(truth), 0.0, seconds)
        )
    return results


def interval(results: list[PageResult]) -> tuple[float, float]:
    """95 % interval of the CER in percent, by the bootstrap over pages."""
    rng = np.random.default_rng(SEED)
    chosen = rng.integers(len(results), size=(SAMPLES, len(results)))
    errors, characters = (
        np.array(of) for of in zip(*((r.errors, r.characters) for r in results), strict=True)
    )
    low, high = np.percentile(
        100 * errors[chosen].sum(axis=1) / characters[chosen].sum(axis=1), (2.5, 97.5)
    )
    return float(low), float(high)


def row_of(name: str, results: list[PageResult]) -> str:
    mean = mean_score([result.baselines for result in results])
    f1 = [100 * result.baselines.f1 for result in results]
    characters = max(1, sum(result.characters for result in results))
    cer, in_order, given = (
        100 * sum(errors) / characters
        for errors in zip(
            *((r.errors, r.errors_in_order, r.errors_given) for r in results), strict=True
        )
    )
    low, high = interval(results)
    seconds = [result.seconds for result in results]
    lost = 100 * float(np.mean([result.cer > LOST for result in results]))
    return (
        f"{name[:18]:19}{len(results):>5}{100 * mean.precision:>7.1f}{100 * mean.recall:>7.1f}{np.mean(f1):>7.1f}{min(f1):>7.1f}"
        f"{cer:>7.1f} [{low:.1f}, {high:.1f}]".ljust(72)
        + f"{in_order:>6.1f}{given:>7.1f}{np.mean([r.tau for r in results]):>7.3f}{lost:>6.0f}"
        f"{np.median(seconds):>7.1f}{max(seconds):>6.1f}"
    )


def text_table(
    folders: list[Path],
    reader: HandwritingRecogniser,
    most: int,
    verbose: bool,
    rapidocr: str | None,
) -> None:
    """Print a row for each folder, and one for all of their pages."""
    heads = f"{'':19}{'pages':>5}{'prec.':>7}{'recall':>7}{'F1':>7}{'least':>7}{'CER %':>7}".ljust(
        72
    )
    print(heads + f"{'order':>6}{'given':>7}{'tau':>7}{'lost':>6}{'sec.':>7}{'most':>6}")
    everything = []
    for folder in folders:
        pages: dict[Path, list[Row]] = {}
        for row in load_data(folder, quiet=True):
            if row.split in (None, "dev"):
                pages.setdefault(row.media, []).append(row)
        results = []
        for media, rows in list(pages.items())[: most or None]:
            results.append(read_page(reader, media, rows))
            if verbose:
                print(row_of(media.stem, results[-1:]))
        if results:
            print(row_of(folder.name, results), flush=True)
        if results and rapidocr is not None:
            peers = read_by_rapidocr(rapidocr, dict(list(pages.items())[: most or None]))
            print(row_of("  RapidOCR", peers), flush=True)
        everything += results
    print(row_of("all", everything))


def turn_table(folders: list[Path], reader: HandwritingRecogniser) -> None:
    """Print how many pages of each folder are set right, by how they were turned clockwise."""
    print(
        f"{'':24}{'pages':>7}{'0':>7}{'90':>7}{'180':>7}{'270':>7}   CPU seconds, median and most"
    )
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
                back, _ = reader.segment(turned)
                seconds.append(time.process_time() - begin)
                right[turns] += back == turns
                if back != turns:
                    wrong.append(
                        f"{path.name} turned by {90 * turns}: {90 * ((turns - back) % 4)} degrees "
                        "off"
                    )
        total, count = total + right, count + len(pages)
        of = "".join(f"{n:>7}" for n in right)
        print(
            f"{folder.name[:23]:24}{len(pages):>7}{of}   {np.median(seconds):.2f} "
            f"{max(seconds):.2f}",
            flush=True,
        )
        print("".join(f"    {line}\n" for line in wrong), end="")
    print(f"{'all':24}{count:>7}" + "".join(f"{n:>7}" for n in total))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "pages",
        type=Path,
        nargs="+",
        help="folders of page images with PAGE or ALTO files beside them",
    )
    parser.add_argument(
        "--turn", action="store_true", help="only see in which direction each page is read"
    )
    parser.add_argument(
        "--most", type=int, default=0, help="pages to read of each folder; 0 for all"
    )
    parser.add_argument("--verbose", action="store_true", help="print a row for each page, too")
    parser.add_argument("--rapidocr", metavar="PYTHON", help="read the pages by RapidOCR, too")
    parser.add_argument("--model", default="latin-handwriting")
    parser.add_argument("--page-model")
    arguments = parser.parse_args()
    reader = recog.load(arguments.model, layout="page", page_model=arguments.page_model, threads=1)
    assert isinstance(reader, HandwritingRecogniser)
    if arguments.turn:
        turn_table(arguments.pages, reader)
    else:
        text_table(arguments.pages, reader, arguments.most, arguments.verbose, arguments.rapidocr)


if __name__ == "__main__":
    main()
