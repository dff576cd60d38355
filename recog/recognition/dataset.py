"""A model over the rows of a corpus, for evaluation."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from recog.corpora.line_images import line_image
from recog.corpora.manifest import modality
from recog.corpora.rows import Row
from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.errors import UsageError, UserError
from recog.media.audio.reader import read_sound
from recog.recognition.base import Recogniser
from recog.recognition.handwriting import LineReader
from recog.recognition.load import load
from recog.recognition.speech import Transcriber
from recog.segment.speech import Segmenter
from recog.text.bidi import to_display
from recog.transcript import Line, Word
from recog.util.parallel import parallel

logger = logging.getLogger("recog")


def read_rows(
    model: str, rows: Sequence[Row], *, beam: int | None = None, threads: int | None = None
) -> Iterator[tuple[Row, Line | None]]:
    """Each row with what ``model`` reads in it, in order; None where its media cannot be read.

    Raises:
        UsageError: the model is for another kind of media.

    Args:
        model: name or path.
        beam: width of the beam search; 0 for the best path, None for what was tuned for the model.
        threads: rows at the same time; None or 0 for every core.
    """
    recogniser = load(model, beam=beam, threads=threads or 0)
    if modality(rows) != recogniser.config.modality:
        raise UsageError(
            f"The model '{model}' is for {recogniser.config.modality}, and the data is {modality(rows)}."
        )

    def one(row: Row) -> tuple[Row, Line | None]:
        try:
            return row, read_row(recogniser, row)
        except UserError as error:
            logger.warning("%s", error)
            return row, None

    yield from parallel(one, rows, recogniser.options.workers)


def recognise_rows(
    model: str, rows: Sequence[Row], *, beam: int | None = None, threads: int | None = None
) -> Iterator[tuple[Row, str | None]]:
    """As :func:`read_rows`, with the text alone."""
    for row, line in read_rows(model, rows, beam=beam, threads=threads):
        yield row, None if line is None else line.text


def read_row(recogniser: Recogniser, row: Row) -> Line:
    """A stretch of a recording, a line of a page, or a whole file: its text, and its words with
    their confidences.

    Raises:
        UserError: the media cannot be read, or is not of the model's kind.
    """
    if isinstance(recogniser, Transcriber) and row.start is None and row.end is None:
        transcript = recogniser.transcribe(row.media)
        return Line(
            transcript.text, tuple(word for line in transcript.lines for word in line.words)
        )
    texts, words = [], []
    for piece in pieces_of(recogniser, row):
        text, spans, _ = recogniser.decode(piece)
        texts.append(text)
        words += [Word(word, confidence=min(1.0, confidence)) for word, _, _, confidence in spans]
    return Line(" ".join(filter(None, texts)), tuple(words))


def recognise_row(recogniser: Recogniser, row: Row) -> str:
    """As :func:`read_row`, the text alone."""
    return read_row(recogniser, row).text


def pieces_of(recogniser: Recogniser, row: Row) -> Iterator[Posteriors]:
    """What the network makes of a row: of a line, or of each segment of a recording.

    Raises:
        UserError: the media cannot be read, or is not of the model's kind.
    """
    if isinstance(recogniser, LineReader):
        yield recogniser.look(line_image(row))[0]
        return
    assert isinstance(recogniser, Transcriber)
    rate = recogniser.features.sample_rate
    wave = read_sound(row.media, sample_rate=rate, start=row.start, end=row.end, amplify=True)
    for stretch in recogniser.stretches(Segmenter(rate).run([wave])):
        yield stretch.seen


def log_probs_of_texts(recogniser: Recogniser, row: Row, texts: Sequence[str]) -> list[float]:
    """Log-probability of each of some texts given a row's media, a recording's segments taken as
    one.

    Raises:
        UserError: the media cannot be read.
    """
    from recog.decoding import log_prob_of

    pieces = [piece.log_probs for piece in pieces_of(recogniser, row)]
    if not pieces:
        return [-np.inf] * len(texts)
    joined = np.concatenate(pieces)
    shown = [
        to_display(text) if recogniser.config.modality == "handwriting" else text for text in texts
    ]
    return [
        log_prob_of(joined, recogniser.alphabet.encode(text, skip_unknown=True)) for text in shown
    ]
