"""``recog transcribe``: recordings to text."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from recog.bulk.files import collect
from recog.cli.batch import Running, run_batch
from recog.cli.options import (
    Alpha,
    Beam,
    Beta,
    Failed,
    Files,
    Hotwords,
    Jobs,
    Lm,
    LogProbs,
    Model,
    Names,
    NBest,
    Output,
    Rescore,
    Skip,
    Threads,
)


def transcribe(
    files: Files,
    model: Model = "english-speech",
    format: Annotated[
        Literal["txt", "json", "srt", "vtt", "tsv", "ctm", "textgrid"], typer.Option("--format", "-f")
    ] = "txt",
    output: Output = None,
    beam: Beam = None,
    n_best: NBest = 1,
    lm: Lm = None,
    alpha: Alpha = None,
    beta: Beta = None,
    hotwords: Hotwords = None,
    rescore: Rescore = None,
    log_probs: LogProbs = None,
    skip_existing: Skip = False,
    names: Names = False,
    threads: Threads = 0,
    jobs: Jobs = 0,
    failures: Failed = None,
) -> None:
    """Transcribe recordings: wav, flac, ogg, opus, mp3, aiff, m4a, webm, wma, mp4 and more, of any length."""
    from recog.corpora.files import SOUND_SUFFIXES
    from recog.formats import SUFFIXES

    decoding = {"beam": beam, "n_best": n_best, "lm": lm, "alpha": alpha, "beta": beta, "hotwords": hotwords}
    decoding |= {"rescore": rescore}
    inputs = collect(files, SOUND_SUFFIXES, output, SUFFIXES.get(format, format))
    running = Running(skip_existing, names, threads, jobs, log_probs, failures)
    run_batch("speech", inputs, model, format, decoding, running)
