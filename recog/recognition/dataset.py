"""Recognise the rows of a corpus, for evaluation."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from recog.corpora.data import modality
from recog.corpora.line_images import line_image
from recog.corpora.rows import Row
from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.errors import UsageError, UserError
from recog.media.audio.reader import read_sound
from recog.recognition.base import Recogniser
from recog.recognition.handwriting import HandwritingRecogniser
from recog.recognition.load import load
from recog.recognition.speech import SpeechRecogniser
from recog.segment.speech import Segmenter
from recog.text.bidi import to_display
from recog.transcript import Line, Word
from recog.util.parallel import parallel

logger = logging.getLogger("recog")


def read_rows(
    model: str, rows: Sequence[Row], *, beam: int | None = None, threads: int | None = None
) -> Iterator[tuple[Row, Line | None]]:
    """Recognise each row, in order; gives None where its media cannot be read.

    Raises:
        UsageError: the model is for another kind of media.

    Args:
        model: name or path.
        beam: width of the beam search; 0 for the best path, None for the tuned width.
        threads: rows at the same time; None or 0 for every core.
    """
    recogniser = load(model, beam=beam, threads=threads or 0)
    if modality(rows) != recogniser.config.modality:
        raise UsageError(
            f"The model '{model}' is for {recogniser.config.modality}, and the data is "
            f"{modality(rows)}."
        )

    def read(row: Row) -> tuple[Row, Line | None]:
        try:
            return row, read_row(recogniser, row)
        except UserError as error:
            logger.warning("%s", error)
            return row, None

    yield from parallel(read, rows, recogniser.options.workers)


def recognise_rows(
    model: str, rows: Sequence[Row], *, beam: int | None = None, threads: int | None = None
) -> Iterator[tuple[Row, str | None]]:
    """Recognise each row like :func:`read_rows`, giving texts alone."""
    for row, line in read_rows(model, rows, beam=beam, threads=threads):
        yield row, None if line is None else line.text


def read_row(recogniser: Recogniser, row: Row) -> Line:
    """Recognise one row: a part of a recording, a line of a page, or a whole file.

    The line has the text, and the words with their confidences.

    Raises:
        UserError: the media cannot be read, or is not of the model's kind.
    """
    if isinstance(recogniser, SpeechRecogniser) and row.start is None and row.end is None:
        transcript = recogniser.transcribe(row.media)
        return Line(
            transcript.text, tuple(word for line in transcript.lines for word in line.words)
        )
    texts, words = [], []
    for posteriors in row_posteriors(recogniser, row):
        text, spans, _ = recogniser.decode(posteriors)
        texts.append(text)
        words += [Word(word, confidence=min(1.0, confidence)) for word, _, _, confidence in spans]
    return Line(" ".join(filter(None, texts)), tuple(words))


def recognise_row(recogniser: Recogniser, row: Row) -> str:
    """Recognise one row like :func:`read_row`, giving the text alone."""
    return read_row(recogniser, row).text


def row_posteriors(recogniser: Recogniser, row: Row) -> Iterator[Posteriors]:
    """Posteriors of a row: of its line, or of each segment of its recording.

    Raises:
        UserError: the media cannot be read, or is not of the model's kind.
    """
    if isinstance(recogniser, HandwritingRecogniser):
        yield recogniser.posteriors(line_image(row))[0]
        return
    assert isinstance(recogniser, SpeechRecogniser)
    rate = recogniser.features.sample_rate
    wave = read_sound(row.media, sample_rate=rate, start=row.start, end=row.end, amplify=True)
    for chunk in recogniser.chunks(Segmenter(rate).run([wave])):
        yield chunk.posteriors


def log_probs_of_texts(recogniser: Recogniser, row: Row, texts: Sequence[str]) -> list[float]:
    """Log-probability of each text given a row's media.

    The segments of a recording count as one.

    Raises:
        UserError: the media cannot be read.
    """
    from recog.decoding import log_prob_of

    matrices = [posteriors.log_probs for posteriors in row_posteriors(recogniser, row)]
    if not matrices:
        return [-np.inf] * len(texts)
    joined = np.concatenate(matrices)
    displayed = [
        to_display(text) if recogniser.config.modality == "handwriting" else text for text in texts
    ]
    return [
        log_prob_of(joined, recogniser.alphabet.encode(text, skip_unknown=True))
        for text in displayed
    ]
