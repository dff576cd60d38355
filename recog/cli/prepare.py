"""``recog prepare``: a published corpus to a checked manifest with splits."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recog.corpora import LAYOUTS, importer
from recog.corpora.page_alignment import AGREEMENT, LineBreaks
from recog.errors import UsageError, UserError
from recog.text.normalise import RULES

if TYPE_CHECKING:
    from recog.corpora.rows import Row

MAX_REPORTED = 20
MAX_GROUPS = 20
# page images with plain text: the one layout whose lines a model must find
TRANSCRIBED_PAGES = "transcribed-pages"


def prepare(
    layout: Annotated[
        str,
        typer.Argument(
            metavar="LAYOUT", help=f"One of: {', '.join(LAYOUTS)}, {TRANSCRIBED_PAGES}."
        ),
    ],
    src: Annotated[
        Path,
        typer.Argument(
            metavar="SRC", help="Folder of the corpus, or for tsv, page and alto a file."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="Manifest to write.")],
    dev_share: Annotated[
        float, typer.Option(help="Share of the rows for the dev split, if the corpus has none.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Random seed of the dev split.")] = 0,
    normalise: Annotated[
        str, typer.Option(metavar="RULE", help=f"Text normalisation: {', '.join(RULES)}.")
    ] = "collapse",
    columns: Annotated[
        str | None, typer.Option(help="tsv: names of the columns, such as path,group,text.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="filenames: regular expression with (?P<text>...).")
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Find mislabelled rows with a model, and leave them out."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help=f"Model for --check and {TRANSCRIBED_PAGES}. Default: a shipped one.",
        ),
    ] = None,
    line_breaks: Annotated[
        Literal["auto", "kept", "lost"] | None,
        typer.Option(help=f"{TRANSCRIBED_PAGES}: is a text line a page line? Default: auto."),
    ] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help=f"{TRANSCRIBED_PAGES}: least agreement of text and model. Default: {AGREEMENT:g}.",
        ),
    ] = None,
) -> None:
    """Turn a corpus in a known layout into a checked manifest, split by speaker or writer.

    Unusable rows are listed and left out; with --check also mislabelled rows, whose text a model
    finds to belong to other media. Text stays in logical order.

    The layout transcribed-pages takes page images with plain text (page.jpg and page.txt). A model
    finds and reads the lines, and lines that agree with the text become rows. A model trained on
    them can prepare the pages again.
    """
    from recog.corpora.data import modality
    from recog.corpora.manifest import write_manifest
    from recog.corpora.splits import split_rows
    from recog.corpora.validate import check_rows
    from recog.model.recogniser_folder import DEFAULTS
    from recog.text.normalise import TrackedRule

    if normalise not in RULES:
        raise UsageError(f"There is no text rule '{normalise}'; use one of {', '.join(RULES)}.")
    if not 0.0 <= dev_share < 1.0:
        raise UsageError(f"--dev-share is {dev_share:g}; it must lie from 0 to below 1.")
    if out.suffix.lower() != ".jsonl":
        raise UsageError(f"A manifest is a .jsonl file; {out} is none.")
    read: Callable[[Path], Iterable[Row]]
    if layout == TRANSCRIBED_PAGES:
        if columns is not None or pattern is not None:
            raise UsageError(f"--columns and --pattern are not for {TRANSCRIBED_PAGES}.")
        read = partial(
            _aligned_rows,
            model=model,
            line_breaks=line_breaks or "auto",
            min_agreement=AGREEMENT if min_agreement is None else min_agreement,
        )
    elif line_breaks is not None or min_agreement is not None:
        raise UsageError(f"--line-breaks and --min-agreement are for {TRANSCRIBED_PAGES} alone.")
    else:
        read = importer(layout, columns=columns, pattern=pattern)
    if not src.exists():
        raise UserError(f"{src} is not there; give the folder of the corpus.")
    apply = TrackedRule(normalise)
    rows = [replace(row, text=apply(row.text)) for row in read(src)]
    for note in apply.notes("rows"):
        _print(note)
    problems = check_rows(rows)
    for problem in problems[:MAX_REPORTED]:
        _print(str(problem))
    bad = {problem.row_number for problem in problems}
    if bad:
        _print(f"{len(bad)} of {len(rows)} rows cannot be used and are left out.")
    usable = [row for number, row in enumerate(rows, start=1) if number not in bad]
    if not usable:
        raise UserError(f"{src} has no row that can be used; {out} is not written.")
    kind = modality(usable)
    if check or (model and layout != TRANSCRIBED_PAGES):
        usable = _without_mislabelled(usable, model or DEFAULTS[kind])
    split = split_rows(usable, dev_share=dev_share, seed=seed)
    write_manifest(split.rows, out)
    _print(f"Split: {split.reason}.")
    for line in _summary(split.rows, kind):
        _print(line)
    _print(f"{len(split.rows)} rows written to {out}.")


def _aligned_rows(
    folder: Path, *, model: str | None, line_breaks: LineBreaks, min_agreement: float
) -> list[Row]:
    """The lines of pages whose text agrees with what a model reads. Reports how many do."""
    from recog.batch.progress import progress_display
    from recog.model.recogniser_folder import DEFAULTS
    from recog.recognition.handwriting import HandwritingRecogniser
    from recog.recognition.load import load
    from recog.recognition.transcribed_pages import align_pages, page_files

    recogniser = load(model or DEFAULTS["handwriting"])
    if not isinstance(recogniser, HandwritingRecogniser):
        raise UsageError(
            f"The model '{recogniser.config.name}' is for speech; give one that reads."
        )
    count = len(page_files(folder))
    rows: list[Row] = []
    lines = pages = 0
    with progress_display(printing=False, log=False) as show:
        for page in align_pages(
            recogniser,
            folder,
            line_breaks=line_breaks,
            min_agreement=min_agreement,
            on_error=_print,
        ):
            pages += 1
            lines += page.lines
            rows += page.rows
            if not page.rows:
                _print(f"{page.image}: none of its {page.lines} lines agrees with its text.")
            show(pages / count, f"{pages:,} of {count:,} pages")
    _print(
        f"{len(rows):,} of {lines:,} lines on {pages:,} of {count:,} pages agree with their text."
    )
    return rows


def _without_mislabelled(rows: list[Row], model: str) -> list[Row]:
    """The rows whose text fits what the model reads. Reports the others."""
    from recog.batch.progress import progress_display
    from recog.corpora.mislabelled import find_mislabelled
    from recog.recognition.dataset import log_probs_of_texts, recognise_rows
    from recog.recognition.load import load
    from recog.text.normalise import rule

    recogniser = load(model, looks="once")
    write = rule(recogniser.config.normalise, recogniser.config.languages)
    texts = [write(row.text) for row in rows]
    readings = []
    with progress_display(printing=False, log=False) as show:
        for _, text in recognise_rows(model, rows, beam=0):
            readings.append(text)
            show(len(readings) / len(rows), f"{len(readings):,} of {len(rows):,} rows")
    mislabelled = find_mislabelled(
        texts,
        readings,
        lambda row, candidates: log_probs_of_texts(recogniser, rows[row], candidates),
    )
    for fault in mislabelled[:MAX_REPORTED]:
        row, reading = rows[fault.row], readings[fault.row] or ""
        other = (
            ""
            if fault.better_row is None
            else f", which is the text of {_name(rows[fault.better_row])}"
        )
        _print(
            f"{_name(row)} has the text '{_brief(row.text)}', "
            f"and {model} reads '{_brief(reading)}'{other}."
        )
    if mislabelled:
        _print(f"{len(mislabelled)} of {len(rows)} rows have a text that does not fit; left out.")
    left_out = {fault.row for fault in mislabelled}
    return [row for number, row in enumerate(rows) if number not in left_out]


def _name(row: Row) -> str:
    """A row's media, and its time or place in it."""
    if row.start is not None:
        return f"{row.media} from {row.start:g} s"
    if row.line is not None and (points := row.line.baseline or row.line.polygon):
        return f"{row.media}, the line at x {points[0][0]:g}, y {points[0][1]:g}"
    return str(row.media)


def _brief(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _summary(rows: list[Row], kind: str) -> list[str]:
    """Numbers of rows and groups and the hours of each split, and the largest groups."""
    lines = []
    for name in ("train", "dev", "test"):
        part = [row for row in rows if row.split == name]
        if part:
            groups = len({row.group for row in part} - {None})
            amount = (
                _hours(part) if kind == "speech" else f"{len({row.media for row in part})} images"
            )
            lines.append(f"{name}: {len(part)} rows, {groups or 'no'} groups, {amount}")
    sizes = Counter(row.group for row in rows if row.group is not None)
    if sizes:
        largest = ", ".join(f"{group} {count}" for group, count in sizes.most_common(MAX_GROUPS))
        lines.append(f"groups: {largest}{' ...' if len(sizes) > MAX_GROUPS else ''}")
    return lines


def _hours(rows: list[Row]) -> str:
    """The total length of the rows. Files of unknown length are counted apart."""
    from recog.corpora.validate import sound_duration

    seconds = 0.0
    unknown = 0
    for row in rows:
        end = row.end if row.end is not None else sound_duration(row.media)
        if end is None:
            unknown += 1
        else:
            seconds += max(end - (row.start or 0.0), 0.0)
    more = f" and {unknown} files of unknown length" if unknown else ""
    return f"{seconds / 3600:.2f} hours{more}"


def _print(message: str) -> None:
    print(message, file=sys.stderr)
