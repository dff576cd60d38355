"""Show the progress of a batch: a bar on a terminal, lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from recog.batch.work import FileProgress, Result
from recog.util.display import clock

LOG_INTERVAL = 30.0  # seconds
# called with the fraction that is done (None: unknown) and a text
Show = Callable[[float | None, str], None]


class Progress:
    """Counts the finished work of a batch and estimates the time left.

    The time left is proportional to the work left. Files are weighted by size, because a long
    recording among short ones is most of the work.

    Args:
        weights: of the inputs, in their order and in any unit.
        show: called after each change.
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
        """Record the progress of a file."""
        self._in_progress[index] = file_progress
        self._show(self.fraction(), str(self))

    def done(self, index: int, result: Result) -> None:
        """Record that a file is finished or has failed."""
        self._in_progress.pop(index, None)
        self._done_weight += self._weights[index]
        self.files += 1
        self.seconds += result.seconds
        self._show(self.fraction(), str(self))

    def fraction(self) -> float | None:
        """The fraction of the work that is done, 0 to 1.

        None if the batch is a single file of unknown length.
        """
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
            left = (time.monotonic() - self._start_time) * (1 - fraction) / fraction
            parts.append(f"{clock(left, hours=True)} left")
        return ", ".join(parts)


@contextmanager
def progress_display(*, printing: bool, log: bool = True) -> Iterator[Show]:
    """Gives a function that shows progress on standard error.

    On a terminal that is a bar, else a line every half minute.

    Args:
        printing: whether results go to standard output. If that is a terminal, too, no progress is
            shown.
        log: whether lines are printed if there is no terminal.
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
    # no redirect: rich would print standard output on its console, which is standard error
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
