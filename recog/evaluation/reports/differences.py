"""Differences between a recognised and a true text, by word and by letter within words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Levenshtein

from recog.util.edit_distance import as_numbers

CONTEXT = 8  # words shown on either side of an error in a long text
LONG = 120  # a text with more words is long
MAX_BLOCKS = 200  # stretches of errors shown of a text
MAX_LETTERS = 4000  # a longer stretch is not compared by letter
ALIKE = 1 / 3  # share of letters that must agree, else the whole stretch is marked

Mark = Literal["same", "word", "letter", "left out"]
# whether equal; start and end in the reference, start and end in the hypothesis
Block = tuple[bool, int, int, int, int]


@dataclass(frozen=True)
class Span:
    """A span of text with a mark.

    Attributes:
        text: the text with its spaces.
        mark: "same" for text that is in both texts, "word" for the right letters of a wrong word,
            "letter" for its wrong letters, "left out" for a sentence in place of text.
    """

    text: str
    mark: Mark


Spans = list[Span]


def differences(reference: str, hypothesis: str) -> tuple[Spans, Spans]:
    """Split both texts into marked spans, by minimum edit distance of words, then letters.

    Adjacent wrong words are aligned by letter as a single stretch. Where two words are joined, only
    the space is therefore marked. A long text is shortened to the context of its errors. Of very
    many errors, only the first are shown.
    """
    source, target = reference.split(), hypothesis.split()
    is_long = max(len(source), len(target)) > LONG
    ours, theirs = Spans(), Spans()
    shown = 0
    for equal, a, b, c, d in _blocks(source, target):
        if shown == MAX_BLOCKS and not equal:
            _append(ours, Span(f"… {len(source) - a} more words", "left out"))
            _append(theirs, Span(f"… {len(target) - c} more words", "left out"))
            break
        if equal:
            context = list(_context(source[a:b], is_long, a > 0, b < len(source)))
            _append(ours, *context)
            _append(theirs, *context)
            continue
        shown += 1
        left, right = _letters(" ".join(source[a:b]), " ".join(target[c:d]))
        _append(ours, *left)
        _append(theirs, *right)
    return ours, theirs


def _append(spans: Spans, first: Span | None = None, *rest: Span) -> None:
    """Append spans, with a space before them."""
    if first is not None:
        spans += [Span(" ", "same")] * bool(spans) + [first, *rest]


def _blocks(source: Sequence[str], target: Sequence[str]) -> Iterator[Block]:
    """Yield alternating stretches of equal and of different words."""
    codes = Levenshtein.opcodes(*as_numbers(source, target))
    held: Block | None = None
    for code in codes:
        block = (code.tag == "equal", code.src_start, code.src_end, code.dest_start, code.dest_end)
        if held is not None and held[0] == block[0]:
            held = (held[0], held[1], block[2], held[3], block[4])
            continue
        if held is not None:
            yield held
        held = block
    if held is not None:
        yield held


def _context(words: Sequence[str], is_long: bool, before: bool, after: bool) -> Iterator[Span]:
    """Yield equal words, without the middle of a long stretch in a long text.

    Args:
        before, after: whether an error comes before or after the words.
    """
    first, last = CONTEXT * before, CONTEXT * after
    left_out = len(words) - first - last
    if not is_long or left_out <= CONTEXT:
        yield Span(" ".join(words), "same")
        return
    if first:
        yield Span(" ".join(words[:first]) + " ", "same")
    yield Span(f"… {left_out} words …", "left out")
    if last:
        yield Span(" " + " ".join(words[-last:]), "same")


def _letters(source: str, target: str) -> tuple[Spans, Spans]:
    if not source or not target or max(len(source), len(target)) > MAX_LETTERS:
        return _whole(source), _whole(target)
    codes: list[Block] = [
        (c.tag == "equal", c.src_start, c.src_end, c.dest_start, c.dest_end)
        for c in Levenshtein.opcodes(source, target)
    ]
    if sum(b - a for equal, a, b, _, _ in codes if equal) < ALIKE * max(len(source), len(target)):
        return _whole(source), _whole(target)
    ours = [
        Span(source[a:b], "word" if equal else "letter") for equal, a, b, _, _ in codes if b > a
    ]
    theirs = [
        Span(target[c:d], "word" if equal else "letter") for equal, _, _, c, d in codes if d > c
    ]
    return ours, theirs


def _whole(text: str) -> Spans:
    return [Span(text, "letter")] if text else []
