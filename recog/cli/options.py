"""The options that ``recog transcribe`` and ``recog ocr`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from recog.errors import UsageError

TEXTS = (".txt", ".json", ".jsonl", ".srt", ".vtt")  # what is read of a folder


def refuse_overwrite(option: str, output: Path | None, *read: Path | None) -> None:
    """Refuse to write over what is read: one of these files, or a text in one of these folders.

    Raises:
        UsageError: naming the option.
    """
    if output is None or not output.exists():
        return
    for source in read:
        if source is None or not source.exists():
            continue
        inside = source.is_dir() and output.resolve().is_relative_to(source.resolve())
        if output.samefile(source) or (inside and output.suffix.lower() in TEXTS):
            raise UsageError(f"{option} {output} is among what is read; give another.")


Files = Annotated[
    list[str],
    typer.Argument(metavar="FILES|FOLDERS|URLS...", help="What to read; - is standard input."),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Folder (or its URL) for one result a file; else standard output.",
    ),
]
Beam = Annotated[
    int | None,
    typer.Option(
        "--beam", min=0, max=10_000, help="Beam width; 0 is the best path, with no language model."
    ),
]
Looks = Annotated[
    Literal["auto", "once", "all"] | None,
    typer.Option(
        "--looks",
        help="Which lines, or stretches of speech, are taken in all of the model's views: the doubtful ones (auto), all, or "
        "none (once: the fastest). Default: auto, and once without a beam.",
    ),
]
NBest = Annotated[
    int, typer.Option("--n-best", min=1, max=1000, help="Alternatives to keep in JSON.")
]
Lm = Annotated[
    str | None,
    typer.Option(
        "--lm",
        metavar="FILE|none",
        help="n-gram model (ARPA or .bin) to use in place of the model's own.",
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        "--language",
        help="Of the text, where the model knows several; else found out line by line.",
    ),
]
Alpha = Annotated[
    float | None, typer.Option(min=0.0, max=100.0, help="Weight of the language model.")
]
Beta = Annotated[
    float | None, typer.Option(min=-100.0, max=100.0, help="Added for each word (or character).")
]
Hotwords = Annotated[
    Path | None,
    typer.Option(
        "--hotwords",
        metavar="FILE",
        help="Words and phrases to expect, one a line; a tab and a boost (5).",
    ),
]
Rescore = Annotated[
    str | None,
    typer.Option(
        "--rescore",
        metavar="MODEL|none",
        help="Neural language model to order the readings anew, in place of the model's own.",
    ),
]
LogProbs = Annotated[
    Path | None,
    typer.Option(
        "--log-probs",
        metavar="DIR",
        help="Also keep the network's outputs there, for recog decode.",
    ),
]
Skip = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out files whose result is there already.")
]
Names = Annotated[
    bool, typer.Option("--names", help="Print each file's name and a tab before its text.")
]
Threads = Annotated[
    int, typer.Option("--threads", min=0, max=1024, help="Cores to use in all; 0 for every one.")
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=0, max=1024,
        help="Files at the same time, which share the --threads; each needs some 200 MB, for speech 500. 0 for one a core.",
    ),
]  # fmt: skip
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        help="Where to work: on this machine, or on the Ray cluster of RAY_ADDRESS (extra ray).",
    ),
]
Failed = Annotated[
    Path | None,
    typer.Option(
        "--failures", metavar="FILE", help="List there the files that failed: path, tab, reason."
    ),
]
Model = Annotated[
    str, typer.Option("--model", "-m", help="Name of a shipped model or path of a model folder.")
]
