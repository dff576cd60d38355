"""Page images with plain text, but without the places of the lines -> rows to train on.

The lines are found and read by a model, and the text of the page is aligned with what it reads.
Lines that agree become rows. A model trained on them can align the pages again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recog.corpora.files import is_image, walk
from recog.corpora.page_alignment import AGREEMENT, LineBreaks, align_page, is_clean
from recog.corpora.rows import LineShape, Row
from recog.errors import UserError
from recog.recognition.handwriting import HandwritingRecogniser
from recog.text.normalise import rule
from recog.util.text_files import read_text


@dataclass(frozen=True)
class AlignedPage:
    """A page with the lines whose text is known.

    Attributes:
        image: its file.
        rows: one for each line that agrees with the transcript, in reading order.
        lines: how many lines the model read on the page.
    """

    image: Path
    rows: list[Row]
    lines: int


def page_files(folder: Path) -> list[tuple[Path, Path]]:
    """Page images below a folder that have a text file of the same name beside them.

    Raises:
        UserError: there is none.
    """
    pairs = [
        (image, image.with_suffix(".txt"))
        for image in walk(folder)
        if is_image(image) and image.with_suffix(".txt").is_file()
    ]
    if not pairs:
        raise UserError(
            f"{folder} has no page image with a text beside it; give page.jpg and page.txt for "
            "each page."
        )
    return pairs


def align_pages(
    recogniser: HandwritingRecogniser,
    folder: Path,
    *,
    line_breaks: LineBreaks = "auto",
    min_agreement: float = AGREEMENT,
    on_error: Callable[[str], None] = lambda sentence: None,
) -> Iterator[AlignedPage]:
    """Align each page image below a folder with the text file beside it.

    Args:
        recogniser: a handwriting model that reads pages.
        line_breaks: whether each line of a text is a line of the page: see
            :func:`recog.corpora.page_alignment.align_page`.
        min_agreement: agreement of a line's text with the recognised text, 0 to 1, from which it
            becomes a row.
        on_error: called with a sentence for each page that cannot be read; the others go on.

    Yields:
        In the order of the file names. The group of a page's rows is the page.
    """
    write = rule(recogniser.config.normalise, recogniser.config.languages)
    for image, text_file in page_files(folder):
        try:
            transcript = recogniser.transcribe(image)
            text = read_text(text_file)
        except UserError as error:
            on_error(str(error))
            continue
        if transcript.pages:
            on_error(f"{image} has several pages; give an image for each of them.")
            continue
        given = "\n".join(write(line) for line in text.splitlines())
        lines = [line for line in transcript.lines if line.baseline]
        matches = align_page([line.text for line in lines], given, line_breaks=line_breaks)
        rows = [
            Row(image, match.text, line=LineShape(line.polygon, line.baseline), group=image.stem)
            for line, match in zip(lines, matches, strict=True)
            if match is not None
            and match.agreement >= min_agreement
            and is_clean(line.text, match.text)
        ]
        yield AlignedPage(image, rows, len(lines))
