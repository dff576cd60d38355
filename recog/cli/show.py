"""``recog show``: what was recognised, drawn."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recog.cli.options import refuse_overwrite
from recog.errors import UsageError, UserError
from recog.util.atomic_files import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recog.transcript import Transcript
    from recog.visualise.draw import Canvas, TextPainter

SECONDS = 300.0  # of a recording in one picture
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
TRANSCRIPT_SUFFIXES = {
    "handwriting": (".xml", ".json"),
    "speech": (".json", ".TextGrid", ".ctm", ".srt", ".vtt", ".tsv"),
}  # what a transcript beside a file may be called, the preferred first


def show(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A page, an image of one line, or a recording.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PICTURE", help="A .png, .jpg or .webp to write."),
    ],
    transcript: Annotated[
        Path | None,
        typer.Option(
            help="Draw this one: PAGE, ALTO, JSON; for sound also TextGrid, ctm, srt, vtt or tsv."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Recognise with this model, whatever lies beside FILE."),
    ] = None,
    page: Annotated[
        int | None,
        typer.Option(min=1, help="Of a PDF or a TIFF of several pages: which. Default: the first."),
    ] = None,
    start: Annotated[
        float, typer.Option(min=0.0, help="Of a recording: the second to begin at.")
    ] = 0.0,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=600.0, help="Of a recording: how many seconds. Default: 300 at most."
        ),
    ] = None,
    font: Annotated[
        Path | None,
        typer.Option(
            help="A TrueType font that you trust, for scripts that OpenCV's own fonts lack, and for Arabic."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=1024, help="Threads; 0 for every core.")] = 0,
) -> None:
    """Draw a page with its lines, texts and confidences, or a recording's spectrogram with the
    words above it.

    What is drawn is --transcript; or what FILE.xml, FILE.json and so on beside FILE says; or else
    what a model reads now.
    """
    from recog.corpora.manifest import modality_of
    from recog.visualise.draw import TextPainter, encoded

    if transcript is not None and model is not None:
        raise UsageError("--transcript and --model exclude each other; give one of them.")
    if output.suffix.lower() not in IMAGE_SUFFIXES:
        raise UsageError(f"--output {output} must end in one of {', '.join(IMAGE_SUFFIXES)}.")
    refuse_overwrite("--output", output, file, transcript)
    kind = "handwriting" if file.suffix.lower() == ".pdf" else modality_of(file)
    if not file.exists():
        raise UserError(f"{file}: there is no such file.")
    painter = TextPainter(font)
    found = (
        read(transcript)
        if transcript is not None
        else None
        if model is not None
        else find_transcript(file, kind)
    )
    if kind == "handwriting":
        canvas = page_picture(file, page, found, model, painter, threads)
    else:
        canvas = sound_picture(file, found, model, painter, threads, start, seconds)
    write_bytes(output, encoded(canvas, output.suffix.lower()))


def read(path: Path) -> Transcript:
    """The transcript in a file.

    Raises:
        UsageError: it is no transcript with places or times.
        UserError: the file cannot be read.
    """
    from recog.formats import READERS, format_of
    from recog.util.text_files import read_text

    text = read_text(path)
    name = format_of(path, text)
    if name is None:
        raise UsageError(
            f"{path} is not a transcript with places or times: give .xml, .hocr, .json, .TextGrid, .ctm, .srt, .vtt or .tsv."
        )
    return READERS[name](text, source=str(path))


def find_transcript(file: Path, kind: str) -> Transcript | None:
    """The transcript beside a file, if there is one; that it is drawn is said."""
    for suffix in TRANSCRIPT_SUFFIXES[kind]:
        path = file.with_suffix(suffix)
        if path.is_file():
            try:
                found = read(path)
            except UserError as error:
                print(f"recog: {error} It is not drawn.", file=sys.stderr)
                continue
            print(f"recog: drawing {path}; give --model to recognise anew.", file=sys.stderr)
            return found
    return None


def page_picture(
    file: Path,
    page: int | None,
    found: Transcript | None,
    model: str | None,
    painter: TextPainter,
    threads: int,
) -> Canvas:
    from recog.media.document.reader import open_document
    from recog.visualise.page import draw_page

    with open_document(file) as document:
        if page is None and len(document) > 1:
            print(
                f"recog: {file} has {len(document)} pages; see the others with --page.",
                file=sys.stderr,
            )
        number = page or 1
        if number > len(document):
            raise UserError(f"{file} has no page {number}; its last is {len(document)}.")
        image = document.grey(number - 1)
        stored, orientation = document.stored(number - 1)
    found = recognise_page(image, file, model, threads) if found is None else found
    if found.duration is not None or (found.size is None and found.lines):
        raise UserError(
            f"The transcript of {file} is of sound, and this is an image; give another."
        )
    if found.pages:
        if number > len(found.pages):
            raise UserError(f"The transcript of {file} has no page {number}; give another.")
        found = found.pages[number - 1]
    found = set_upright(found, image.shape[::-1], stored, orientation)
    return draw_page(image, replace(found, source=str(file)), painter)


def set_upright(
    found: Transcript, upright: tuple[int, int], stored: tuple[int, int], orientation: int
) -> Transcript:
    """A transcript of an image as a camera stored it, as its size tells, on the image as it stands
    upright.

    Args:
        upright, stored: (width, height) of the image.
        orientation: of Exif, from the second to the first; mirrored ones leave the transcript as it
            is.
    """
    from recog.formats.layout.described import same_shape
    from recog.formats.layout.turning import turned_line

    turns = {6: 3, 8: 1}.get(orientation)
    size = found.size
    if (
        turns is None
        or size is None
        or min(size) < 1
        or same_shape(size, upright)
        or not same_shape(size, stored)
    ):
        return found
    lines = tuple(turned_line(line, turns, size) for line in found.lines)
    return replace(found, lines=lines, size=size[::-1])


def recognise_page(
    image: NDArray[np.uint8], file: Path, model: str | None, threads: int
) -> Transcript:
    """What a model reads on a page."""
    from recog.model.recogniser_folder import DEFAULTS
    from recog.recognition.load import load

    recogniser = load(model or DEFAULTS["handwriting"], threads=threads)
    _check_modality(recogniser.config.modality, "handwriting", model)
    return recogniser.transcribe(image, name=str(file))


def sound_picture(
    file: Path,
    found: Transcript | None,
    model: str | None,
    painter: TextPainter,
    threads: int,
    start: float,
    seconds: float | None,
) -> Canvas:
    from recog.media.audio.reader import open_sound
    from recog.visualise.spectrogram import RATE, draw_sound

    with open_sound(file, sample_rate=RATE) as sound:
        sound.amplify()
        wave = sound.read(start=start, end=start + (seconds or SECONDS))
        duration = sound.duration
        for warning in sound.warnings:
            print(f"recog: {warning}", file=sys.stderr)
    if found is None:
        found = recognise_sound(wave, RATE, start, file, model, threads)
    if found.size is not None:
        raise UserError(
            f"The transcript of {file} is of an image, and this is sound; give another."
        )
    if duration is not None and duration > start + len(wave) / RATE + 0.5 and seconds is None:
        print(
            f"recog: {file} goes on for {duration:.0f} seconds; give --start and --seconds for more.",
            file=sys.stderr,
        )
    return draw_sound(
        wave, replace(found, source=str(file), duration=duration), painter, start=start
    )


def recognise_sound(
    wave: NDArray[np.float32], rate: int, start: float, file: Path, model: str | None, threads: int
) -> Transcript:
    """What a model recognises in a stretch of a recording, with the times of the whole."""
    from recog.model.recogniser_folder import DEFAULTS
    from recog.recognition.load import load
    from recog.recognition.speech import SpeechRecogniser

    recogniser = load(model or DEFAULTS["speech"], threads=threads)
    _check_modality(recogniser.config.modality, "speech", model)
    assert isinstance(recogniser, SpeechRecogniser)
    found = recogniser.transcribe(wave, sample_rate=rate, name=str(file))
    lines = [
        replace(
            line,
            start=(line.start or 0.0) + start,
            end=(line.end or 0.0) + start,
            words=tuple(
                replace(w, start=(w.start or 0.0) + start, end=(w.end or 0.0) + start)
                for w in line.words
            ),
        )
        for line in found.lines
    ]
    return replace(found, lines=tuple(lines))


def _check_modality(modality: str, wanted: str, model: str | None) -> None:
    if modality != wanted:
        raise UsageError(f"The model '{model}' is for {modality}, not for {wanted}.")
