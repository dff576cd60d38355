#!/usr/bin/env python3
"""recog and other recognisers on the same lines or clips: error rates with 95 % intervals, and CPU
time.

    python -m venv peer && peer/bin/pip install rapidocr onnxruntime  # for sound: pocketsphinx
    python scripts/compare_peers.py DATA --rapidocr peer/bin/python --tesseract tesseract
    python scripts/compare_peers.py DATA --pocketsphinx peer/bin/python

DATA is a manifest or a folder; of rows with a split, those of --split are taken. Everybody gets the
same images, cut out as recog cuts them, or the same sound, 16 kHz mono, and one thread. Each is run
as it is installed: recog with its language model, RapidOCR's recogniser alone (a line has no lines
to be found), Tesseract on a single line (--psm 7) with --tesseract-languages, pocketsphinx with its
own English models. Texts are compared by --normalise, the model's own rule unless given, and rows
whose text is then empty left out. CPU seconds are of the recogniser's process, without its start
where that can be told (not Tesseract's, which starts for each line).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import soundfile

import recog
from recog.corpora.data import load_data, modality
from recog.corpora.line_images import line_image
from recog.corpora.rows import Row
from recog.evaluation.counts import Pair
from recog.evaluation.inputs.normalisation import normalisation
from recog.evaluation.score import evaluate
from recog.media.audio.reader import read_sound
from recog.recognition.dataset import recognise_row

RATE = 16_000
RAPIDOCR = """
import json, sys, time, cv2
from rapidocr import RapidOCR
engine = RapidOCR(params={
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
})
texts, begin = [], time.process_time()
for path in json.load(sys.stdin):
    found = engine(cv2.imread(path), use_det=False, use_cls=False, use_rec=True)
    texts.append(" ".join(found.txts or ()))
print("RESULT " + json.dumps([time.process_time() - begin, texts]))
"""
POCKETSPHINX = """
import json, sys, time, wave
from pocketsphinx import Decoder
decoder = Decoder(samprate=16000, loglevel="FATAL")
texts, begin = [], time.process_time()
for path in json.load(sys.stdin):
    with wave.open(path) as file:
        sound = file.readframes(file.getnframes())
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    best = decoder.hyp()
    texts.append(best.hypstr if best else "")
print("RESULT " + json.dumps([time.process_time() - begin, texts]))
"""
Answer = tuple[float, list[str]]  # CPU seconds, and a text for each row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument(
        "--limit", type=int, default=0, help="only so many rows, spread over all; 0 for all"
    )
    parser.add_argument("--model", help="by default the shipped one for this kind of media")
    parser.add_argument("--normalise", help="a rule of recog evaluate")
    parser.add_argument("--rapidocr", metavar="PYTHON")
    parser.add_argument("--pocketsphinx", metavar="PYTHON")
    parser.add_argument("--tesseract", metavar="PROGRAM")
    parser.add_argument("--tesseract-languages", default="fra+eng")
    arguments = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"):
        os.environ[name] = "1"
    rows = [row for row in load_data(arguments.data) if row.split in (None, arguments.split)]
    sound = modality(rows) == "speech"
    model = arguments.model or ("english-speech" if sound else "latin-handwriting")
    recogniser = recog.load(model, threads=1)
    rule = normalisation(arguments.normalise or recogniser.config.normalise)
    rows = [row for row in rows if rule(row.text)]
    if arguments.limit and arguments.limit < len(rows):
        rows = [rows[k] for k in np.linspace(0, len(rows) - 1, arguments.limit).round().astype(int)]
    recogniser.warm_up()

    def own(_paths: list[str]) -> Answer:
        begin = time.process_time()
        texts = [recognise_row(recogniser, row) for row in rows]
        return time.process_time() - begin, texts

    contestants: dict[str, Callable[[list[str]], Answer]] = {f"recog, {model}": own}
    for name, python, program in (
        ("RapidOCR", arguments.rapidocr, RAPIDOCR), ("pocketsphinx", arguments.pocketsphinx,
        POCKETSPHINX),
    ):  # fmt: skip
        if python:
            contestants[name] = lambda paths, python=python, program=program: in_environment(
                python, program, paths
            )
    if arguments.tesseract:
        contestants["Tesseract"] = lambda paths: tesseract(
            arguments.tesseract, arguments.tesseract_languages, paths
        )
    print(f"{arguments.data}: {len(rows)} rows, compared by the rule {rule.name}.\n")
    print("| | CER % | WER % | CPU seconds a row |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        paths = [write(row, Path(folder) / f"{k:06d}", sound) for k, row in enumerate(rows)]
        for name, recognise in contestants.items():
            seconds, texts = recognise(paths)
            pairs = [
                Pair(str(k), row.text, text, row.group)
                for k, (row, text) in enumerate(zip(rows, texts, strict=True))
            ]
            result = evaluate(pairs, normalise=rule)
            cer, wer = (
                f"{100 * counts.rate:.1f}"
                + (f" [{100 * low_high[0]:.1f}, {100 * low_high[1]:.1f}]" if low_high else "")
                for counts, low_high in (
                    (result.cer, result.cer_interval),
                    (result.wer, result.wer_interval),
                )
            )
            print(f"| {name} | {cer} | {wer} | {seconds / len(rows):.3f} |", flush=True)


def write(row: Row, beside: Path, sound: bool) -> str:
    """The row's image or sound as a file of its own."""
    if sound:
        path = str(beside.with_suffix(".wav"))
        soundfile.write(
            path,
            read_sound(row.media, sample_rate=RATE, start=row.start, end=row.end),
            RATE,
            subtype="PCM_16",
        )
        return path
    path = str(beside.with_suffix(".png"))
    cv2.imwrite(path, line_image(row))
    return path


def in_environment(python: str, program: str, paths: list[str]) -> Answer:
    """What a program says in another environment of Python."""
    done = subprocess.run(
        [python, "-c", program],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            seconds, texts = json.loads(line.removeprefix("RESULT "))
            return seconds, texts
    sys.exit(f"{python}: {done.stderr.strip().splitlines()[-1:] or 'said nothing'}")


def tesseract(program: str, languages: str, paths: list[str]) -> Answer:
    def spent() -> float:
        of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return of_children.ru_utime + of_children.ru_stime

    begin, texts = spent(), []
    for path in paths:
        command = [program, path, "-", "--psm", "7", "-l", languages]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{program}: {done.stderr.strip()}")
        texts.append(" ".join(done.stdout.split()))
    return spent() - begin, texts


if __name__ == "__main__":
    main()
