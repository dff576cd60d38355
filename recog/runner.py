"""A model over the rows of a corpus, for evaluation."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from recog.corpora.lines import line_image
from recog.corpora.manifest import Row, modality
from recog.errors import UsageError, UserError
from recog.media.sound import read_sound
from recog.model.runtime import parallel
from recog.ocr import LineReader
from recog.recogniser import Recogniser, load
from recog.segment.speech import segments
from recog.transcribe import Transcriber

logger = logging.getLogger("recog")


def recognise_rows(
    model: str, rows: Sequence[Row], *, beam: int | None = None, threads: int | None = None
) -> Iterator[tuple[Row, str | None]]:
    """Each row with the text that ``model`` reads in it, in order; None where its media cannot be read.

    Raises:
        UsageError: the model is for another kind of media.

    Args:
        model: name or path.
        beam: width of the beam search; None or 0 for the best path.
        threads: rows at the same time; None or 0 for every core.
    """
    recogniser = load(model, beam=beam or 0, threads=threads or 0)
    if modality(rows) != recogniser.config.modality:
        raise UsageError(f"The model '{model}' is for {recogniser.config.modality}, and the data is {modality(rows)}.")

    def one(row: Row) -> tuple[Row, str | None]:
        try:
            return row, recognise_row(recogniser, row)
        except UserError as error:
            logger.warning("%s", error)
            return row, None

    yield from parallel(one, rows, recogniser.options.workers)


def recognise_row(recogniser: Recogniser, row: Row) -> str:
    """Text of one row: a stretch of a recording, a line of a page, or a whole file.

    Raises:
        UserError: the media cannot be read, or is not of the model's kind.
    """
    if isinstance(recogniser, LineReader):
        return recogniser.decode(recogniser.log_probs(line_image(row)))[0]
    assert isinstance(recogniser, Transcriber)
    rate = recogniser.features.sample_rate
    if row.start is None and row.end is None:
        return recogniser.transcribe(row.media).text
    wave = read_sound(row.media, sample_rate=rate, start=row.start, end=row.end)
    parts = segments([wave], rate)
    return " ".join(filter(None, (recogniser.decode(recogniser.log_probs(part.wave))[0] for part in parts)))
