"""Draw a recording as rows of spectrogram, with its words at their times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recog.features.log_mel import hz_to_mel, log_mel
from recog.formats.timed.line_breaking import line_units
from recog.model.config import SpectrogramConfig
from recog.transcript import Line, Transcript
from recog.util.display import clock
from recog.visualise.draw import (
    INK,
    RULE,
    SOFT,
    Canvas,
    Colour,
    TextPainter,
    blank,
    colour_of,
    legend,
)

RATE = 16_000
_CONFIG = SpectrogramConfig(bands=80)
HOP = _CONFIG.hop / RATE  # seconds between frames
ROW_SECONDS = 10.0
WIDTH = 1600  # pixels of a row's sound
LEFT, RIGHT, HEADER, BELOW = 62, 24, 56, 30
SPECTRUM, BAR = 120, 7  # pixels high
FONT_SIZE, LEVEL = 16, 21  # pixels of a word, and of a level of words
MAX_LEVELS, MAX_WORDS = 6, 400  # of a row
RANGE = 11.0  # nats of mel power from loudest to white: 48 dB
HERTZ = (500, 1000, 2000, 4000)
# from quiet to loud
_SHADES = ((255, 255, 255), (236, 222, 208), (190, 140, 105), (110, 60, 40), (45, 15, 15))


@dataclass(frozen=True)
class TimedWord:
    """A word in a picture.

    Attributes:
        start, end: seconds into the recording.
        guessed: whether its times are estimated from its length in a line without word times.
        line: number of its line, from 0.
    """

    text: str
    start: float
    end: float
    colour: Colour
    guessed: bool
    line: int


def draw_sound(
    wave: NDArray[np.float32], transcript: Transcript, painter: TextPainter, *, start: float = 0.0
) -> Canvas:
    """Draw the spectrogram of an excerpt of a recording, with its words.

    Args:
        wave: (samples,) at 16 kHz.
        transcript: of the whole recording; words outside the excerpt are left out.
        painter: draws the text.
        start: seconds into the recording at which the excerpt begins.
    """
    seconds = len(wave) / RATE
    frames = log_mel(wave, _CONFIG)
    loudest = float(np.percentile(frames, 99.7)) if frames.size else 0.0
    length = min(ROW_SECONDS, max(2.0, seconds))
    words = [
        word
        for word in _timed_words(transcript)
        if word.end > start and word.start < start + seconds
    ]
    rows = []
    for number in range(max(1, math.ceil(seconds / length - 1e-9))):
        first = start + number * length  # seconds into the recording
        row_words = [w for w in words if w.start < first + length and w.end > first][:MAX_WORDS]
        part = frames[round((first - start) / HOP) : round((first - start + length) / HOP)]
        rows.append(_row(part - loudest, row_words, first, length, painter))
    height = HEADER + sum(row.shape[0] for row in rows)
    canvas = blank(LEFT + WIDTH + RIGHT, height)
    at = HEADER
    for row in rows:
        canvas[at : at + row.shape[0]] = row
        at += row.shape[0]
    _header(canvas, transcript, painter, start, seconds, any(word.guessed for word in words))
    return canvas


def _timed_words(transcript: Transcript) -> list[TimedWord]:
    """The words of a transcript with their times, in order of time."""
    words = []
    for number, line in enumerate(transcript.lines):
        units, timed = line_units(line)
        confidences = _confidences(line, len(units), timed)
        for unit, confidence in zip(units, confidences, strict=True):
            words.append(
                TimedWord(
                    unit.text, unit.start, unit.end, colour_of(confidence, INK), not timed, number
                )
            )
    return sorted(words, key=lambda word: word.start)


def _confidences(line: Line, count: int, timed: bool) -> list[float | None]:
    """The confidences of a line's ``count`` units: those of its words, else that of the line."""
    confidences = [word.confidence for word in line.words if word.text.split()]
    return confidences if timed and len(confidences) == count else [line.confidence] * count


def _row(
    frames: NDArray[np.float32],
    words: Sequence[TimedWord],
    first: float,
    length: float,
    painter: TextPainter,
) -> Canvas:
    """A row: words, bars of their confidence, spectrogram, time axis."""
    scale = WIDTH / length
    spots = _spots(words, first, first + length, scale, painter)
    levels = max([level for level, _ in spots], default=0) + 1
    above = levels * LEVEL + 6
    row = blank(LEFT + WIDTH + RIGHT, above + BAR + SPECTRUM + BELOW)
    top = above + BAR
    used = round(min(WIDTH, len(frames) * HOP * scale))
    if used:
        row[top : top + SPECTRUM, LEFT : LEFT + used] = _spectrum(frames, used)
    for word, (level, x) in zip(words, spots, strict=True):
        a = LEFT + max(0.0, (word.start - first) * scale)
        b = max(a + 2, min(LEFT + WIDTH, LEFT + (word.end - first) * scale))
        cv2.rectangle(row, (round(a) + 1, above), (round(b) - 1, above + BAR - 3), word.colour, -1)
        line = row[above : top + SPECTRUM, round(a)]
        line[:] = np.rint(0.55 * line + 0.45 * np.array(word.colour)).astype(np.uint8)
        if word.start < first:  # its text is in the row above
            continue
        y = above - 6 - level * LEVEL
        if level:
            cv2.line(row, (round(a), y + 3), (round(a), above), RULE, 1)
        painter.put(row, word.text, x, y, FONT_SIZE, word.colour, 300 if word.guessed else 450)
    _axes(row, top, first, length, scale, painter)
    return row


def _spots(
    words: Sequence[TimedWord], first: float, last: float, scale: float, painter: TextPainter
) -> list[tuple[int, float]]:
    """The level above the spectrogram and the left edge of each word.

    A word is centred on its time, on the lowest level at which it does not overlap others.
    """
    ends: list[float] = []
    spots = []
    for word in words:
        width = painter.width(word.text, FONT_SIZE)
        middle = LEFT + ((max(word.start, first) + min(word.end, last)) / 2 - first) * scale
        x = min(max(middle - width / 2, LEFT), LEFT + WIDTH + RIGHT - width - 4)
        level = next((k for k, end in enumerate(ends) if end + 8 <= x), len(ends))
        if level == len(ends) and level < MAX_LEVELS:
            ends.append(0.0)
        level = min(level, MAX_LEVELS - 1)
        if word.start >= first:
            ends[level] = x + width
        spots.append((level, x))
    return spots


def _spectrum(frames: NDArray[np.float32], width: int) -> Canvas:
    """An image of a spectrogram (height, width, 3): low frequencies at the bottom, loud is dark.

    Args:
        frames: (n, bands) log mel power relative to the loudest.
    """
    level = np.clip((frames.T[::-1] + RANGE) / RANGE, 0.0, 1.0).astype(np.float32)
    image = cv2.resize(level, (width, SPECTRUM), interpolation=cv2.INTER_LINEAR)
    stops = np.linspace(0.0, 1.0, len(_SHADES))
    table = np.stack(
        [np.interp(np.linspace(0, 1, 256), stops, [c[k] for c in _SHADES]) for k in range(3)],
        axis=1,
    )
    return np.asarray(
        np.rint(table).astype(np.uint8)[np.rint(image * 255).astype(np.uint8)], np.uint8
    )


def _axes(
    row: Canvas, top: int, first: float, length: float, scale: float, painter: TextPainter
) -> None:
    bottom = top + SPECTRUM
    cv2.line(row, (LEFT, bottom), (LEFT + WIDTH, bottom), SOFT, 1)
    low, high = (float(hz_to_mel(hz)) for hz in (_CONFIG.low, _CONFIG.high))
    for hz in HERTZ:
        y = round(bottom - SPECTRUM * (float(hz_to_mel(hz)) - low) / (high - low))
        cv2.line(row, (LEFT - 5, y), (LEFT, y), SOFT, 1)
        text = f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz"
        painter.put(row, text, LEFT - 9 - painter.width(text, 11), y + 4, 11, SOFT)
    second = math.ceil(first - 1e-6)
    while second <= first + length + 1e-6:
        x = round(LEFT + (second - first) * scale)
        cv2.line(row, (x, bottom), (x, bottom + 5), SOFT, 1)
        text = clock(second)
        painter.put(
            row,
            text,
            min(x - painter.width(text, 12) / 2, row.shape[1] - 40),
            bottom + 19,
            12,
            SOFT,
        )
        second += 1


def _header(
    canvas: Canvas,
    transcript: Transcript,
    painter: TextPainter,
    start: float,
    seconds: float,
    guessed: bool,
) -> None:
    words = [
        word.confidence
        for line in transcript.lines
        for word in line.words
        if word.confidence is not None
    ]
    about = f"{clock(start)} to {clock(start + seconds)}"
    if transcript.duration is not None and transcript.duration > start + seconds + 0.5:
        about += f" of {clock(transcript.duration)}"
    if transcript.model:
        about += f", heard by {transcript.model}"
    if guessed:
        about += "; thin words: their times are a guess"
    y = HEADER - 24
    name = transcript.source.replace("\\", "/").rpartition("/")[2]
    at = LEFT + painter.put(canvas, name, LEFT, y, 20, INK, 600)
    painter.put(canvas, about, at + 16, y, 16, SOFT)
    if words:
        legend(canvas, painter, canvas.shape[1] - RIGHT, y, 15)
