"""Print an evaluation as tables for people.

Output that is no terminal gets no colours and no frames, and is not cut to a width.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recog.evaluation.bootstrap import Interval
from recog.evaluation.comparison import Comparison, Difference
from recog.evaluation.counts import Counts
from recog.evaluation.result import Confusion, Result
from recog.util.display import percent, printable

_WIDE = 200  # columns of output that is no terminal
_COUNTS = ("errors", "subst", "del", "ins", "reference")


def render(
    result: Result,
    file: TextIO,
    *,
    comparison: Comparison | None = None,
    by_group: bool = False,
    confusions: int = 0,
) -> None:
    """Print the result of an evaluation to a file.

    Args:
        comparison: the comparison with another system, printed below the result.
        by_group: whether to print a table of the groups too.
        confusions: number of the most common word and character confusions to print.
    """
    terminal = file.isatty()
    console = Console(
        file=file, highlight=False, markup=False, emoji=False, width=None if terminal else _WIDE
    )
    framed = box.SIMPLE_HEAD if terminal else None
    console.print(_overall(result, framed))
    missing = f", {result.missing} of them without a hypothesis" if result.missing else ""
    _say(
        console,
        f"{result.n} utterances or lines{missing}; {percent(result.sentence_error_rate)} % have an "
        "error.",
    )
    _say(
        console, f"Normalisation: {result.normalisation.name} ({result.normalisation.description})."
    )
    for note in result.notes:
        _say(console, note)
    if comparison is not None:
        console.print(_compared(comparison, framed))
    if by_group:
        console.print(_grouped(result, framed))
    if confusions > 0:
        console.print(_confused("words", result.word_confusions[:confusions], framed))
        console.print(_confused("characters", result.character_confusions[:confusions], framed))


def with_interval(rate: float, interval: Interval | None) -> str:
    """Format a rate with its interval in percent, as ``12.34 [11.8, 12.9]``."""
    if interval is None:
        return percent(rate)
    return f"{percent(rate)} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _overall(result: Result, framed: box.Box | None) -> Table:
    table = _table(framed, "", "% [95 %]", *_COUNTS)
    for name, counts, interval in (
        ("WER", result.wer, result.wer_interval),
        ("CER", result.cer, result.cer_interval),
    ):
        table.add_row(name, with_interval(counts.rate, interval), *_counts(counts))
    return table


def _compared(comparison: Comparison, framed: box.Box | None) -> Table:
    table = _table(framed, "", "A %", "B %", "B - A, points [95 %]", "B better in", "")
    for name, difference in (("WER", comparison.wer), ("CER", comparison.cer)):
        share = (
            "n/a"
            if difference.b_better is None
            else f"{100 * difference.b_better:.1f} % of resamples"
        )
        points = with_interval(difference.difference, difference.interval)
        table.add_row(
            name, percent(difference.a), percent(difference.b), points, share, verdict(difference)
        )
    return table


def verdict(difference: Difference) -> str:
    """State which system is better, if the difference is significant."""
    if not difference.significant:
        return "no clear difference"
    return "B is better" if difference.difference < 0 else "A is better"


def _grouped(result: Result, framed: box.Box | None) -> Table:
    table = _table(framed, "group", "n", "WER %", "words", "CER %", "characters")
    for name, group in result.groups.items():
        words, characters = str(group.wer.reference), str(group.cer.reference)
        table.add_row(
            Text(printable(name)),
            str(group.n),
            percent(group.wer.rate),
            words,
            percent(group.cer.rate),
            characters,
        )
    if not result.groups:
        table.add_row("(the data names no groups)")
    return table


def _confused(what: str, confusions: Iterable[Confusion], framed: box.Box | None) -> Table:
    table = _table(framed, f"{what}: reference", "recognised", "times")
    for confusion in confusions:
        table.add_row(
            _token(confusion.reference), _token(confusion.hypothesis), str(confusion.count)
        )
    return table


def _token(token: str) -> Text:
    """Make a word or character visible: the empty string as ∅, a space as ␣."""
    return Text({"": "∅", " ": "␣", "\n": "⏎"}.get(token) or printable(token, limit=30))


def _counts(counts: Counts) -> list[str]:
    numbers = (
        counts.errors,
        counts.substitutions,
        counts.deletions,
        counts.insertions,
        counts.reference,
    )
    return [str(number) for number in numbers]


def _table(framed: box.Box | None, first: str, *others: str) -> Table:
    table = Table(box=framed, pad_edge=False, padding=(0, 1))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _say(console: Console, sentence: str) -> None:
    console.print(Text(sentence), soft_wrap=not console.is_terminal)
