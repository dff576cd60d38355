"""Report the files of a batch that fail, and list them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TextIO

from recog.errors import one_line
from recog.util.atomic_files import partial_path

ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class Failures:
    """Prints the errors of files on standard error and, given a path, writes a list of them.

    The list grows as ``FILE.part``, which a killed batch leaves behind, and is renamed to ``FILE``
    at the end of the batch. Without failures it is empty. A tab separates path and reason; tabs,
    line ends and backslashes in a path are escaped as in C.
    """

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self._path = path
        self._list: TextIO | None = None
        self._resources = ExitStack()

    def __enter__(self) -> Failures:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = partial_path(self._path)
            self._list = self._resources.enter_context(
                part.open("w", encoding="utf-8", errors="surrogateescape")
            )
            self._resources.callback(part.replace, self._path)
            self._resources.callback(self._list.close)  # before the renaming
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def add(self, name: str, reasons: Iterable[str]) -> None:
        """Report the errors of a file. Without errors the file is not counted."""
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
