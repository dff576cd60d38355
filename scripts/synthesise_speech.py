#!/usr/bin/env python3
"""More training speech for spelling, not for voices: sentences read by flite's four American and
Scottish voices.

    apt-get install flite cd $RECOG_CORPORA; python .../scripts/synthesise_speech.py
    text/librispeech-train-clean-100.txt.xz speech/flite

Writes OUT/NAME.opus (16 kHz mono) and OUT/transcripts.tsv (path, voice, text): what `layout: tsv`
with the columns `path,group,text` reads. Some 20 times real time on one core. flite is free to use
for any purpose (its licence is of the BSD kind), the voices are CMU's. A killed run goes on; the
same seed gives the same sentences, voices and speeds.
"""

from __future__ import annotations

import argparse
import lzma
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

VOICES = {"rms": 0.3, "slt": 0.33, "awb": 0.3, "kal16": 0.07}  # and how often each reads
LENGTHS = range(40, 191)  # characters of a sentence


def sentences(path: Path) -> list[str]:
    """The lines of a text, plain or .xz, that are neither too short nor too long."""
    raw = path.read_bytes()
    lines = (lzma.decompress(raw) if path.suffix == ".xz" else raw).decode("utf-8").splitlines()
    return [line.strip().lower() for line in lines if len(line.strip()) in LENGTHS]


def speak(text: str, voice: str, stretch: float) -> tuple[np.ndarray, int]:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = [
            "flite",
            "-voice",
            voice,
            "--setf",
            f"duration_stretch={stretch}",
            "-t",
            text,
            "-o",
            file.name,
        ]
        subprocess.run(command, check=True)
        samples, rate = soundfile.read(file.name, dtype="float32")
    return samples / max(1e-6, float(np.abs(samples).max())), rate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path, help="a sentence a line")
    parser.add_argument("out", type=Path)
    parser.add_argument("--hours", type=float, default=3.6)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(arguments.seed)
    texts = sentences(arguments.text)
    rng.shuffle(texts)
    rows, seconds = [], 0.0
    for number, text in enumerate(texts):
        voice = rng.choices(list(VOICES), list(VOICES.values()))[0]
        stretch, gain = round(rng.uniform(0.85, 1.2), 2), 10 ** rng.uniform(-0.8, -0.1)
        path = arguments.out / f"fl-{number:05d}.opus"
        if not path.exists():
            samples, rate = speak(text, voice, stretch)
            beside = path.with_suffix(".part")
            soundfile.write(
                beside, gain * samples, rate, format="OGG", subtype="OPUS", compression_level=0.9
            )
            beside.replace(path)
        info = soundfile.info(path)
        seconds += info.frames / info.samplerate
        rows.append(f"{path.name}\t{voice}\t{text}\n")
        if seconds > 3600 * arguments.hours:
            break
    (arguments.out / "transcripts.tsv").write_text("".join(rows), encoding="utf-8")
    print(f"{len(rows)} sentences, {seconds / 3600:.2f} hours")


if __name__ == "__main__":
    main()
