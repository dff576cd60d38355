#!/usr/bin/env python3
"""Long recordings and live sound: words lost or won by cutting, memory, and how far partial texts
are behind.

    python scripts/measure_long.py joined FOLDER [--clips 40] [--shuffle SEED] WER of clips, and of
                                                                  the recordings that they join to
    python scripts/measure_long.py hours FOLDER [--hours 3]  peak memory and speed of a long file
    python scripts/measure_long.py live FOLDER [--clips 10]  delay and cost of partial texts

FOLDER holds clips in LibriSpeech's layout. One thread; nothing is kept but with `hours --out FILE`
the long file.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

import recog
from recog.corpora import importer
from recog.corpora.rows import Row
from recog.media.audio.reader import read_sound
from recog.recognition.live import Listener, LiveResult
from recog.recognition.speech import SpeechRecogniser
from recog.segment.speech import Segmenter
from recog.text.normalise import rule

RATE = 16_000
NOISE = 1e-4  # of the pauses between clips: a quiet room

Wave = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("joined", "hours", "live"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="english-speech")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument(
        "--shuffle", type=int, metavar="SEED", help="join them in a random order: voices alternate"
    )
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--kind", choices=("wav", "flac", "ogg"), default="wav")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = sorted(importer("librispeech")(arguments.folder), key=lambda row: row.media)
    if arguments.what == "hours":
        hours(rows, arguments.hours, arguments.kind, arguments.out, arguments.model)
        return
    model = recog.load(arguments.model, threads=1)
    assert isinstance(model, SpeechRecogniser)
    rows = spread(rows, arguments.clips)
    if arguments.shuffle is not None:
        rows = [rows[k] for k in np.random.default_rng(arguments.shuffle).permutation(len(rows))]
    (joined if arguments.what == "joined" else live)(model, rows)


def spread(rows: list[Row], count: int) -> list[Row]:
    """So many rows, evenly from all."""
    return [rows[round(k)] for k in np.linspace(0, len(rows) - 1, min(count, len(rows)))]


def pause(seconds: float, rng: np.random.Generator) -> Wave:
    return (NOISE * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def words_of(model: SpeechRecogniser, wave: Wave) -> list[str]:
    lines = model.lines(Segmenter(RATE).run([wave]))
    return " ".join(line.text for line, _ in lines).split()


def joined(model: SpeechRecogniser, rows: list[Row]) -> None:
    """Each clip alone, and all of them in one recording, with pauses of a second or so and with
    none."""
    normalise = rule(model.config.normalise)
    texts = [normalise(row.text).split() for row in rows]
    waves = [read_sound(row.media) for row in rows]
    total = sum(map(len, texts))
    whole = [text for words in texts for text in words]
    alone = sum(
        Levenshtein.distance(text, words_of(model, wave))
        for text, wave in zip(texts, waves, strict=True)
    )
    print(f"{len(rows)} clips alone: WER {100 * alone / total:.2f} % of {total} words")
    for seconds in (0.0, 0.4, 1.5):
        rng = np.random.default_rng(0)
        parts = [
            part for wave in waves for part in (wave, pause(seconds * rng.uniform(0.5, 1.5), rng))
        ]
        errors = Levenshtein.distance(whole, words_of(model, np.concatenate(parts)))
        print(
            f"joined with pauses of about {seconds:g} s: WER {100 * errors / total:.2f} %",
            flush=True,
        )


def hours(rows: list[Row], length: float, kind: str, out: Path | None, model: str) -> None:
    """A file of the clips again and again, transcribed by the command in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = out or Path(folder) / f"long.{kind}"
        written = 0
        with soundfile.SoundFile(path, "w", RATE, 1) as file:
            for part in endless(rows):
                if written >= length * 3_600 * RATE:
                    break
                file.write(part)
                written += len(part)
        command = [
            sys.executable,
            "-m",
            "recog",
            "transcribe",
            str(path),
            "--threads",
            "1",
            "--model",
            model,
        ]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, cpu = written / RATE, used.ru_utime + used.ru_stime
    print(done.stderr, end="")
    print(
        f"{seconds / 3600:.2f} h of {kind}, exit code {done.returncode}, "
        f"{len(done.stdout.split())} words"
    )
    print(
        f"peak memory {used.ru_maxrss / 1024:.0f} MiB; {wall:.0f} s of wall clock, {cpu:.0f} s of "
        "CPU"
    )
    print(f"{seconds / wall:.0f} times real time, {seconds / cpu:.0f} a CPU-second")


def endless(rows: list[Row]) -> Iterator[Wave]:
    rng = np.random.default_rng(0)
    while True:
        for row in rows:
            yield read_sound(row.media)
            yield pause(float(rng.uniform(0.2, 2.0)), rng)


def live(model: SpeechRecogniser, rows: list[Row]) -> None:
    """Blocks of 0.1 s; time is that of the sound plus what was computed since it was all heard."""
    rng = np.random.default_rng(0)
    wave = np.concatenate(
        [part for row in rows for part in (read_sound(row.media), pause(1.5, rng))]
    )
    listener = Listener(model)
    for _ in listener.feed(pause(1.0, rng) * 1_000):  # whatever is loaded at the first use
        pass
    listener = Listener(model)
    seen: list[tuple[float, list[str]]] = []
    behind, late = [], []
    matched = total = 0
    clock, started = 0.0, time.process_time()
    for at in range(0, len(wave), RATE // 10):
        block = wave[at : at + RATE // 10]
        clock = max(clock, (at + len(block)) / RATE)
        before = time.process_time()
        for heard in listener.feed(block):
            now = clock + time.process_time() - before
            if not heard.is_final:
                seen.append((now, heard.line.text.split()))
                assert heard.line.end is not None
                behind.append(now - heard.line.end)
                continue
            delays = delays_of(seen, heard)
            late += delays
            matched, total = matched + len(delays), total + len(heard.line.words)
            seen = []
        clock += time.process_time() - before
    cpu = time.process_time() - started
    print(f"partial texts are behind the sound by {spoken(behind)} s")
    print(
        f"{matched} of {total} final words stood in a partial text before, {spoken(late)} s after "
        "their end"
    )
    print(
        f"{len(wave) / RATE:.0f} s of sound took {cpu:.1f} s of CPU: "
        f"{100 * cpu * RATE / len(wave):.0f} % of a core"
    )


def delays_of(seen: list[tuple[float, list[str]]], final: LiveResult) -> list[float]:
    """For each word of a final line that a partial text had: from its end to when it first stood
    there."""
    words = [word.text for word in final.line.words]
    first: dict[int, float] = {}
    for now, partial in seen:
        for block in Levenshtein.opcodes(partial, words):
            if block.tag == "equal":
                for at in range(block.dest_start, block.dest_end):
                    first.setdefault(at, now)
    return [now - (final.line.words[at].end or 0.0) for at, now in first.items()]


def spoken(delays: list[float]) -> str:
    half, most = np.percentile(delays, [50, 95])
    return f"{half:.2f} (median), {most:.2f} (95 %), {max(delays):.2f} (most)"


if __name__ == "__main__":
    main()
