"""``recog transcribe``: recordings to text."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from recog.batch.files import collect
from recog.cli.batch import run_batch
from recog.cli.live import run_live
from recog.cli.options import BatchOptions, DecodingOptions, Model, Output, with_option_groups
from recog.errors import UsageError

MAX_CHANNELS = 1_024


@with_option_groups
def transcribe(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES|FOLDERS|URLS...", help="Recordings; - is standard input."),
    ] = None,
    model: Model = "english-speech",
    format: Annotated[
        Literal["txt", "json", "srt", "vtt", "tsv", "ctm", "textgrid"],
        typer.Option("--format", "-f", help="Format of the transcripts."),
    ] = "txt",
    output: Output = None,
    channels: Annotated[
        str,
        typer.Option(
            metavar="mix|each|N",
            help="Channels: mixed, transcribed each on its own, or one by number, from 1.",
        ),
    ] = "mix",
    decoding: DecodingOptions = DecodingOptions(),
    batch: BatchOptions = BatchOptions(),
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Transcribe the microphone, or with - raw 16-bit mono samples, in real time.",
        ),
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option(
            min=1_000, max=1_000_000, help="Sampling rate of --live in Hz (16000 for a pipe)."
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Microphone of --live: a number or part of its name.")
    ] = None,
) -> None:
    """Transcribe recordings of any length.

    Formats are wav, flac, ogg, opus, mp3, aiff, m4a, webm, wma, mp4 and more.
    """
    from recog.corpora.files import SOUND_SUFFIXES
    from recog.formats import SUFFIXES

    keywords = {**decoding.keywords(), "channels": parse_channels(channels)}
    if live:
        batch_options: dict[str, object] = {
            "--output": output,
            "--skip-existing": batch.skip_existing,
            "--log-probs": batch.log_probs,
            "--failures": batch.failures,
            "--names": batch.names,
            "--jobs": batch.jobs,
            "--engine": batch.engine != "local",
            "--channels": channels != "mix",
        }
        refused = [name for name, value in batch_options.items() if value]
        run_live(files or [], model, format, keywords, rate, device, batch_options=refused)
        return
    if rate is not None or device is not None:
        raise UsageError("--rate and --device belong to --live.")
    if not files:
        raise UsageError(
            "Give FILES or FOLDERS to transcribe, - for standard input, or --live to speak."
        )
    inputs = collect(files, SOUND_SUFFIXES, output, SUFFIXES.get(format, format))
    run_batch("speech", inputs, model, format, keywords, batch)


def parse_channels(text: str) -> str | int:
    """The value of ``--channels``: "mix", "each" or the number of a channel.

    Raises:
        UsageError: the text is none of them.
    """
    if text in ("mix", "each"):
        return text
    if text.isdecimal() and 1 <= int(text) <= MAX_CHANNELS:
        return int(text)
    raise UsageError(
        f"--channels is '{text}'; it must be mix, each, or the number of a channel, from 1."
    )
