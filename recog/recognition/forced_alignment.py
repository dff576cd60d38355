"""A known text and its recording, or its line image -> a transcript: the text with times, or boxes,
of every word."""

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
from recog.recognition import chunk_merging
from recog.recognition.base import Recogniser, line_confidence, reorder
from recog.recognition.handwriting import LineReader
from recog.recognition.speech import BLOCK_SECONDS, Transcriber
from recog.segment.speech import Segmenter
from recog.text.alphabet import describe
from recog.text.bidi import to_display
from recog.text.normalise import rule
from recog.transcript import Line, Transcript, Word

GAP = 0  # among a text's labels, where the alphabet has the blank: anything may be said here
EDGE_LOG_PROB = -20.0  # of all symbols but blank and space in the frame between two segments
LONGEST_WORD = 500  # frames of a word that its confidence looks at
BATCH = 1000  # words whose confidences are computed at once
# on LibriSpeech, with a model of 65 % WER, 99 of 100 right lines have 0.37 and more, of wrong ones
# 0.33 and less
DOUBTFUL = 0.3

Timed = tuple[float, float, float | None]  # start, end, confidence
# log_probs, and where they start and end, in seconds or pixels
Stretch = tuple[NDArray[np.float32], float, float]


@dataclass(frozen=True)
class _Spelling:
    """A text in a model's symbols.

    Attributes:
        labels: indices of the alphabet, with gaps at both ends, between lines, and, where a space
            is among the symbols, between words.
        spans: for each word as it is spelled, its first position in ``labels`` and one past its
            last.
        owners: for each of those, which of the text's words it is of: "mother-in-law" may be
            spelled as three.
        logical: the words as they are spelled, in the order of ``owners``; ``shown``: in the order
            of ``spans``, in which they stand in an image.
    """

    labels: list[int]
    spans: list[tuple[int, int]]
    owners: list[int]
    logical: list[str]
    shown: list[str]


@dataclass(frozen=True)
class _Heard:
    """A recording, or an image, as a text needs it.

    Attributes:
        log_probs: (frames, columns) of :func:`recog.decoding.ctc.long_alignment.add_gap_column`; a quiet
            frame stands before and after each stretch.
        edges: (frames + 1,) where each frame begins, in seconds or pixels; step: their usual
            distance.
        columns: of ``log_probs``, by index of the alphabet; -1 for symbols that the text does not
            have.
        read, starts: the best path's columns, and the frames in which they start.
    """

    log_probs: NDArray[np.float32]
    edges: NDArray[np.float64]
    step: float
    columns: NDArray[np.int64]
    read: list[int]
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

    The text is spelled by the model's own rules. A word that its alphabet cannot spell (a number,
    for most speech models) gets the time between its neighbours, and no box. Text that is not in
    the recording, or the other way round, harms no more than the words beside it.

    Args:
        recogniser: of :func:`recog.load`.
        source: a recording or an image, as ``transcribe`` takes it: a path, bytes, a binary stream,
            an array.
        lines: paragraphs, sentences or subtitles; blank ones are left out. For an image, one.
        sample_rate: samples a second, of an array of sound.
        name: what to call the source in the result; its path unless given.
        timing: by default the model's own.
        advance: called with the seconds done after each segment.

    Returns:
        A line for each line, its text and its words as they were given. A word's confidence is e to
        the mean log-probability of its symbols, 0 where it has no place in the recording, None
        where it cannot be spelled: it judges the place, not the text, and is not calibrated.

    Raises:
        UserError: there is no text, none that the model can spell, or several lines for an image;
            or the file cannot be read.
    """
    name = name or name_of(source)
    texts = [text for text in (" ".join(line.split()) for line in lines) if text]
    if not texts:
        raise UserError(f"There is no text to align with {name}; give a file that has some.")
    timing = timing or recogniser.timing
    if isinstance(recogniser, Transcriber):
        return _align_sound(recogniser, source, sample_rate, texts, name, timing, advance)
    assert isinstance(recogniser, LineReader)  # there are two modalities
    if len(texts) > 1:
        raise UserError(
            f"{name} is an image of one line, and the text has {len(texts)}; give the text of this line."
        )
    return _align_image(recogniser, source, texts[0], name, timing)


def _align_sound(
    recogniser: Transcriber,
    source: Source,
    array_rate: float | None,
    texts: list[str],
    name: str,
    timing: Timing,
    advance: Callable[[float], None] | None,
) -> Transcript:
    spelling = _spell(recogniser, texts)
    features = recogniser.features

    segmenter = Segmenter(features.sample_rate, everything=True)  # the text tells what is speech

    def reported(stream: Iterator[chunk_merging.Stretch]) -> Iterator[Stretch]:
        for stretch in stream:
            yield stretch.seen.log_probs, stretch.start, stretch.end
            if advance:
                advance(stretch.end)

    with open_sound(source, sample_rate=features.sample_rate, array_rate=array_rate) as sound:
        sound.amplify()
        stream = recogniser.stretches(segmenter.run(sound.blocks(BLOCK_SECONDS)))
        heard = _listen(recogniser, spelling, reported(stream), recogniser.step)
        warnings, damage = tuple(sound.warnings), tuple(sound.damage)
    duration = segmenter.samples / features.sample_rate
    places = _of_owners(
        _find(recogniser, spelling, heard, timing),
        spelling,
        sum(len(text.split()) for text in texts),
    )
    times = iter(_without_holes(places, duration))
    lines = []
    for text in texts:
        words = tuple(
            Word(word, round(start, 3), round(end, 3), confidence=_rounded(sure))
            for word, (start, end, sure) in zip(text.split(), times, strict=False)
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
    recogniser: LineReader, source: Source, text: str, name: str, timing: Timing
) -> Transcript:
    spelling = _spell(recogniser, [text], display=True)
    image = read_image(source)
    height, width = image.shape
    seen, scale = recogniser.look(image)
    heard = _listen(recogniser, spelling, [(seen.log_probs, 0.0, float(width))], scale)
    places = _of_owners(_find(recogniser, spelling, heard, timing), spelling, len(text.split()))
    words = tuple(
        Word(word)
        if place is None
        else Word(
            word,
            box=(round(place[0], 1), 0.0, round(place[1], 1), float(height)),
            confidence=_rounded(place[2]),
        )
        for word, place in zip(text.split(), places, strict=True)
    )
    line = Line(text, words, confidence=_line_confidence(words))
    return Transcript(name, (line,), recogniser.config.name, size=(width, height))


def _spell(recogniser: Recogniser, texts: list[str], *, display: bool = False) -> _Spelling:
    """The texts as the model would write them; ``display`` for the order in which they stand in an
    image."""
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
        shown = to_display(" ".join(spelled)).split() if display else spelled
        spelling.shown.extend(shown)
        for word in shown:
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
            f"The model '{recogniser.config.name}' cannot spell a single word of the text; outside its alphabet are "
            f"{', '.join(map(describe, unknown))}."
        )
    return spelling


def _listen(
    recogniser: Recogniser, spelling: _Spelling, stream: Iterable[Stretch], step: float
) -> _Heard:
    """Run through all stretches, and keep of their log-probabilities what the text needs."""
    symbols = recogniser.config.symbols
    space = symbols.index(" ") if " " in symbols else None
    used = sorted({0, *spelling.labels} | ({space} if space is not None else set()))
    columns = np.full(len(symbols), -1, np.int64)
    columns[used] = np.arange(len(used))
    quiet = np.full((1, len(used) + 1), EDGE_LOG_PROB, np.float32)
    quiet[0, 0], quiet[0, -1] = (0.0 if space is None else np.log(0.4)), 0.0
    if space is not None:
        quiet[0, columns[space]] = np.log(0.6)
    rows, edges, read, starts = (
        [quiet],
        [np.zeros(1)],
        [np.zeros(0, np.int64)],
        [np.zeros(0, np.int64)],
    )
    frames, end = 1, 0.0
    for log_probs, start, end in stream:
        labels, first = best_path_frames(log_probs)
        read.append(columns[np.asarray(labels, np.int64)])
        starts.append(np.asarray(first, np.int64) + frames)
        edges.append(np.minimum(start + step * np.arange(len(log_probs)), end))
        if space is not None:  # a segment ends in a pause, or between two words
            read.append(columns[[space]])
            starts.append(np.array([frames + len(log_probs)], np.int64))
        edges.append(np.array([end]))
        rows += [add_gap_column(log_probs, used, space), quiet]
        frames += len(log_probs) + 1
    edges.append(np.array([end]))
    return _Heard(
        np.concatenate(rows),
        np.concatenate(edges),
        step,
        columns,
        np.concatenate(read).tolist(),
        np.concatenate(starts).tolist(),
    )


def _find(
    recogniser: Recogniser, spelling: _Spelling, heard: _Heard, timing: Timing
) -> list[Timed]:
    """Where each word of the spelling lies, in the order of its ``owners``."""
    gap = heard.log_probs.shape[1] - 1
    labels = np.where(np.array(spelling.labels) == GAP, gap, heard.columns[spelling.labels])
    space = (
        int(heard.columns[recogniser.config.symbols.index(" ")])
        if " " in recogniser.config.symbols
        else None
    )
    placement = align_long_text(
        heard.log_probs, labels.tolist(), heard.read, heard.starts, space=space
    )
    sure = _confidences(heard, labels, placement, spelling.spans)
    last = len(labels) - 1
    begins = [heard.edges[placement.starts[min(a, last)]] for a, _ in spelling.spans]
    shift = timing.offset * heard.step
    found: list[Timed] = []
    for k, (a, b) in enumerate(spelling.spans):
        limit = begins[k + 1] if k + 1 < len(begins) else heard.edges[-1]
        end = min(heard.edges[placement.ends[max(a, b - 1)]] + timing.reach * heard.step, limit)
        low, high = np.clip((begins[k] + shift, max(begins[k], end) + shift), 0.0, heard.edges[-1])
        found.append((float(low), float(high), sure[k]))
    if spelling.shown == spelling.logical:
        return found
    spans = [(word, float(k), float(k), 0.0) for k, word in enumerate(spelling.shown)]
    return [found[int(k)] for _, k, _, _ in reorder(spans, " ".join(spelling.logical))]


def _confidences(
    heard: _Heard, labels: NDArray[np.int64], placement: LongAlignment, spans: list[tuple[int, int]]
) -> list[float]:
    """For each word e to the mean log-probability of its symbols and of the gaps beside it: the
    forward sum over their alignments to the word's frames and one on either side, by the number of
    symbols."""
    gap, windows, labellings = heard.log_probs.shape[1] - 1, [], []
    for a, b in spans:
        before, behind = labels[a - 1] == gap, labels[b] == gap
        first = max(0, int(placement.starts[a]) - int(before))
        after = min(
            int(placement.ends[max(a, b - 1)]) + int(behind),
            first + LONGEST_WORD,
            len(heard.log_probs),
        )
        windows.append((first, max(first, after)))
        labellings.append(labels[a - before : b + behind].tolist())
    sure: list[float] = []
    for at in range(0, len(spans), BATCH):
        part = slice(at, at + BATCH)
        sums = forward_sums(heard.log_probs, windows[part], labellings[part])
        sizes = np.array([max(1, len(labelling)) for labelling in labellings[part]])
        sure += np.exp(np.minimum(0.0, sums / sizes)).tolist()
    return [
        value if a < b and placement.matched[a:b].all() else 0.0
        for value, (a, b) in zip(sure, spans, strict=True)
    ]


def _of_owners(found: list[Timed], spelling: _Spelling, count: int) -> list[Timed | None]:
    """The text's own words, from those of its spelling; None for one that is not spelled."""
    parts: list[list[Timed]] = [[] for _ in range(count)]
    for owner, timed in zip(spelling.owners, found, strict=True):
        parts[owner].append(timed)
    return [
        (min(p[0] for p in part), max(p[1] for p in part), float(np.mean([p[2] for p in part])))
        if part
        else None
        for part in parts
    ]


def _without_holes(places: list[Timed | None], duration: float) -> Iterator[Timed]:
    """Words that have no time get that between their neighbours, and no confidence; nothing ever
    runs backwards."""
    following = [duration] * (len(places) + 1)
    for k in range(len(places) - 1, -1, -1):
        place = places[k]
        following[k] = following[k + 1] if place is None else place[0]
    reached = 0.0
    for k, place in enumerate(places):
        start, end, sure = place or (reached, following[k], None)
        start = max(start, reached)
        reached = max(start, min(end, following[k + 1]))
        yield start, reached, sure


def _line_confidence(words: tuple[Word, ...]) -> float | None:
    return line_confidence(
        [(word.text, 0, 0, word.confidence) for word in words if word.confidence is not None]
    )


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)
