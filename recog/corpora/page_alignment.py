"""Align the transcript of a page with a model's readings of its lines.

Archives have page images with plain text and no line coordinates. A model that reads the lines of
the page, even badly, shows which part of the text belongs to which line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rapidfuzz.distance import Levenshtein

LineBreaks = Literal["kept", "lost", "auto"]
AGREEMENT = 0.6  # minimum for trusting a line's text
MOVED = 0.75  # minimum agreement of a line that is out of the transcript's order
KEPT = 0.5  # minimum median agreement for taking the transcript's lines as the page's lines
WINDOW = 24  # characters around the aligned position in which a line break is sought
HYPHENS = "-¬=⸗"
PREFERENCE = 0.03  # agreement by which a cut of the running text must beat a line of the transcript
LOOSE_END = 3  # limit on extra characters at an end of a line, in the transcript or on the page
UNCLEAR = re.compile(r"\[[^\]]*\?\]|\[(?:illegible|unclear|unleserlich|illisible)", re.IGNORECASE)


@dataclass(frozen=True)
class LineText:
    """The text of a line of the page.

    Attributes:
        text: from the transcript.
        agreement: with the model's reading: 1 - edit distance / length of the longer, 0 to 1.
    """

    text: str
    agreement: float


def align_page(
    lines: Sequence[str], transcript: str, *, line_breaks: LineBreaks = "auto"
) -> list[LineText | None]:
    """Find the text of each line of a page in the page's transcript.

    Args:
        lines: the model's reading of each line, in reading order.
        transcript: of the page, normalised as the model writes except for its line breaks.
        line_breaks: "kept" where each line of the transcript is a line of the page, "lost" where
            the transcript is running text. "auto" tries both where the lines agree well, and takes
            the better agreement for each line, because transcripts with line breaks often leave
            divided words whole.

    Returns:
        For each line its text; None where the transcript has none for it.
    """
    if line_breaks != "lost":
        given = [" ".join(line.split()) for line in transcript.splitlines() if line.strip()]
        matches = _match_lines(lines, given)
        if line_breaks == "kept":
            return matches
        if _fits(matches, lines, given):
            cut = _cut_text(lines, " ".join(transcript.split()))
            return [_better(match, other) for match, other in zip(matches, cut, strict=True)]
    return _cut_text(lines, " ".join(transcript.split()))


def is_clean(read: str, text: str) -> bool:
    """Whether a text is fit for training.

    It must have no mark of an unclear word. At the start and the end, neither the text nor the
    reading may have extra characters, as a divided word has.
    """
    if not text or UNCLEAR.search(text):
        return False
    blocks = Levenshtein.opcodes(read, text)
    same = [
        block
        for block in blocks
        if block.tag == "equal" and block.src_end - block.src_start >= min(3, len(text))
    ]
    if not same:
        return False
    before = abs(same[0].src_start - same[0].dest_start)
    after = abs((len(read) - same[-1].src_end) - (len(text) - same[-1].dest_end))
    return max(before, after) < LOOSE_END


def _better(match: LineText | None, cut: LineText | None) -> LineText | None:
    if match is None or cut is None:
        return match or cut
    return cut if cut.agreement > match.agreement + PREFERENCE else match


def agreement(read: str, text: str) -> float:
    """Agreement of two texts: 1 - edit distance / length of the longer text, 0 to 1."""
    return float(Levenshtein.normalized_similarity(read, text))


def _fits(matches: list[LineText | None], lines: Sequence[str], given: list[str]) -> bool:
    if not given or not lines:
        return False
    scores = sorted(match.agreement if match else 0.0 for match in matches)
    matched = sum(match is not None for match in matches)
    return scores[len(scores) // 2] >= KEPT and matched >= KEPT * len(given)


def _match_lines(lines: Sequence[str], given: list[str]) -> list[LineText | None]:
    """Pair the page's lines with the transcript's lines.

    Lines are paired in order first (dynamic programming). The others are then paired in any order
    where they agree well.
    """
    scores = np.array([[agreement(read, text) for text in given] for read in lines])
    scores = scores.reshape(len(lines), len(given))
    pairs = _best_path(np.where(scores >= AGREEMENT / 2, scores, -1.0))
    free_lines = set(range(len(lines))) - {line for line, _ in pairs}
    free_texts = set(range(len(given))) - {text for _, text in pairs}
    rest = [(scores[i, k], i, k) for i in free_lines for k in free_texts if scores[i, k] >= MOVED]
    for _, line, text in sorted(rest, reverse=True):
        if line in free_lines and text in free_texts:
            pairs.append((line, text))
            free_lines.remove(line)
            free_texts.remove(text)
    matches: list[LineText | None] = [None] * len(lines)
    for line, text in pairs:
        matches[line] = LineText(given[text], float(scores[line, text]))
    return matches


def _best_path(scores: np.ndarray) -> list[tuple[int, int]]:
    """The pairs (row, column), increasing in both, whose scores have the largest sum."""
    rows, columns = scores.shape
    best = np.zeros((rows + 1, columns + 1))
    for i in range(rows):
        diagonal = best[i, :-1] + scores[i]
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(diagonal, best[i, 1:]))
    pairs: list[tuple[int, int]] = []
    i, k = rows, columns
    while i and k:
        if best[i, k] == best[i - 1, k]:
            i -= 1
        elif best[i, k] == best[i, k - 1]:
            k -= 1
        else:
            i, k = i - 1, k - 1
            pairs.append((i, k))
    return pairs[::-1]


def _cut_text(lines: Sequence[str], text: str) -> list[LineText | None]:
    """Cut a running text where the lines of the page break.

    All lines are aligned with the text at once by edit distance. Each line break goes to the best
    place
    near the aligned position: between words, or inside a word where the line ends in a hyphen.
    """
    read = " ".join(lines)
    place = _places(read, text)
    ends = np.cumsum([len(line) + 1 for line in lines]) - 1
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(lines) else ends
    cuts = [0]
    for number in range(len(lines) - 1):
        near = int(place[ends[number]])
        before = lines[number], lines[number + 1]
        options = _breaks(text, near, max(cuts[-1], near - WINDOW), lines[number])
        following = int(place[min(len(read), ends[number + 1])])
        cuts.append(
            max(options, key=lambda cut: _gain(text, cuts[-1], cut, max(cut, following), before))
        )
    cuts.append(len(text))
    matches: list[LineText | None] = []
    for number, line in enumerate(lines):
        part = _part(text, cuts[number], cuts[number + 1], line)
        span = int(place[ends[number]] - place[starts[number]])
        matches.append(LineText(part, agreement(line, part)) if part and span > 0 else None)
    return matches


def _places(read: str, text: str) -> np.ndarray:
    """The position in ``text`` for each position in ``read``, 0 to its length."""
    places = np.zeros(len(read) + 1, np.int64)
    for block in Levenshtein.opcodes(read, text):
        span = block.src_end - block.src_start
        if span:
            along = np.linspace(block.dest_start, block.dest_end, span, endpoint=False)
            places[block.src_start : block.src_end] = along.astype(np.int64)
    places[-1] = len(text)
    return places


def _breaks(text: str, near: int, first: int, line: str) -> list[int]:
    """Candidate line breaks near a position: at spaces, and inside words after a hyphen."""
    last = min(len(text), near + WINDOW)
    inside = line.rstrip().endswith(tuple(HYPHENS))
    places = [k for k in range(first, last + 1) if k == len(text) or text[k] == " " or inside]
    return places or [min(max(near, first), len(text))]


def _gain(text: str, start: int, cut: int, after: int, lines: tuple[str, str]) -> float:
    """Agreement of two lines with the text before and after a cut, weighted by length."""
    first, second = _part(text, start, cut, lines[0]), text[cut:after].strip()
    return sum(
        len(line) * agreement(line, part) for line, part in ((lines[0], first), (lines[1], second))
    )


def _part(text: str, start: int, end: int, line: str) -> str:
    """The text of a line; a word divided at its end gets the line's hyphen."""
    part = text[start:end].strip()
    divided = 0 < end < len(text) and text[end] != " " and text[end - 1] != " "
    return part + line.rstrip()[-1] if divided and line.rstrip().endswith(tuple(HYPHENS)) else part
