"""``recog transcribe``: recordings to text."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from recog.batch.files import collect
from recog.cli.batch import BatchOptions, run_batch
from recog.cli.live import run_live
from recog.cli.options import (
    Alpha,
    Beam,
    Beta,
    Engine,
    Failed,
    Hotwords,
    Jobs,
    Lm,
    LogProbs,
    Looks,
    Model,
    Names,
    NBest,
    Output,
    Rescore,
    Skip,
    Threads,
)
from recog.errors import UsageError

MAX_CHANNELS = 1_024


def transcribe(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES|FOLDERS|URLS...", help="What to read; - is standard input."),
    ] = None,
    model: Model = "english-speech",
    format: Annotated[
        Literal["txt", "json", "srt", "vtt", "tsv", "ctm", "textgrid"],
        typer.Option("--format", "-f"),
    ] = "txt",
    output: Output = None,
    looks: Looks = None,
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
    engine: Engine = "local",
    channels: Annotated[
        str,
        typer.Option(
            metavar="mix|each|N",
            help="Channels of a recording: mixed, a transcript of each, or one, from 1.",
        ),
    ] = "mix",
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="The microphone, or - for raw 16-bit mono samples, as the sound comes in.",
        ),
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            min=1_000,
            max=1_000_000,
            help="Samples a second of --live (16000 for a pipe).",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="Microphone of --live: a number or part of a name."),
    ] = None,
) -> None:
    """Transcribe recordings: wav, flac, ogg, opus, mp3, aiff, m4a, webm, wma, mp4 and more, of any
    length."""
    from recog.corpora.files import SOUND_SUFFIXES
    from recog.formats import SUFFIXES

    decoding = {
        "beam": beam,
        "n_best": n_best,
        "lm": lm,
        "alpha": alpha,
        "beta": beta,
        "hotwords": hotwords,
    }
    decoding |= {"looks": looks, "rescore": rescore, "channels": channels_of(channels)}
    if live:
        batch: dict[str, object] = {
            "--output": output,
            "--skip-existing": skip_existing,
            "--log-probs": log_probs,
            "--failures": failures,
        }
        batch |= {"--names": names, "--jobs": jobs, "--engine": engine != "local"}
        batch |= {"--channels": channels != "mix"}
        run_live(
            files or [],
            model,
            format,
            decoding,
            rate,
            device,
            batch_options=[name for name in batch if batch[name]],
        )
        return
    if rate is not None or device is not None:
        raise UsageError("--rate and --device belong to --live.")
    if not files:
        raise UsageError(
            "Give FILES or FOLDERS to transcribe, - for standard input, or --live to speak."
        )
    inputs = collect(files, SOUND_SUFFIXES, output, SUFFIXES.get(format, format))
    running = BatchOptions(skip_existing, names, threads, jobs, log_probs, failures, engine)
    run_batch("speech", inputs, model, format, decoding, running)


def channels_of(text: str) -> str | int:
    """What ``--channels`` says.

    Raises:
        UsageError: it is none of mix, each and a number from 1.
    """
    if text in ("mix", "each"):
        return text
    if text.isdecimal() and 1 <= int(text) <= MAX_CHANNELS:
        return int(text)
    raise UsageError(
        f"--channels is '{text}'; it must be mix, each, or the number of a channel, from 1."
    )
