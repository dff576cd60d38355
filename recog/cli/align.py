"""``recog align``: forced alignment, the times or boxes of the words of a known text."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recog.cli.options import OptionalModel, Threads, refuse_overwrite
from recog.errors import UsageError, UserError
from recog.util.atomic_files import write_text

if TYPE_CHECKING:
    from recog.corpora.rows import Row
    from recog.recognition.base import Recogniser
    from recog.transcript import Transcript, Word

MAX_ROW_SECONDS = 20.0  # of a row of a training manifest
PAD = 0.15  # seconds of silence around a row


def align(
    media: Annotated[
        Path, typer.Argument(metavar="MEDIA", help="A recording, or an image of one line.")
    ],
    text: Annotated[
        Path,
        typer.Argument(
            metavar="TEXT",
            help="Its text: .txt with a cue a line, or any format recog writes but pdf; "
            "- is standard input.",
        ),
    ],
    model: OptionalModel = None,
    format: Annotated[
        Literal["srt", "vtt", "tsv", "ctm", "textgrid", "page", "alto", "json", "manifest"],
        typer.Option("--format", "-f", help="manifest: rows to train a model on."),
    ] = "json",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. Default: standard output.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Leave less confident lines out of a manifest.")
    ] = 0.3,
    threads: Threads = 0,
) -> None:
    """Align a known text with a recording of any length, or with an image of a line.

    Gives each word's time in the recording, or its box in the image.
    """
    if format == "manifest" and output is None:
        raise UsageError("A manifest names files from where it stands; give --output.")
    refuse_overwrite("--output", output, media, text)
    if not media.exists():
        raise UserError(f"{media}: there is no such file.")
    lines = read_text_lines(text)
    from recog.corpora.data import modality_of
    from recog.corpora.manifest import write_manifest
    from recog.formats import WRITERS
    from recog.model.recogniser_folder import DEFAULTS
    from recog.recognition.forced_alignment import align_text
    from recog.recognition.load import load

    modality = modality_of(media)
    recogniser = load(model or DEFAULTS[modality], looks="once", threads=threads)
    _check_modality(recogniser, modality, media, format)
    transcript = align_text(recogniser, media, lines)
    _report_doubtful(transcript, media)
    if format == "manifest":
        assert output is not None  # by the first check
        rows = training_rows(transcript, media, min_confidence=min_confidence)
        if not rows:
            raise UserError(
                f"No line of {text} fits {media}; "
                "lower --min-confidence, or give the text of this file."
            )
        write_manifest(rows, output)
    elif output is not None:
        write_text(output, WRITERS[format](transcript))
    else:
        print(WRITERS[format](transcript).rstrip("\n"), flush=True)
    for warning in transcript.warnings:
        print(f"recog: {warning}", file=sys.stderr)
    if transcript.damage:
        raise typer.Exit(1)


def _check_modality(recogniser: Recogniser, modality: str, media: Path, format: str) -> None:
    """Check that the model and the format suit the file.

    Raises:
        UsageError: one of them does not.
    """
    config = recogniser.config
    if config.modality != modality:
        kinds = {"speech": "sound", "handwriting": "an image"}
        raise UsageError(
            f"The model '{config.name}' is for {config.modality}, and {media} is {kinds[modality]}."
        )
    if modality == "handwriting" and format not in ("page", "alto", "json", "manifest"):
        raise UsageError(
            f"{media} is an image, which has no times; use --format page, alto, json or manifest."
        )
    if modality == "speech" and format in ("page", "alto"):
        raise UsageError(
            f"{media} is sound, and {format.upper()} describes images; use another --format."
        )


def _report_doubtful(transcript: Transcript, media: Path) -> None:
    """Warn of lines whose text does not fit the file."""
    from recog.recognition.forced_alignment import DOUBTFUL

    doubtful = [line for line in transcript.lines if (line.confidence or 0.0) < DOUBTFUL]
    if doubtful:
        print(
            f"recog: {len(doubtful)} of {len(transcript.lines)} lines do not fit {media}, "
            f"the first of them '{doubtful[0].text[:60]}'; their places are a guess.",
            file=sys.stderr,
        )


def read_text_lines(path: Path) -> list[str]:
    """The lines, cues or utterances of a text file; ``-`` is standard input.

    The text may be in any format that recog writes but PDF. Of alternates in a trn file the first
    is taken.

    Raises:
        UserError: the file cannot be read, or is in another format.
    """
    from recog.formats import READABLE, READERS, check_suffix, format_of
    from recog.formats.timed import trn
    from recog.util.text_files import decode_text, read_text

    check_suffix(path)
    if str(path) == "-":
        content = decode_text(sys.stdin.buffer.read(), "Standard input")
    else:
        content = read_text(path)
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson", ".stm"):
        raise UserError(
            f"{path} holds the texts of many recordings; give that of this one, as {READABLE}."
        )
    if suffix == ".trn":
        return [trn.plain_text(text) for _, text in trn.read(content, source=str(path))]
    reader = READERS[format_of(path, content) or "txt"]
    return [line.text for line in reader(content, source=str(path)).lines]


def training_rows(
    transcript: Transcript,
    media: Path,
    *,
    min_confidence: float,
    max_seconds: float = MAX_ROW_SECONDS,
) -> list[Row]:
    """Rows of a training manifest, one for each line.

    Args:
        min_confidence: lines of lower confidence are left out.
        max_seconds: longer lines are cut at their longest pauses.
    """
    from recog.corpora.rows import Row

    if transcript.size is not None:
        return [
            Row(media, line.text)
            for line in transcript.lines
            if (line.confidence or 0.0) >= min_confidence
        ]
    words = [word for line in transcript.lines for word in line.words]
    before = {id(word): previous.end or 0.0 for previous, word in pairwise(words)}
    after = {id(word): following.start for word, following in pairwise(words)}
    rows = []
    for line in transcript.lines:
        if (line.confidence or 0.0) < min_confidence:
            continue
        for part in _split_at_pauses(list(line.words), max_seconds):
            start, end = part[0].start or 0.0, part[-1].end or 0.0
            free_from, free_to = (
                before.get(id(part[0]), 0.0),
                after.get(id(part[-1]), transcript.duration),
            )
            start = max(start - PAD, (free_from + start) / 2)
            end = min(end + PAD, (end + (end if free_to is None else free_to)) / 2)
            if end > start:
                rows.append(
                    Row(media, " ".join(w.text for w in part), round(start, 3), round(end, 3))
                )
    return rows


def _split_at_pauses(words: list[Word], max_seconds: float) -> list[list[Word]]:
    """Words in order, cut at the longest pause until no part is too long.

    Of equal pauses that nearest the middle is cut.
    """
    stack, parts = [words], []
    while stack:
        part = stack.pop()
        if len(part) < 2 or (part[-1].end or 0.0) - (part[0].start or 0.0) <= max_seconds:
            parts.append(part)
            continue
        cut = max(
            range(1, len(part)),
            key=lambda k: (
                (part[k].start or 0.0) - (part[k - 1].end or 0.0),
                -abs(2 * k - len(part)),
            ),
        )
        stack += [part[cut:], part[:cut]]
    return parts
