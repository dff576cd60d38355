"""Inputs and outputs of a batch: which files, what each is called, where its result goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recog.errors import UsageError, UserError

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """One file of a batch. Strings and not paths, which would take five times the memory: a batch may have 100,000.

    Attributes:
        name: its path as it was given, or ``-`` for standard input.
        target: path of its result; None for standard output.
    """

    name: str
    target: str | None = None

    @property
    def path(self) -> Path | None:
        return None if self.name == STDIN else Path(self.name)

    @property
    def output(self) -> Path | None:
        return None if self.target is None else Path(self.target)

    @property
    def source(self) -> Path | BinaryIO:
        return self.path or sys.stdin.buffer

    @property
    def stem(self) -> str:
        """The name without folder and suffix."""
        return "stdin" if self.path is None else self.path.stem


def collect(arguments: Sequence[str], suffixes: Iterable[str], output: Path | None, extension: str) -> list[Input]:
    """Expand files, folders and ``-`` into inputs, each with its output.

    A file is taken whatever it is called; in a folder, searched with everything below it, those with a known suffix.

    Raises:
        UsageError: ``-`` twice, an empty folder, or two inputs with one output.
        UserError: a folder cannot be listed.
    """
    known = frozenset(suffixes)
    found: list[Input] = []
    for argument in arguments:
        if argument != STDIN and Path(argument).is_dir():
            inside = len(found)
            for file in walk(argument, known):
                inner = Path(file).relative_to(argument).with_suffix(f".{extension}")
                found.append(Input(file, str(output / inner) if output else None))
            if len(found) == inside:
                raise UsageError(f"{argument}: no file in this folder has a suffix of {', '.join(sorted(known))}.")
        else:
            entry = Input(argument)
            found.append(Input(argument, str(output / f"{entry.stem}.{extension}") if output else None))
    if sum(entry.path is None for entry in found) > 1:
        raise UsageError("Standard input (-) can be read only once.")
    _distinct(found)
    return found


def walk(folder: str, suffixes: frozenset[str]) -> Iterator[str]:
    """The files below a folder that have one of the suffixes, in the order of their names; links to folders are not
    followed.

    Raises:
        UserError: a folder cannot be listed.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror or error}).") from None
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path, suffixes)
        elif Path(entry.name).suffix.lower() in suffixes and entry.is_file():
            yield str(Path(entry.path))


def _distinct(inputs: Sequence[Input]) -> None:
    owners: dict[str, str] = {}
    for entry in inputs:
        if entry.target is None:
            continue
        if entry.target in owners:
            raise UsageError(
                f"{owners[entry.target]} and {entry.name} would both be written to {entry.target}; "
                "rename one or use two folders."
            )
        owners[entry.target] = entry.name


def sizes(inputs: Sequence[Input]) -> list[int]:
    """Bytes of each input, at least 1; 1 where that cannot be known."""
    found = [1] * len(inputs)
    for i, entry in enumerate(inputs):
        if entry.path is not None:
            with suppress(OSError):
                found[i] = max(1, entry.path.stat().st_size)
    return found


def write_text(path: Path, text: str) -> None:
    """Write a result, all or nothing."""
    write_bytes(path, encoded(text))


def encoded(text: str) -> bytes:
    """UTF-8; a file name that is not stands in a result as escapes."""
    return text.encode("utf-8", errors="backslashreplace")


def place(path: Path, content: bytes | Path) -> None:
    """Put a result in its place, all or nothing: its content, or a file beside the place that has it."""
    if isinstance(content, bytes):
        write_bytes(path, content)
    else:
        content.replace(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
