"""The bar that a batch shows on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(total: int, *, printing: bool) -> Iterator[tuple[Callable[[], None], Callable[[float], None]]]:
    """A bar on standard error where that is a terminal and nothing else goes to it; else nothing.

    Args:
        printing: results go to standard output, which must not be the same terminal.

    Gives the function to call after each item, and one to tell how many seconds of a recording are done.
    """
    if not sys.stderr.isatty() or (printing and sys.stdout.isatty()):
        yield lambda: None, lambda seconds: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # rich would print what goes to standard output on its own console, standard error
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=total if total > 1 else None)

        def tell(seconds: float) -> None:
            bar.update(task, description=f"{int(seconds) // 60}:{int(seconds) % 60:02d} transcribed")

        yield lambda: bar.advance(task), tell
