#!/usr/bin/env python3
"""How fast the shipped models run: lines a second and times real time, start-up excluded.

    python scripts/bench_speed.py lines FOLDER [--threads N] [--augment never]   images of lines
    python scripts/bench_speed.py speech FOLDER [--threads N] [--augment never]  recordings

Reading the files is counted, loading the model is not. One pass to warm up over the first few
files, then one over all.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import recog
from recog.cli.options import LOOKS
from recog.corpora.files import IMAGE_SUFFIXES, SOUND_SUFFIXES
from recog.util.parallel import cores, parallel


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("lines", "speech"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--augment", choices=tuple(LOOKS), help="test-time augmentation")
    arguments = parser.parse_args()
    suffixes = IMAGE_SUFFIXES if arguments.kind == "lines" else SOUND_SUFFIXES
    files = sorted(p for p in arguments.folder.rglob("*") if p.suffix.lower() in suffixes)[
        : arguments.limit
    ]
    name = arguments.model or (
        "latin-handwriting" if arguments.kind == "lines" else "english-speech"
    )
    model = recog.load(name, threads=1, looks=LOOKS.get(arguments.augment))
    for file in files[:4]:
        model.transcribe(file)
    wall, cpu = time.perf_counter(), time.process_time()
    results = list(parallel(model.transcribe, files, arguments.threads))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{name}: {len(files)} files, {arguments.threads} threads, {wall:.1f} s of wall clock, "
        f"{cpu:.1f} s of CPU"
    )
    if arguments.kind == "lines":
        print(f"{len(files) / wall:.1f} lines a second, {len(files) / cpu:.1f} a CPU-second")
    else:
        seconds = sum(result.duration or 0.0 for result in results)
        print(
            f"{seconds:.0f} s of sound: {seconds / wall:.0f} times real time, {seconds / cpu:.0f} "
            "a CPU-second"
        )


if __name__ == "__main__":
    main()
