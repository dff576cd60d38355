"""``recog ocr``: images of handwriting to text."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from recog.batch.files import collect
from recog.cli.batch import run_batch
from recog.cli.options import (
    BatchOptions,
    DecodingOptions,
    Language,
    Model,
    Output,
    with_option_groups,
)
from recog.errors import UsageError


@with_option_groups
def ocr(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES|FOLDERS|URLS...", help="Images or documents; - is standard input."
        ),
    ],
    model: Model = "latin-handwriting",
    layout: Annotated[
        Literal["auto", "line", "page", "table", "xml"],
        typer.Option(
            help="What an image shows: one line, a page, a table (a page read row by row), or by "
            "its shape (auto). xml takes the lines of NAME.xml (PAGE or ALTO) beside the image."
        ),
    ] = "auto",
    turn: Annotated[
        Literal["auto", "0", "90", "180", "270"],
        typer.Option(help="Degrees to rotate pages clockwise before reading; auto detects it."),
    ] = "auto",
    page_model: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Model that detects the lines. Default: the shipped one."
        ),
    ] = None,
    notes: Annotated[
        bool, typer.Option("--notes", help="Also read notes, visas and stamps that others added.")
    ] = False,
    format: Annotated[
        Literal["txt", "json", "page", "alto", "hocr", "pdf"],
        typer.Option(
            "--format", "-f", help="Format of the transcripts. pdf: a searchable PDF of the pages."
        ),
    ] = "txt",
    output: Output = None,
    language: Language = None,
    decoding: DecodingOptions = DecodingOptions(),
    batch: BatchOptions = BatchOptions(),
) -> None:
    """Read images of handwritten pages or lines, and documents of many pages.

    Images are PNG, JPEG, WebP, TIFF or BMP, documents PDF or TIFF.
    """
    from recog.corpora.files import IMAGE_SUFFIXES
    from recog.formats import SUFFIXES

    keywords = {
        **decoding.keywords(),
        "language": language,
        "layout": layout,
        "page_model": page_model,
        "notes": notes,
        "turn": turn if turn == "auto" else int(turn),
    }
    inputs = collect(files, (*IMAGE_SUFFIXES, ".pdf"), output, SUFFIXES.get(format, format))
    if format == "pdf" and output is None and (len(inputs) > 1 or sys.stdout.isatty()):
        raise UsageError("A PDF needs a folder: give --output.")
    run_batch("handwriting", inputs, model, format, keywords, batch)
