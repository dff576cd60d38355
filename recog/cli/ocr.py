"""``recog ocr``: images to text."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from recog.batch.files import collect
from recog.cli.batch import BatchOptions, run_batch
from recog.cli.options import (
    Alpha,
    Beam,
    Beta,
    Engine,
    Failed,
    Files,
    Hotwords,
    Jobs,
    Language,
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


def ocr(
    files: Files,
    model: Model = "latin-handwriting",
    layout: Annotated[
        Literal["auto", "line", "page", "table", "xml"],
        typer.Option(
            "--layout",
            help="What an image shows: a page, one line of writing, or what its shape suggests; "
            "table: a page that is read row by row; xml: a page along the lines that NAME.xml beside it (PAGE or ALTO) gives.",
        ),
    ] = "auto",
    turn: Annotated[
        Literal["auto", "0", "90", "180", "270"],
        typer.Option(
            "--turn", help="Degrees to turn pages clockwise before they are read; auto finds out."
        ),
    ] = "auto",
    page_model: Annotated[
        str | None,
        typer.Option(
            "--page-model", metavar="FOLDER", help="What finds the lines; else the shipped one."
        ),
    ] = None,
    notes: Annotated[
        bool,
        typer.Option(
            "--notes",
            help="Also read notes, visas and stamps by others on a page, which else are left out.",
        ),
    ] = False,
    format: Annotated[
        Literal["txt", "json", "page", "alto", "hocr", "pdf"],
        typer.Option(
            "--format",
            "-f",
            help="pdf: the pages' pictures, with the text to be searched and copied.",
        ),
    ] = "txt",
    output: Output = None,
    looks: Looks = None,
    beam: Beam = None,
    n_best: NBest = 1,
    lm: Lm = None,
    language: Language = None,
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
) -> None:
    """Read images of handwritten pages or lines (PNG, JPEG, WebP, TIFF, BMP) and documents of many
    (PDF, TIFF)."""
    from recog.corpora.files import IMAGE_SUFFIXES
    from recog.formats import SUFFIXES

    decoding = {
        "beam": beam,
        "n_best": n_best,
        "lm": lm,
        "alpha": alpha,
        "beta": beta,
        "hotwords": hotwords,
    }
    decoding |= {"looks": looks, "language": language, "rescore": rescore}
    decoding |= {"layout": layout, "page_model": page_model, "notes": notes}
    decoding["turn"] = turn if turn == "auto" else int(turn)
    inputs = collect(files, (*IMAGE_SUFFIXES, ".pdf"), output, SUFFIXES.get(format, format))
    if format == "pdf" and output is None and (len(inputs) > 1 or sys.stdout.isatty()):
        raise UsageError("A PDF needs a folder: give --output.")
    running = BatchOptions(skip_existing, names, threads, jobs, log_probs, failures, engine)
    run_batch("handwriting", inputs, model, format, decoding, running)
