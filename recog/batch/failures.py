"""What is wrong with the files of a batch: said at once, and listed at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TextIO

from recog.errors import one_line
from recog.util.atomic_files import part_of

ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class Failures:
    """Says on standard error what is wrong with a file, and lists path and reason where a list is
    asked for.

    The list grows beside its place as ``FILE.part``, so that a batch that is killed leaves what it
    knew, and has its name when the batch ends; without failures it is empty. A tab separates path
    and reason; tabs, line ends and backslashes in a path are escaped as in C.
    """

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self._path = path
        self._list: TextIO | None = None
        self._resources = ExitStack()

    def __enter__(self) -> Failures:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = part_of(self._path)
            self._list = self._resources.enter_context(
                part.open("w", encoding="utf-8", errors="surrogateescape")
            )
            self._resources.callback(part.replace, self._path)
            self._resources.callback(self._list.close)  # before it gets its name
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def add(self, name: str, reasons: Iterable[str]) -> None:
        """A file is not whole, for these reasons; for none, it is."""
        reasons = tuple(reasons)
        self.count += bool(reasons)
        for reason in reasons:
            print_message(reason)
            if self._list is not None:
                row = name.translate(ESCAPES), reason.removeprefix(f"{name}: ").translate(ESCAPES)
                print(*row, sep="\t", file=self._list, flush=True)


def print_message(sentence: str) -> None:
    """Print a sentence on standard error, on one line."""
    print(f"recog: {one_line(sentence)}", file=sys.stderr, flush=True)
