"""NIST's time-marked words (.ctm), as sclite reads them.

A row is ``recording channel start duration word [confidence]``; comments begin with ``;;``
(https://github.com/usnistgov/SCTK, doc/infmts.htm).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import PurePath

from recog.errors import UserError
from recog.formats.media_checks import require_sound
from recog.formats.timed import trn
from recog.transcript import Line, Transcript, Word
from recog.util.text_files import split_lines

CHANNEL = "1"  # where the channels were mixed
PAUSE = 1.0  # seconds; a longer pause between words begins a new line
MAX_NUMBER = 1e9
_MARKUP = {"<ALT_BEGIN>": "{", "<ALT>": "/", "<ALT_END>": "}"}
_NUMBER = re.compile(r"(?:\d{1,9}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,2})?")


def write(transcript: Transcript) -> str:
    """Write a row for each word, sorted by channel (as text) and time.

    The recording has the name of its file, without suffix and white space.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line with text has a word without times.
    """
    require_sound(transcript, "ctm gives times of sound")
    rows = []
    for line in transcript.lines:
        if line.text.split() and not line.words:
            raise UserError(_untimed(transcript))
        for word in line.words:
            rows += [
                (str(line.channel or CHANNEL), start, row) for start, row in _rows(word, transcript)
            ]
    name = "_".join(PurePath(transcript.source).stem.split()) or "recording"
    name = "_" + name if name.startswith(";;") else name
    return "".join(
        f"{name} {channel} {row}\n" for channel, _, row in sorted(rows, key=lambda row: row[:2])
    )


def _untimed(transcript: Transcript) -> str:
    return (
        f"A line of {transcript.source} has no times of words, which ctm needs; "
        "choose another format."
    )


def _rows(word: Word, transcript: Transcript) -> list[tuple[int, str]]:
    """Return start (ms) and fields of a word, or of each part of a word with white space."""
    if word.start is None or word.end is None or not math.isfinite(word.start + word.end):
        raise UserError(_untimed(transcript))
    start = max(0, round(word.start * 1000))
    parts = word.text.split()
    step = (max(start, round(word.end * 1000)) - start) / max(1, len(parts))
    confidence = ""
    if word.confidence is not None and math.isfinite(word.confidence):
        confidence = f" {min(1.0, max(0.0, word.confidence)):.4f}"
    times = [round(start + k * step) for k in range(len(parts) + 1)]
    return [
        (a, f"{a / 1000:.3f} {(b - a) / 1000:.3f} {part}{confidence}")
        for part, a, b in zip(parts, times, times[1:], strict=False)
    ]


def read(text: str, *, source: str = "") -> Transcript:
    """Read a file of one recording; a pause of more than a second ends a line.

    Raises:
        UserError: as :func:`read_all`, or the file has several recordings or channels.
    """
    transcripts = read_all(text, source=source)
    if len(transcripts) > 1:
        first, second = (transcript.source for transcript in transcripts[:2])
        raise UserError(
            f"{source or 'The text'} holds several recordings, as '{first}' and '{second}'; "
            "give one."
        )
    return Transcript(source, transcripts[0].lines) if transcripts else Transcript(source)


def read_all(text: str, *, source: str = "") -> list[Transcript]:
    """Read every recording of a file, in order.

    ``source`` is the recording's name, and its channel (``name#2``) where it has several. The first
    of alternates (``<ALT_BEGIN>``) is read; ``@``, sclite's sign for no word, is skipped.

    Raises:
        UserError: a row is not of this format.
    """
    return [transcript for transcript, _ in read_with_markup(text, source=source)]


def read_with_markup(text: str, *, source: str = "") -> list[tuple[Transcript, str | None]]:
    """Read every recording as :func:`read_all` does, with its text in sclite's markup.

    The markup (:mod:`recog.formats.timed.trn`) is None where a recording has neither alternates,
    ``{ a / b }``, nor optional words, ``(uh)``.

    Raises:
        UserError: a row is not of this format.
    """
    words: dict[tuple[str, str], list[Word]] = {}
    tokens: dict[tuple[str, str], list[str]] = {}
    with_alternates: set[tuple[str, str]] = set()
    in_later_alternate = False
    for number, row in enumerate(split_lines(text), start=1):
        fields = row.split()
        if not fields or row.startswith(";;"):
            continue
        recording = (fields[0], fields[1] if len(fields) > 1 else "")
        if len(fields) == 5 and fields[2:4] == ["*", "*"]:
            in_later_alternate = fields[4].upper() == "<ALT>"
            with_alternates.add(recording)
            tokens.setdefault(recording, []).append(_MARKUP.get(fields[4].upper(), "@"))
            continue
        word = _word(fields)
        if word is None:
            raise UserError(
                f"Line {number} of {source or 'the text'} is not "
                "'recording channel start duration word'; correct it."
            )
        tokens.setdefault(recording, []).append(word.text)
        first_words = words.setdefault(recording, [])
        if not in_later_alternate and word.text != "@":
            first_words.append(word)
    channels = Counter(name for name, _ in words)
    recordings = []
    for (name, channel), first_words in words.items():
        markup = " ".join(tokens[name, channel])
        # without <ALT_BEGIN>, braces are words
        literal = (name, channel) not in with_alternates and re.search("[{}]", markup)
        transcript = Transcript(
            name if channels[name] == 1 else f"{name}#{channel}", tuple(_lines(first_words))
        )
        has_markup = trn.has_markup(markup) and not literal
        recordings.append((transcript, markup if has_markup else None))
    return recordings


def _word(fields: list[str]) -> Word | None:
    if len(fields) < 5:
        return None
    start, duration = _number(fields[2]), _number(fields[3])
    if start is None or duration is None:
        return None
    confidence = _number(fields[5]) if len(fields) > 5 else None
    if confidence is not None:
        confidence = min(1.0, confidence)
    return Word(fields[4], start, round(start + duration, 6), confidence=confidence)


def _number(field: str) -> float | None:
    """Parse a number from 0 to below 1e9, with or without an exponent; None for any other text."""
    value = float(field) if _NUMBER.fullmatch(field) else MAX_NUMBER
    return value if value < MAX_NUMBER else None


def _lines(words: list[Word]) -> list[Line]:
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.start or 0.0):
        if lines and (word.start or 0.0) - (lines[-1][-1].end or 0.0) <= PAUSE:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [
        Line(
            " ".join(word.text for word in line), tuple(line), start=line[0].start, end=line[-1].end
        )
        for line in lines
    ]
