"""Inputs and outputs of a batch: which files, what each is called, where its result goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recog.bulk import remote
from recog.disk import to_disk, write_bytes
from recog.errors import UsageError, UserError

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """One file of a batch. Strings and not paths, which would take five times the memory: a batch may have 100,000.

    Attributes:
        name: its path or URL as it was given, or ``-`` for standard input.
        target: path or URL of its result; None for standard output.
    """

    name: str
    target: str | None = None

    @property
    def here(self) -> bool:
        """Whether only this process can read it."""
        return self.name == STDIN or self.name.startswith(remote.HERE)

    @property
    def stem(self) -> str:
        """The name without folder and suffix."""
        if self.name == STDIN:
            return "stdin"
        return remote.stem(self.name) if remote.is_url(self.name) else Path(self.name).stem

    @contextmanager
    def opened(self) -> Iterator[Path | BinaryIO]:
        """What to read: a path (of a local copy, for a URL), or a stream.

        Raises:
            UserError: there is nothing of this name.
        """
        if self.name == STDIN:
            yield sys.stdin.buffer
        elif remote.is_url(self.name):
            with remote.fetched(self.name) as path:
                yield path
        elif Path(self.name).exists():
            yield Path(self.name)
        else:
            raise UserError(f"{self.name}: there is no such file.")


def collect(
    arguments: Sequence[str], suffixes: Iterable[str], output: str | Path | None, extension: str
) -> list[Input]:
    """Expand files, folders, their URLs and ``-`` into inputs, each with its output.

    A file is taken whatever it is called; in a folder, searched with everything below it, those with a known suffix.

    Raises:
        UsageError: ``-`` twice, an empty folder, or two inputs with one output.
        UserError: a folder cannot be listed.
    """
    known = frozenset(suffixes)
    out = None if output is None else remote.local(str(output))
    found: list[Input] = []
    for argument in map(remote.local, arguments):
        inside = within(argument, known)
        if inside is None:
            entry = Input(argument)
            found.append(Input(argument, target(out, entry.stem, extension)))
            continue
        if not inside:
            raise UsageError(f"{argument}: no file in this folder has a suffix of {', '.join(sorted(known))}.")
        for name in inside:
            found.append(Input(below(argument, name), target(out, str(Path(name).with_suffix("")), extension)))
    if sum(entry.name == STDIN for entry in found) > 1:
        raise UsageError("Standard input (-) can be read only once.")
    _distinct(found)
    return found


def within(argument: str, suffixes: frozenset[str]) -> list[str] | None:
    """The files below a folder, as names within it; None where the argument is no folder."""
    if remote.is_url(argument):
        return remote.listing(argument, suffixes)
    if argument == STDIN or not Path(argument).is_dir():
        return None
    return [os.path.relpath(name, argument) for name in walk(argument, suffixes)]


def below(folder: str, name: str) -> str:
    """The path or URL of a file within a folder."""
    return remote.join(folder, name) if remote.is_url(folder) else str(Path(folder, name))


def target(output: str | None, stem: str, extension: str) -> str | None:
    """Where the result of an input goes that has this name, without its suffix, in its folder."""
    if output is None:
        return None
    return below(output, f"{Path(stem).as_posix() if remote.is_url(output) else stem}.{extension}")


def walk(folder: str, suffixes: frozenset[str]) -> Iterator[str]:
    """The files below a folder that have one of the suffixes, in the order of their names; links to folders are not
    followed. A link that leads nowhere is one of them: whoever reads it says so.

    Raises:
        UserError: a folder cannot be listed.
    """
    waiting = [_listed(folder)]  # for each folder that is open what is left of it, the last first
    while waiting:
        if not waiting[-1]:
            waiting.pop()
            continue
        entry = waiting[-1].pop()
        if entry.is_dir(follow_symlinks=False):
            waiting.append(_listed(entry.path))
        elif Path(entry.name).suffix.lower() in suffixes and (entry.is_file() or not Path(entry.path).exists()):
            yield str(Path(entry.path))


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda entry: entry.name, reverse=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror or error}).") from None


def _distinct(inputs: Sequence[Input]) -> None:
    owners: dict[str, str] = {}
    for entry in inputs:
        if entry.target is None:
            continue
        if owners.get(entry.target) == entry.name:
            raise UsageError(f"{entry.name} is given twice; give it once.")
        if entry.target in owners:
            raise UsageError(
                f"{owners[entry.target]} and {entry.name} would both be written to {entry.target}; "
                "rename one or use two folders."
            )
        owners[entry.target] = entry.name


def sizes(inputs: Sequence[Input]) -> list[int]:
    """Bytes of each input, at least 1; 1 for all where they are not cheaply known of all."""
    if any(entry.name == STDIN or remote.is_url(entry.name) for entry in inputs):
        return [1] * len(inputs)
    found = [1] * len(inputs)
    for i, entry in enumerate(inputs):
        with suppress(OSError):
            found[i] = max(1, Path(entry.name).stat().st_size)
    return found


def place(target: str, content: bytes | Path) -> None:
    """Put a result in its place, a path or URL, all or nothing: its content, or a file that has it and is gone then."""
    if remote.is_url(target):
        remote.write(target, content)
        if isinstance(content, Path):
            content.unlink()
    elif isinstance(content, Path):
        to_disk(content)
        content.replace(target)
    else:
        write_bytes(Path(target), content)
