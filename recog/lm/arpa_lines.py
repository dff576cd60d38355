"""Lines of an ARPA file, with their numbers for error messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.errors import UserError
from recog.lm.files import read_blocks

MAX_LINE = 1 << 16  # bytes


class ArpaLines:
    """A reader of lines, one by one or by section, which counts them for error messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0  # of the last line, from 1
        self._batches = self._read()
        self._batch: list[bytes] = []
        self._next = 0

    def error(self, message: str, number: int | None = None) -> UserError:
        return UserError(f"{self.path}, line {number or self.number}: {message}.")

    def next_line(self) -> bytes | None:
        """Return the next line that is not blank, stripped; None at the end of the file."""
        while self._next < len(self._batch) or self._fill():
            line = self._batch[self._next].strip(b" \t")
            self._next += 1
            self.number += 1
            if line:
                return line
        return None

    def put_back(self) -> None:
        """Undo the last :meth:`next_line` that returned a line."""
        self._next -= 1
        self.number -= 1

    def section_lines(self) -> tuple[range, list[bytes]]:
        """Return further lines of a section, and their numbers; none at its end.

        A section ends before a line that begins with a backslash.
        """
        while self._next < len(self._batch) or self._fill():
            rest = self._batch[self._next :] if self._next else self._batch
            stop = next((i for i, line in enumerate(rest) if line[:1] == b"\\"), len(rest))
            if stop == 0:
                break
            numbers = range(self.number + 1, self.number + 1 + stop)
            self._next += stop
            self.number += stop
            return numbers, rest[:stop]
        return range(0), []

    def finish(self) -> None:
        """Read the rest of the file, since compressed data has its checksum at the end."""
        while self._fill():
            pass

    def _fill(self) -> bool:
        self._batch, self._next = next(self._batches, []), 0
        return bool(self._batch)

    def _read(self) -> Iterator[list[bytes]]:
        pending, number = b"", 1  # the number of the batch's first line
        for block in read_blocks(self.path):
            if number == 1 and len(pending) < 3:
                block, pending = (pending + block).removeprefix(b"\xef\xbb\xbf"), b""
            *batch, pending = (pending + block).split(b"\n")
            if max(map(len, batch), default=0) > MAX_LINE or len(pending) > MAX_LINE:
                raise self.error(
                    f"a line from here on is longer than {MAX_LINE} bytes; this is no ARPA file",
                    number,
                )
            if batch:
                yield self._without_returns(batch, number)
                number += len(batch)
        if pending:
            yield self._without_returns([pending], number)

    def _without_returns(self, batch: list[bytes], number: int) -> list[bytes]:
        if any(b"\r" in line for line in batch):
            batch = [line.removesuffix(b"\r") for line in batch]
            for i, line in enumerate(batch):
                if b"\r" in line:
                    raise self.error(
                        "there is a carriage return inside the line; remove it", number + i
                    )
        return batch
