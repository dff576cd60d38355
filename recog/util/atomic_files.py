"""Files that are written whole or not at all, and outlast a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def flush_to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk: only then may it take the name by which it counts
    as done, or a power cut could leave that name with nothing in it.

    Raises:
        OSError: it cannot be written, for instance because the disk is full.
    """
    with path.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            # a file system that has no such thing
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise


def to_utf8(text: str) -> bytes:
    """UTF-8; a file name that is not stands in a result as escapes."""
    return text.encode("utf-8", errors="backslashreplace")


def write_text(path: Path, text: str) -> None:
    """Write a result, all or nothing."""
    write_bytes(path, to_utf8(text))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, all or nothing; see :func:`atomic_file`."""
    with atomic_file(path) as file:
        file.write(content)


def partial_path(path: Path) -> Path:
    """Where the content of a file grows before it takes its name."""
    return path.with_name(path.name + ".part")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside ``path`` for a new file, which takes its place when the context ends.

    The file must be there by then, and closed. After an error nothing is left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = partial_path(path)
    try:
        yield part
        flush_to_disk(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its place when the context ends.

    After an error nothing is left of it. Into what is there and no file, such as a pipe or a
    device, it writes as it comes.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    with atomic_path(path) as part, part.open("wb") as file:
        yield file
