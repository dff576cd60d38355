"""How far a batch is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from recog.batch.work import FileProgress, Result
from recog.util.display import clock

LOG_INTERVAL = 30.0  # seconds
# called with the share that is done, and what to say of it
Show = Callable[[float | None, str], None]


class Progress:
    """Counts what is done of a batch and estimates what is left.

    The time left is the time gone by, times what is left over what is done. A file counts for its
    size: one long recording among short ones is most of the work.

    Args:
        weights: of each input, in the order of their numbers; in whatever unit.
        show: is told after each change.
    """

    def __init__(self, weights: Sequence[int], show: Show) -> None:
        self._weights = weights
        self._whole = sum(weights)
        self._done_weight = 0
        self._in_progress: dict[int, FileProgress] = {}
        self._show = show
        self._start_time = time.monotonic()
        self.files = 0
        self.seconds = 0.0

    def report(self, index: int, file_progress: FileProgress) -> None:
        """A file is so far."""
        self._in_progress[index] = file_progress
        self._show(self.fraction(), str(self))

    def done(self, index: int, result: Result) -> None:
        """A file is done, well or not."""
        self._in_progress.pop(index, None)
        self._done_weight += self._weights[index]
        self.files += 1
        self.seconds += result.seconds
        self._show(self.fraction(), str(self))

    def fraction(self) -> float | None:
        """Of the work that is done, 0 to 1; None where a single file does not say how long it
        is."""
        started = sum(
            self._weights[index] * min(1.0, file_progress.done / file_progress.total)
            for index, file_progress in self._in_progress.items()
            if file_progress.total
        )
        if len(self._weights) == 1 and not started and not self.files:
            return None
        return min(1.0, (self._done_weight + started) / self._whole)

    def __str__(self) -> str:
        fraction, total = self.fraction(), len(self._weights)
        seconds = self.seconds + sum(
            file_progress.done for file_progress in self._in_progress.values()
        )
        parts = [f"{self.files:,} of {total:,} files"] if total > 1 else []
        if seconds:
            parts.append(
                clock(seconds, hours=True)
                + (f" of about {clock(seconds / fraction, hours=True)}" if fraction else "")
            )
        if fraction:
            parts.append(
                f"{clock((time.monotonic() - self._start_time) * (1 - fraction) / fraction, hours=True)} left"
            )
        return ", ".join(parts)


@contextmanager
def progress_display(*, printing: bool, log: bool = True) -> Iterator[Show]:
    """Gives what shows progress on standard error: a bar where that is a terminal, else a line
    every half minute.

    Args:
        printing: results go to standard output, which must not be the same terminal; if it is,
            nothing is shown.
        log: whether there may be lines where there is no terminal.
    """
    if not sys.stderr.isatty():
        yield _log_display() if log else lambda fraction, text: None
    elif printing and sys.stdout.isatty():
        yield lambda fraction, text: None
    else:
        with _bar() as show:
            yield show


def _log_display() -> Show:
    last = time.monotonic()

    def show(fraction: float | None, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LOG_INTERVAL:
            last = now
            print(f"recog: {text}.", file=sys.stderr, flush=True)

    return show


@contextmanager
def _bar() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    # rich would print what goes to standard output on its own console, standard error
    with Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=None)

        def show(fraction: float | None, text: str) -> None:
            bar.update(
                task,
                total=None if fraction is None else 1.0,
                completed=fraction or 0.0,
                description=text,
            )

        yield show
