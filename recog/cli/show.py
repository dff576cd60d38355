"""``recog show``: draw a transcript on its page or spectrogram."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recog.cli.options import Threads, refuse_overwrite
from recog.errors import UsageError, UserError
from recog.util.atomic_files import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recog.transcript import Transcript
    from recog.visualise.draw import Canvas, TextPainter

MAX_SECONDS = 300.0  # of a recording in a picture
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
TRANSCRIPT_SUFFIXES = {
    "handwriting": (".xml", ".json"),
    "speech": (".json", ".TextGrid", ".ctm", ".srt", ".vtt", ".tsv"),
}  # of a transcript beside a file, the preferred first


def show(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Page, image of a line, or recording.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="PICTURE", help="Picture to write: .png, .jpg or .webp."
        ),
    ],
    transcript: Annotated[
        Path | None,
        typer.Option(
            help="Transcript to draw: PAGE, ALTO, JSON; for sound TextGrid, ctm, srt, vtt or tsv."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Recognise with this model, even if a transcript exists."
        ),
    ] = None,
    page: Annotated[
        int | None, typer.Option(min=1, help="Page of a PDF or TIFF. Default: the first.")
    ] = None,
    start: Annotated[float, typer.Option(min=0.0, help="Start in a recording, in seconds.")] = 0.0,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, max=600.0, help="Seconds of a recording. Default: 300 at most."),
    ] = None,
    font: Annotated[
        Path | None,
        typer.Option(
            help="TrueType font that you trust, for Arabic and scripts that OpenCV's fonts lack."
        ),
    ] = None,
    threads: Threads = 0,
) -> None:
    """Draw the transcript of a page or recording with its confidences.

    A page is drawn with its lines and texts, a recording as a spectrogram with its words. The
    transcript is --transcript, or a file beside FILE (FILE.xml, FILE.json and so on), or what a
    model recognises.
    """
    from recog.corpora.data import modality_of
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
    existing = None
    if transcript is not None:
        existing = read_transcript(transcript)
    elif model is None:
        existing = find_transcript(file, kind)
    if kind == "handwriting":
        canvas = page_picture(file, page, existing, model, painter, threads)
    else:
        canvas = sound_picture(file, existing, model, painter, threads, start, seconds)
    write_bytes(output, encoded(canvas, output.suffix.lower()))


def read_transcript(path: Path) -> Transcript:
    """Read a transcript from a file.

    Raises:
        UsageError: it is not a transcript with places or times.
        UserError: the file cannot be read.
    """
    from recog.formats import READERS, format_of
    from recog.util.text_files import read_text

    text = read_text(path)
    name = format_of(path, text)
    if name is None:
        raise UsageError(
            f"{path} is not a transcript with places or times: "
            "give .xml, .hocr, .json, .TextGrid, .ctm, .srt, .vtt or .tsv."
        )
    return READERS[name](text, source=str(path))


def find_transcript(file: Path, kind: str) -> Transcript | None:
    """Find the transcript beside a file and report that it is drawn; None if there is none."""
    for suffix in TRANSCRIPT_SUFFIXES[kind]:
        path = file.with_suffix(suffix)
        if path.is_file():
            try:
                transcript = read_transcript(path)
            except UserError as error:
                print(f"recog: {error} It is not drawn.", file=sys.stderr)
                continue
            print(f"recog: drawing {path}; give --model to recognise anew.", file=sys.stderr)
            return transcript
    return None


def page_picture(
    file: Path,
    page: int | None,
    transcript: Transcript | None,
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
    transcript = recognise_page(image, file, model, threads) if transcript is None else transcript
    if transcript.duration is not None or (transcript.size is None and transcript.lines):
        raise UserError(
            f"The transcript of {file} is of sound, and this is an image; give another."
        )
    if transcript.pages:
        if number > len(transcript.pages):
            raise UserError(f"The transcript of {file} has no page {number}; give another.")
        transcript = transcript.pages[number - 1]
    transcript = set_upright(transcript, image.shape[::-1], stored, orientation)
    return draw_page(image, replace(transcript, source=str(file)), painter)


def set_upright(
    transcript: Transcript, upright: tuple[int, int], stored: tuple[int, int], orientation: int
) -> Transcript:
    """Rotate a transcript of an image as the camera stored it to the upright image.

    A transcript that has the size of the upright image stays as it is.

    Args:
        upright, stored: (width, height) of the image.
        orientation: of Exif, from the stored to the upright image. Mirrored ones leave the
            transcript as it is.
    """
    from recog.formats.layout.page_layout import same_shape
    from recog.formats.layout.rotation import rotate_line

    turns = {6: 3, 8: 1}.get(orientation)
    size = transcript.size
    if (
        turns is None
        or size is None
        or min(size) < 1
        or same_shape(size, upright)
        or not same_shape(size, stored)
    ):
        return transcript
    lines = tuple(rotate_line(line, turns, size) for line in transcript.lines)
    return replace(transcript, lines=lines, size=size[::-1])


def recognise_page(
    image: NDArray[np.uint8], file: Path, model: str | None, threads: int
) -> Transcript:
    """Recognise a page."""
    from recog.model.recogniser_folder import DEFAULTS
    from recog.recognition.load import load

    recogniser = load(model or DEFAULTS["handwriting"], threads=threads)
    _check_modality(recogniser.config.modality, "handwriting", model)
    return recogniser.transcribe(image, name=str(file))


def sound_picture(
    file: Path,
    transcript: Transcript | None,
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
        wave = sound.read(start=start, end=start + (seconds or MAX_SECONDS))
        duration = sound.duration
        for warning in sound.warnings:
            print(f"recog: {warning}", file=sys.stderr)
    if transcript is None:
        transcript = recognise_sound(wave, RATE, start, file, model, threads)
    if transcript.size is not None:
        raise UserError(
            f"The transcript of {file} is of an image, and this is sound; give another."
        )
    if duration is not None and duration > start + len(wave) / RATE + 0.5 and seconds is None:
        print(
            f"recog: {file} is {duration:.0f} seconds long; give --start and --seconds for more.",
            file=sys.stderr,
        )
    return draw_sound(
        wave, replace(transcript, source=str(file), duration=duration), painter, start=start
    )


def recognise_sound(
    wave: NDArray[np.float32], rate: int, start: float, file: Path, model: str | None, threads: int
) -> Transcript:
    """Recognise an excerpt of a recording; times are those of the whole recording."""
    from recog.model.recogniser_folder import DEFAULTS
    from recog.recognition.load import load
    from recog.recognition.speech import SpeechRecogniser

    recogniser = load(model or DEFAULTS["speech"], threads=threads)
    _check_modality(recogniser.config.modality, "speech", model)
    assert isinstance(recogniser, SpeechRecogniser)
    transcript = recogniser.transcribe(wave, sample_rate=rate, name=str(file))
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
        for line in transcript.lines
    ]
    return replace(transcript, lines=tuple(lines))


def _check_modality(modality: str, expected: str, model: str | None) -> None:
    if modality != expected:
        raise UsageError(f"The model '{model}' is for {modality}, not for {expected}.")
