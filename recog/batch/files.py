"""Inputs and outputs of a batch: which files, what each is called, where its result goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recog.batch import remote
from recog.errors import UsageError, UserError
from recog.util.atomic_files import to_disk, write_bytes
from recog.util.folders import stored, walk

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """One file of a batch. Strings and not paths, which would take five times the memory: a batch
    may have 100,000.

    Attributes:
        name: its path or URL as it was given, or ``-`` for standard input.
        target: path or URL of its result; None for standard output.
    """

    name: str
    target: str | None = None

    @property
    def here(self) -> bool:
        """Whether only this process can read it."""
        return self.name == STDIN or self.name.startswith(remote.IN_MEMORY)

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
            with remote.downloaded(self.name) as path:
                yield path
        else:
            path = stored(Path(self.name))
            if not path.exists():
                raise UserError(f"{self.name}: there is no such file.")
            yield path


def collect(
    arguments: Sequence[str], suffixes: Iterable[str], output: str | Path | None, extension: str
) -> list[Input]:
    """Expand files, folders, their URLs and ``-`` into inputs, each with its output.

    A file is taken whatever it is called; in a folder, searched with everything below it, those
    with a known suffix that are not hidden. What lies in ``output``, where that is a folder within,
    are results and no inputs; so is a file that has the place of another's result.

    Raises:
        UsageError: ``-`` twice, an empty folder, or two inputs with one output.
        UserError: a folder cannot be listed.
    """
    known = frozenset(suffixes)
    out = None if output is None else remote.local(str(output))
    found: list[Input] = []
    for argument in map(remote.local, arguments):
        inside = files_in(argument, known, out)
        if inside is None:
            entry = Input(argument)
            found.append(Input(argument, target(out, entry.stem, extension)))
            continue
        if not inside:
            raise UsageError(
                f"{argument}: no file in this folder has a suffix of {', '.join(sorted(known))}."
            )
        entries = [
            Input(
                join_path(argument, name), target(out, str(Path(name).with_suffix("")), extension)
            )
            for name in inside
        ]
        results = _result_places(entries)
        found += [entry for entry in entries if not results or _absolute(entry.name) not in results]
    if sum(entry.name == STDIN for entry in found) > 1:
        raise UsageError("Standard input (-) can be read only once.")
    _check_distinct(found)
    return found


def _result_places(inputs: Sequence[Input]) -> set[str]:
    """Where the results of inputs go, but for what would be its own result."""
    places = (
        (_absolute(entry.name), _absolute(entry.target))
        for entry in inputs
        if entry.target is not None
    )
    return {place for name, place in places if place != name}


def _absolute(name: str) -> str:
    return name if remote.is_url(name) else os.path.abspath(name)  # noqa: PTH100


def files_in(
    argument: str, suffixes: frozenset[str], leave_out: str | None = None
) -> list[str] | None:
    """The files below a folder, as names within it; None where the argument is no folder.

    Args:
        leave_out: path or URL of a folder whose files are left out.
    """
    if remote.is_url(argument):
        return remote.listing(argument, suffixes, leave_out)
    if argument == STDIN or not Path(argument).is_dir():
        return None
    others = [] if leave_out is None or remote.is_url(leave_out) else [leave_out]
    return [os.path.relpath(name, argument) for name in walk(argument, suffixes, leave_out=others)]


def join_path(folder: str, name: str) -> str:
    """The path or URL of a file within a folder."""
    return remote.join(folder, name) if remote.is_url(folder) else str(Path(folder, name))


def target(output: str | None, stem: str, extension: str) -> str | None:
    """Where the result of an input goes that has this name, without its suffix, in its folder."""
    if output is None:
        return None
    return join_path(
        output, f"{Path(stem).as_posix() if remote.is_url(output) else stem}.{extension}"
    )


def _check_distinct(inputs: Sequence[Input]) -> None:
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


def store(target: str, content: bytes | Path) -> None:
    """Put a result in its place, a path or URL, all or nothing: its content, or a file that has it
    and is gone then."""
    if remote.is_url(target):
        remote.write(target, content)
        if isinstance(content, Path):
            content.unlink()
    elif isinstance(content, Path):
        to_disk(content)
        content.replace(target)
    else:
        write_bytes(Path(target), content)
