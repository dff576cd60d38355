"""Align a known text with its recording or line image: the time or the box of every word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.decoding.ctc.forward_sum import forward_sums
from recog.decoding.ctc.long_alignment import LongAlignment, add_gap_column, align_long_text
from recog.decoding.ctc.word_spans import Timing
from recog.decoding.greedy import best_path_frames
from recog.errors import UserError
from recog.media.audio.reader import open_sound
from recog.media.image.reader import read_image
from recog.media.source import Source, name_of
from recog.recognition.base import Recogniser
from recog.recognition.chunk_merging import Chunk
from recog.recognition.handwriting import HandwritingRecogniser
from recog.recognition.speech import BLOCK_SECONDS, SpeechRecogniser
from recog.recognition.words import line_confidence, reorder_spans
from recog.segment.speech import Segmenter
from recog.text.alphabet import describe
from recog.text.bidi import to_display
from recog.text.normalise import rule
from recog.transcript import Line, Transcript, Word

GAP = 0  # a label in place of the blank's: any sound may stand here
EDGE_LOG_PROB = -20.0  # of all symbols but blank and space, in the frame between two segments
LONGEST_WORD = 500  # frames of a word that count for its confidence
BATCH = 1000  # words whose confidences are computed at once
# Confidence below which a line is doubtful. On LibriSpeech, with a model of 65 % WER, 99 of 100
# right lines have 0.37 and more, of wrong lines 0.33 and less.
DOUBTFUL = 0.3

TimedWord = tuple[float, float, float | None]  # start, end, confidence


@dataclass(frozen=True)
class _Spelling:
    """A text, spelled in the symbols of a model.

    Attributes:
        labels: indices of the alphabet, with gaps at both ends, between lines, and between words if
            the alphabet has a space.
        spans: for each spelled word, its first position in ``labels`` and one past its last.
        owners: for each spelled word, the index of the text's word that it belongs to:
            "mother-in-law" may be spelled as three words.
        logical: the spelled words in the order of ``owners``.
        displayed: the same in the order of ``spans``, from left to right in an image.
    """

    labels: list[int]
    spans: list[tuple[int, int]]
    owners: list[int]
    logical: list[str]
    displayed: list[str]


@dataclass(frozen=True)
class _Emissions:
    """Log-probabilities of a recording or an image, for the symbols of one text.

    Attributes:
        log_probs: (frames, columns) of
            :func:`recog.decoding.ctc.long_alignment.add_gap_column`; a quiet
            frame stands before and after each chunk.
        edges: (frames + 1,) where each frame begins, in seconds or pixels.
        step: usual distance of two edges.
        columns: column of ``log_probs`` by index of the alphabet; -1 for symbols that the text does
            not have.
        path: columns of the best path.
        starts: the frames in which they start.
    """

    log_probs: NDArray[np.float32]
    edges: NDArray[np.float64]
    step: float
    columns: NDArray[np.int64]
    path: list[int]
    starts: list[int]


def align_text(
    recogniser: Recogniser,
    source: Source,
    lines: Iterable[str],
    *,
    sample_rate: float | None = None,
    name: str | None = None,
    timing: Timing | None = None,
    advance: Callable[[float], None] | None = None,
) -> Transcript:
    """Find a known text in a recording of any length, or in an image of one line.

    The text is normalised as the model writes it. A word that the alphabet cannot spell (a number,
    for most speech models) gets the time between its neighbours, and no box. Text without sound, or
    sound without text, disturbs only the words beside it.

    Args:
        recogniser: a model of :func:`recog.load`.
        source: a recording or an image, as ``transcribe`` takes it: a path, bytes, a binary stream,
            an array.
        lines: paragraphs, sentences or subtitles; blank lines are left out. An image has one line.
        sample_rate: samples a second of an array of sound.
        name: name of the source in the result; by default its path.
        timing: by default the model's.
        advance: called with the seconds done after each segment.

    Returns:
        A line for each line of the text, unchanged. A word's confidence is e to the mean
        log-probability of its symbols, 0 where it has no place in the recording, None where it
        cannot be spelled. It judges the place, not the text, and is not calibrated.

    Raises:
        UserError: there is no text, the model can spell none of it, it has several lines for an
            image, or the file cannot be read.
    """
    name = name or name_of(source)
    texts = [text for text in (" ".join(line.split()) for line in lines) if text]
    if not texts:
        raise UserError(f"There is no text to align with {name}; give a file that has some.")
    timing = timing or recogniser.timing
    if isinstance(recogniser, SpeechRecogniser):
        return _align_sound(recogniser, source, sample_rate, texts, name, timing, advance)
    assert isinstance(recogniser, HandwritingRecogniser)  # there are two modalities
    if len(texts) > 1:
        raise UserError(
            f"{name} is an image of one line, and the text has {len(texts)}; give the text of "
            "this line."
        )
    return _align_image(recogniser, source, texts[0], name, timing)


def _align_sound(
    recogniser: SpeechRecogniser,
    source: Source,
    array_rate: float | None,
    texts: list[str],
    name: str,
    timing: Timing,
    advance: Callable[[float], None] | None,
) -> Transcript:
    spelling = _spell(recogniser, texts)
    features = recogniser.features

    segmenter = Segmenter(features.sample_rate, everything=True)  # the text decides what is speech

    def report_progress(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            yield chunk
            if advance:
                advance(chunk.end)

    with open_sound(source, sample_rate=features.sample_rate, array_rate=array_rate) as sound:
        sound.amplify()
        chunks = recogniser.chunks(segmenter.run(sound.blocks(BLOCK_SECONDS)))
        emissions = _collect_emissions(
            recogniser, spelling, report_progress(chunks), recogniser.step
        )
        warnings, damage = tuple(sound.warnings), tuple(sound.damage)
    duration = segmenter.samples / features.sample_rate
    places = _merge_parts(
        _locate_words(recogniser, spelling, emissions, timing),
        spelling,
        sum(len(text.split()) for text in texts),
    )
    times = iter(_fill_gaps(places, duration))
    lines = []
    for text in texts:
        words = tuple(
            Word(word, round(start, 3), round(end, 3), confidence=_round(confidence))
            for word, (start, end, confidence) in zip(text.split(), times, strict=False)
        )
        lines.append(
            Line(
                text,
                words,
                start=words[0].start,
                end=words[-1].end,
                confidence=_line_confidence(words),
            )
        )
    model = recogniser.config.name
    return Transcript(
        name, tuple(lines), model, duration=round(duration, 3), warnings=warnings, damage=damage
    )


def _align_image(
    recogniser: HandwritingRecogniser, source: Source, text: str, name: str, timing: Timing
) -> Transcript:
    spelling = _spell(recogniser, [text], display=True)
    image = read_image(source)
    height, width = image.shape
    posteriors, scale = recogniser.posteriors(image)
    emissions = _collect_emissions(
        recogniser, spelling, [Chunk(0.0, float(width), posteriors)], scale
    )
    places = _merge_parts(
        _locate_words(recogniser, spelling, emissions, timing), spelling, len(text.split())
    )
    words = tuple(
        Word(word)
        if place is None
        else Word(
            word,
            box=(round(place[0], 1), 0.0, round(place[1], 1), float(height)),
            confidence=_round(place[2]),
        )
        for word, place in zip(text.split(), places, strict=True)
    )
    line = Line(text, words, confidence=_line_confidence(words))
    return Transcript(name, (line,), recogniser.config.name, size=(width, height))


def _spell(recogniser: Recogniser, texts: list[str], *, display: bool = False) -> _Spelling:
    """Spell texts in the model's symbols.

    Args:
        display: in the order of an image, from left to right.

    Raises:
        UserError: no word can be spelled.
    """
    alphabet, normalise = (
        recogniser.alphabet,
        rule(recogniser.config.normalise, recogniser.config.languages),
    )
    spelling = _Spelling([GAP], [], [], [], [])
    labels = spelling.labels
    number = 0
    for text in texts:
        spelled = []
        for word in text.split():
            parts = [alphabet.encode(part, skip_unknown=True) for part in normalise(word).split()]
            written = [alphabet.decode(part) for part in parts if part]
            spelled += written
            spelling.owners.extend([number] * len(written))
            number += 1
        spelling.logical.extend(spelled)
        displayed = to_display(" ".join(spelled)).split() if display else spelled
        spelling.displayed.extend(displayed)
        for word in displayed:
            indices = alphabet.encode(word, skip_unknown=True)
            spelling.spans.append((len(labels), len(labels) + len(indices)))
            labels += indices
            if " " in alphabet and labels[-1] != GAP:
                labels.append(GAP)
        if labels[-1] != GAP:
            labels.append(GAP)
    if len(labels) == 1:
        unknown = alphabet.unknown(normalise("".join(texts)) or "".join(texts))[:5]
        raise UserError(
            f"The model '{recogniser.config.name}' cannot spell a single word of the text; "
            "outside its alphabet are "
            f"{', '.join(map(describe, unknown))}."
        )
    return spelling


def _collect_emissions(
    recogniser: Recogniser, spelling: _Spelling, chunks: Iterable[Chunk], step: float
) -> _Emissions:
    """Collect the log-probabilities of all chunks, for the symbols of the text alone."""
    symbols = recogniser.config.symbols
    space = symbols.index(" ") if " " in symbols else None
    used = sorted({0, *spelling.labels} | ({space} if space is not None else set()))
    columns = np.full(len(symbols), -1, np.int64)
    columns[used] = np.arange(len(used))
    quiet = np.full((1, len(used) + 1), EDGE_LOG_PROB, np.float32)
    quiet[0, 0], quiet[0, -1] = (0.0 if space is None else np.log(0.4)), 0.0
    if space is not None:
        quiet[0, columns[space]] = np.log(0.6)
    rows, edges, path, starts = (
        [quiet],
        [np.zeros(1)],
        [np.zeros(0, np.int64)],
        [np.zeros(0, np.int64)],
    )
    frames, end = 1, 0.0
    for chunk in chunks:
        log_probs, start, end = chunk.posteriors.log_probs, chunk.start, chunk.end
        labels, first = best_path_frames(log_probs)
        path.append(columns[np.asarray(labels, np.int64)])
        starts.append(np.asarray(first, np.int64) + frames)
        edges.append(np.minimum(start + step * np.arange(len(log_probs)), end))
        if space is not None:  # a chunk ends in a pause, or between two words
            path.append(columns[[space]])
            starts.append(np.array([frames + len(log_probs)], np.int64))
        edges.append(np.array([end]))
        rows += [add_gap_column(log_probs, used, space), quiet]
        frames += len(log_probs) + 1
    edges.append(np.array([end]))
    return _Emissions(
        np.concatenate(rows),
        np.concatenate(edges),
        step,
        columns,
        np.concatenate(path).tolist(),
        np.concatenate(starts).tolist(),
    )


def _locate_words(
    recogniser: Recogniser, spelling: _Spelling, emissions: _Emissions, timing: Timing
) -> list[TimedWord]:
    """Start, end and confidence of each spelled word, in the order of ``owners``."""
    gap = emissions.log_probs.shape[1] - 1
    labels = np.where(np.array(spelling.labels) == GAP, gap, emissions.columns[spelling.labels])
    space = (
        int(emissions.columns[recogniser.config.symbols.index(" ")])
        if " " in recogniser.config.symbols
        else None
    )
    placement = align_long_text(
        emissions.log_probs, labels.tolist(), emissions.path, emissions.starts, space=space
    )
    confidences = _confidences(emissions, labels, placement, spelling.spans)
    last = len(labels) - 1
    begins = [emissions.edges[placement.starts[min(a, last)]] for a, _ in spelling.spans]
    shift = timing.offset * emissions.step
    words: list[TimedWord] = []
    for k, (a, b) in enumerate(spelling.spans):
        limit = begins[k + 1] if k + 1 < len(begins) else emissions.edges[-1]
        end = min(
            emissions.edges[placement.ends[max(a, b - 1)]] + timing.reach * emissions.step, limit
        )
        low, high = np.clip(
            (begins[k] + shift, max(begins[k], end) + shift), 0.0, emissions.edges[-1]
        )
        words.append((float(low), float(high), confidences[k]))
    if spelling.displayed == spelling.logical:
        return words
    spans = [(word, float(k), float(k), 0.0) for k, word in enumerate(spelling.displayed)]
    return [words[int(k)] for _, k, _, _ in reorder_spans(spans, " ".join(spelling.logical))]


def _confidences(
    emissions: _Emissions,
    labels: NDArray[np.int64],
    placement: LongAlignment,
    spans: list[tuple[int, int]],
) -> list[float]:
    """Confidence of each word: e to the mean log-probability of its symbols and gaps.

    The log-probability is the forward sum over all alignments to the word's frames and a frame on
    either side. The mean is over the symbols.
    """
    gap, windows, labellings = emissions.log_probs.shape[1] - 1, [], []
    for a, b in spans:
        before, behind = labels[a - 1] == gap, labels[b] == gap
        first = max(0, int(placement.starts[a]) - int(before))
        after = min(
            int(placement.ends[max(a, b - 1)]) + int(behind),
            first + LONGEST_WORD,
            len(emissions.log_probs),
        )
        windows.append((first, max(first, after)))
        labellings.append(labels[a - before : b + behind].tolist())
    confidences: list[float] = []
    for at in range(0, len(spans), BATCH):
        part = slice(at, at + BATCH)
        sums = forward_sums(emissions.log_probs, windows[part], labellings[part])
        sizes = np.array([max(1, len(labelling)) for labelling in labellings[part]])
        confidences += np.exp(np.minimum(0.0, sums / sizes)).tolist()
    return [
        value if a < b and placement.matched[a:b].all() else 0.0
        for value, (a, b) in zip(confidences, spans, strict=True)
    ]


def _merge_parts(words: list[TimedWord], spelling: _Spelling, count: int) -> list[TimedWord | None]:
    """Merge spelled words to the words of the text; None for a word that is not spelled."""
    parts: list[list[TimedWord]] = [[] for _ in range(count)]
    for owner, timed in zip(spelling.owners, words, strict=True):
        parts[owner].append(timed)
    return [
        (min(p[0] for p in part), max(p[1] for p in part), float(np.mean([p[2] for p in part])))
        if part
        else None
        for part in parts
    ]


def _fill_gaps(places: list[TimedWord | None], duration: float) -> Iterator[TimedWord]:
    """Give words without a time the time between their neighbours, without confidence.

    Times never run backwards.
    """
    following = [duration] * (len(places) + 1)
    for k in range(len(places) - 1, -1, -1):
        place = places[k]
        following[k] = following[k + 1] if place is None else place[0]
    reached = 0.0
    for k, place in enumerate(places):
        start, end, confidence = place or (reached, following[k], None)
        start = max(start, reached)
        reached = max(start, min(end, following[k + 1]))
        yield start, reached, confidence


def _line_confidence(words: tuple[Word, ...]) -> float | None:
    return line_confidence(
        [(word.text, 0, 0, word.confidence) for word in words if word.confidence is not None]
    )


def _round(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)
