#!/usr/bin/env python3
"""How far word times lie from those of another forced aligner: pocketsphinx, with its own English
acoustic model.

    python -m venv peer && peer/bin/pip install pocketsphinx soundfile python
    scripts/compare_alignments.py FOLDER --layout librispeech --peer peer/bin/python [--limit 40]
    [--model M]

Both align the true texts to the same recordings. Half of the utterances, every second one, fit the
constant offset that a model's ``timing`` may have; the other half is what the medians are of.
Utterances with a word that the peer's dictionary lacks are left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import recog
from recog.corpora import importer
from recog.corpora.data import load_data
from recog.corpora.rows import Row
from recog.decoding.ctc.word_spans import Timing, word_spans
from recog.media.audio.reader import read_sound
from recog.recognition.speech import SpeechRecogniser
from recog.text.normalise import rule
from recog.text.pronunciations import pronounce

PEER = """
import json, sys, soundfile
from pocketsphinx import Decoder
decoder = Decoder(samprate=16000, lm=None, loglevel="FATAL")
results = []
for path, text in json.load(sys.stdin):
    try:
        decoder.set_align_text(text)
        sound, rate = soundfile.read(path, dtype="int16")
        decoder.start_utt()
        decoder.process_raw(sound.tobytes(), full_utt=True)
        decoder.end_utt()
        # frames of 10 ms; an end is the last frame, a pronunciation's number stands in brackets
        words = [
            (s.word.split("(")[0], s.start_frame / 100, (s.end_frame + 1) / 100)
            for s in decoder.seg()
        ]
        results.append([word for word in words if not word[0].startswith(("<", "["))])
    except RuntimeError:
        results.append(None)
json.dump(results, sys.stdout)
"""

Times = NDArray[np.float64]  # (words, 2): start and end in seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder or manifest")
    parser.add_argument(
        "--layout", help="layout of the folder, as for `recog prepare`; else one that recog knows"
    )
    parser.add_argument(
        "--peer", type=Path, required=True, help="a Python with pocketsphinx and soundfile"
    )
    parser.add_argument("--model", default="english-speech")
    parser.add_argument(
        "--sounds",
        action="store_true",
        help="align the sounds that the model hears, not its letters",
    )
    parser.add_argument("--limit", type=int, default=40, help="utterances")
    arguments = parser.parse_args()
    model = recog.load(arguments.model, threads=1)
    if not isinstance(model, SpeechRecogniser):
        sys.exit(f"The model '{arguments.model}' is not for speech.")
    layout = arguments.layout
    rows = list(importer(layout)(arguments.data)) if layout else load_data(arguments.data)
    step = max(1, len(rows) // arguments.limit)
    rows = rows[::step][: arguments.limit]

    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            compared(model, row, Path(folder) / f"{k}.wav", arguments.sounds)
            for k, row in enumerate(rows)
        ]
        peer = ask(arguments.peer, [(path, text) for path, text, _ in pairs])
    ours, theirs = [], []
    for (_, text, times), words in zip(pairs, peer, strict=True):
        if words and [word for word, _, _ in words] == text.split():
            ours.append(times)
            theirs.append(np.array([(start, end) for _, start, end in words]))
    if len(ours) < 2:
        sys.exit("The peer aligned fewer than two utterances; give more, or look at its messages.")
    report(ours, theirs, frame(model), len(rows))


def frame(model: SpeechRecogniser) -> float:
    """Seconds a frame of the model."""
    return model.features.hop * model.config.encoder.subsampling / model.features.sample_rate


def compared(model: SpeechRecogniser, row: Row, path: Path, sounds: bool) -> tuple[str, str, Times]:
    """A row's sound as a file for the peer, its text as both align it, and our word times without
    an offset."""
    wave = read_sound(
        row.media, sample_rate=model.features.sample_rate, start=row.start, end=row.end
    )
    soundfile.write(
        path, read_sound(row.media, sample_rate=16_000, start=row.start, end=row.end), 16_000
    )
    text = rule("spoken")(row.text)
    letters, heard, _ = model.posteriors(wave)
    said = pronounce(text, model.model_folder.pronunciations()) if sounds else None
    if sounds and (said is None or heard is None):
        return str(path), "", np.zeros((0, 2))
    if said is not None and heard is not None:
        symbols = model.config.sounds or ()
        spans = word_spans(
            heard, [symbols.index(sound) for sound in said], symbols, timing=Timing()
        )
    else:
        labels = model.alphabet.encode(text, skip_unknown=True)
        spans = word_spans(letters, labels, model.config.symbols, timing=Timing())
    return (
        str(path),
        text,
        np.array([(span.start, span.end) for span in spans]).reshape(-1, 2) * frame(model),
    )


def ask(python: Path, pairs: list[tuple[str, str]]) -> list[list[tuple[str, float, float]] | None]:
    """The peer's words with their times; None for what it cannot align."""
    done = subprocess.run(
        [str(python), "-c", PEER], input=json.dumps(pairs), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{python} fails: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


def report(ours: list[Times], theirs: list[Times], frame: float, asked: int) -> None:
    fit = np.concatenate(theirs[::2]) - np.concatenate(ours[::2])
    rest = np.concatenate(theirs[1::2]) - np.concatenate(ours[1::2])
    offset = float(np.median(fit))
    print(
        f"{len(ours)} of {asked} utterances; {len(fit)} words to fit the offset, {len(rest)} to "
        "compare"
    )
    print(
        f"offset {1000 * offset:.0f} ms, {offset / frame:.2f} frames (fitted apart: "
        + ", ".join(
            f"{name} {1000 * float(np.median(fit[:, k])):.0f} ms"
            for k, name in enumerate(("starts", "ends"))
        )
        + ")"
    )
    for k, name in enumerate(("starts", "ends")):
        error = 1000 * np.abs(rest[:, k] - offset)
        median, nine = np.percentile(error, (50, 90))
        print(
            f"word {name}: median {median:.0f} ms, 90 % within {nine:.0f} ms, mean "
            f"{error.mean():.0f} ms"
        )


if __name__ == "__main__":
    main()
