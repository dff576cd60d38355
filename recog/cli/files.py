"""Inputs and outputs of a batch: which files, what each is called, where its result goes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recog.errors import UsageError


@dataclass(frozen=True)
class Input:
    """One file of a batch; ``path`` None is standard input. ``output`` None is standard output."""

    path: Path | None
    name: str
    output: Path | None

    @property
    def source(self) -> Path | BinaryIO:
        return self.path if self.path is not None else sys.stdin.buffer


def collect(arguments: Sequence[str], suffixes: Iterable[str], output: Path | None, extension: str) -> list[Input]:
    """Expand files, folders and ``-`` into inputs, each with its output.

    A file is taken whatever it is called; in a folder, searched with everything below it, those with a known suffix.

    Raises:
        UsageError: ``-`` twice, an empty folder, or two inputs with one output.
    """
    known = frozenset(suffixes)
    found: list[Input] = []
    for argument in arguments:
        if argument == "-":
            found.append(Input(None, "-", output / f"stdin.{extension}" if output else None))
            continue
        path = Path(argument)
        if not path.is_dir():
            found.append(Input(path, argument, output / f"{path.stem}.{extension}" if output else None))
            continue
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in known and p.is_file())
        if not inside:
            raise UsageError(f"{path}: no file in this folder has a suffix of {', '.join(sorted(known))}.")
        for file in inside:
            target = output / file.relative_to(path).with_suffix(f".{extension}") if output else None
            found.append(Input(file, str(file), target))
    if sum(entry.path is None for entry in found) > 1:
        raise UsageError("Standard input (-) can be read only once.")
    _distinct(found)
    return found


def _distinct(inputs: Sequence[Input]) -> None:
    owners: dict[Path, str] = {}
    for entry in inputs:
        if entry.output is None:
            continue
        if entry.output in owners:
            raise UsageError(
                f"{owners[entry.output]} and {entry.name} would both be written to {entry.output}; "
                "rename one or use two folders."
            )
        owners[entry.output] = entry.name


def write_text(path: Path, text: str) -> None:
    """Write a result, all or nothing."""
    # A file name that is not UTF-8 stands in a result as escapes
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


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
