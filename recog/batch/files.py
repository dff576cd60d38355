"""The inputs of a batch, and the place of each result."""

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
from recog.util.atomic_files import flush_to_disk, write_bytes
from recog.util.folders import existing_path, walk

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """A file of a batch.

    Holds strings, because paths would take five times the memory and a batch may have 100,000
    files.

    Attributes:
        name: path or URL as the user gave it, or ``-`` for standard input.
        target: path or URL of the result; None for standard output.
    """

    name: str
    target: str | None = None

    @property
    def in_process_only(self) -> bool:
        """Whether no other process can read the file."""
        return self.name == STDIN or self.name.startswith(remote.IN_MEMORY)

    @property
    def stem(self) -> str:
        """The name without folder and suffix."""
        if self.name == STDIN:
            return "stdin"
        return remote.stem(self.name) if remote.is_url(self.name) else Path(self.name).stem

    @contextmanager
    def open(self) -> Iterator[Path | BinaryIO]:
        """Gives the path of the file (for a URL, of a local copy) or a stream.

        Raises:
            UserError: there is no such file.
        """
        if self.name == STDIN:
            yield sys.stdin.buffer
        elif remote.is_url(self.name):
            with remote.downloaded(self.name) as path:
                yield path
        else:
            path = existing_path(Path(self.name))
            if not path.exists():
                raise UserError(f"{self.name}: there is no such file.")
            yield path


def collect(
    arguments: Sequence[str], suffixes: Iterable[str], output: str | Path | None, extension: str
) -> list[Input]:
    """Expand files, folders, their URLs and ``-`` into inputs.

    A file is an input whatever its name is. Folders are searched recursively for files with a known
    suffix that are not hidden. Results of an earlier batch are no inputs: files below ``output``,
    and files at the place of another input's result.

    Args:
        suffixes: of input files, with the dot.
        output: folder of the results, or its URL; None for standard output.
        extension: of the results, without the dot.

    Raises:
        UsageError: ``-`` twice, an empty folder, or two inputs with one output.
        UserError: a folder cannot be listed.
    """
    known = frozenset(suffixes)
    out = None if output is None else remote.local(str(output))
    inputs: list[Input] = []
    for argument in map(remote.local, arguments):
        names = files_in(argument, known, out)
        if names is None:
            entry = Input(argument)
            inputs.append(Input(argument, target_of(out, entry.stem, extension)))
            continue
        if not names:
            raise UsageError(
                f"{argument}: no file in this folder has a suffix of {', '.join(sorted(known))}."
            )
        entries = [
            Input(
                join_path(argument, name),
                target_of(out, str(Path(name).with_suffix("")), extension),
            )
            for name in names
        ]
        results = _result_places(entries)
        inputs += [
            entry for entry in entries if not results or _absolute(entry.name) not in results
        ]
    if sum(entry.name == STDIN for entry in inputs) > 1:
        raise UsageError("Standard input (-) can be read only once.")
    _check_distinct(inputs)
    return inputs


def _result_places(inputs: Sequence[Input]) -> set[str]:
    """The places of the results, except those of inputs that would overwrite themselves."""
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
    """The files below a folder, relative to it; None if the argument is not a folder.

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


def target_of(output: str | None, stem: str, extension: str) -> str | None:
    """The path or URL of the result of an input that has the path ``stem`` below its folder."""
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
    """The size of each input in bytes, at least 1; all 1 if one of them cannot be looked up."""
    if any(entry.name == STDIN or remote.is_url(entry.name) for entry in inputs):
        return [1] * len(inputs)
    result = [1] * len(inputs)
    for i, entry in enumerate(inputs):
        with suppress(OSError):
            result[i] = max(1, Path(entry.name).stat().st_size)
    return result


def write_result(target: str, content: bytes | Path) -> None:
    """Write a result atomically to a path or URL.

    Args:
        content: of the result, or a file to move there.
    """
    if remote.is_url(target):
        remote.write(target, content)
        if isinstance(content, Path):
            content.unlink()
    elif isinstance(content, Path):
        flush_to_disk(content)
        content.replace(target)
    else:
        write_bytes(Path(target), content)
