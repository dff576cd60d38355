"""NIST's time-marked words (.ctm), as sclite reads them: ``recording channel start duration word
[confidence]``.

Format: https://github.com/usnistgov/SCTK, doc/infmts.htm. Comments begin with ``;;``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import PurePath

from recog.errors import UsageError, UserError
from recog.formats.timed import trn
from recog.transcript import Line, Transcript, Word

CHANNEL = "1"
PAUSE = 1.0  # seconds: words further apart are read as two lines
LARGEST = 1e9
_MARKUP = {"<ALT_BEGIN>": "{", "<ALT>": "/", "<ALT_END>": "}"}
_NUMBER = re.compile(r"(?:\d{1,9}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,2})?")


def write(transcript: Transcript) -> str:
    """A row a word, sorted by channel (as text) and time; the recording is called as its file,
    without suffix and white space.

    Raises:
        UsageError: the transcript is of an image.
        UserError: a line has text, and a word without times.
    """
    if transcript.size is not None:
        raise UsageError(
            f"{transcript.source} is an image, and ctm gives times of sound; choose another format."
        )
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
    return f"A line of {transcript.source} has no times of words, which ctm needs; choose another format."


def _rows(word: Word, transcript: Transcript) -> list[tuple[int, str]]:
    """The start in milliseconds and the fields of a word; of several, where it has white space in
    it."""
    if word.start is None or word.end is None or not math.isfinite(word.start + word.end):
        raise UserError(_untimed(transcript))
    start = max(0, round(word.start * 1000))
    parts = word.text.split()
    step = (max(start, round(word.end * 1000)) - start) / max(1, len(parts))
    sure = word.confidence is not None and math.isfinite(word.confidence)
    confidence = f" {min(1.0, max(0.0, word.confidence or 0.0)):.4f}" if sure else ""
    times = [round(start + k * step) for k in range(len(parts) + 1)]
    return [
        (a, f"{a / 1000:.3f} {(b - a) / 1000:.3f} {part}{confidence}")
        for part, a, b in zip(parts, times, times[1:], strict=False)
    ]


def read(text: str, *, source: str = "") -> Transcript:
    """The words of a file that holds one recording; a line ends where a pause is longer than a
    second.

    Raises:
        UserError: as :func:`read_all`, or there are several recordings, or channels.
    """
    found = read_all(text, source=source)
    if len(found) > 1:
        first, second = (transcript.source for transcript in found[:2])
        raise UserError(
            f"{source or 'The text'} holds several recordings, as '{first}' and '{second}'; give one."
        )
    return Transcript(source, found[0].lines) if found else Transcript(source)


def read_all(text: str, *, source: str = "") -> list[Transcript]:
    """Each recording of a file, in order, its ``source`` the name there; with its channel, where it
    has several.

    Of alternatives (``<ALT_BEGIN>``) the first is read; ``@``, sclite's word for nothing, is none.

    Raises:
        UserError: a row is not a ctm's.
    """
    return [transcript for transcript, _ in read_with_markup(text, source=source)]


def read_with_markup(text: str, *, source: str = "") -> list[tuple[Transcript, str | None]]:
    """Each recording of :func:`read_all`, and its text in sclite's notation
    (:mod:`recog.formats.timed.trn`) where it has alternatives, ``{ a / b }``, or optional words,
    ``(uh)``; else None.

    Raises:
        UserError: a row is not a ctm's.
    """
    words: dict[tuple[str, str], list[Word]] = {}
    marked: dict[tuple[str, str], list[str]] = {}
    with_alternatives: set[tuple[str, str]] = set()
    passing = False
    rows = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, row in enumerate(rows, start=1):
        fields = row.split()
        if not fields or row.startswith(";;"):
            continue
        recording = (fields[0], fields[1] if len(fields) > 1 else "")
        if len(fields) == 5 and fields[2:4] == ["*", "*"]:
            passing = fields[4].upper() == "<ALT>"
            with_alternatives.add(recording)
            marked.setdefault(recording, []).append(_MARKUP.get(fields[4].upper(), "@"))
            continue
        word = _word(fields)
        if word is None:
            raise UserError(
                f"Line {number} of {source or 'the text'} is not 'recording channel start duration word'; correct it."
            )
        marked.setdefault(recording, []).append(word.text)
        own = words.setdefault(recording, [])
        if not passing and word.text != "@":
            own.append(word)
    channels = Counter(name for name, _ in words)
    found = []
    for (name, channel), own in words.items():
        said = " ".join(marked[name, channel])
        # braces are words of their own
        literal = (name, channel) not in with_alternatives and re.search("[{}]", said)
        transcript = Transcript(
            name if channels[name] == 1 else f"{name}#{channel}", tuple(_lines(own))
        )
        found.append((transcript, said if trn.has_markup(said) and not literal else None))
    return found


def _word(fields: list[str]) -> Word | None:
    if len(fields) < 5:
        return None
    start, duration = _number(fields[2]), _number(fields[3])
    if start is None or duration is None:
        return None
    sure = _number(fields[5]) if len(fields) > 5 else None
    return Word(
        fields[4],
        start,
        round(start + duration, 6),
        confidence=None if sure is None else min(1.0, sure),
    )


def _number(field: str) -> float | None:
    """A number from 0 to below :data:`LARGEST`, also with an exponent, or None."""
    value = float(field) if _NUMBER.fullmatch(field) else LARGEST
    return value if value < LARGEST else None


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
