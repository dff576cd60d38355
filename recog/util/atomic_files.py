"""Write files atomically: whole or not at all, and safe against a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def flush_to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk.

    Rename a file to its final name only after this. Otherwise a power cut could leave an empty file
    under that name.

    Raises:
        OSError: the file cannot be written, for instance because the disk is full.
    """
    with path.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            # ignored: some file systems do not support fsync
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise


def to_utf8(text: str) -> bytes:
    """Encode as UTF-8, with backslash escapes for file names that are not valid Unicode."""
    return text.encode("utf-8", errors="backslashreplace")


def write_text(path: Path, text: str) -> None:
    """Write text to a file atomically, as UTF-8."""
    write_bytes(path, to_utf8(text))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically; see :func:`atomic_file`."""
    with atomic_file(path) as file:
        file.write(content)


def partial_path(path: Path) -> Path:
    """The temporary path to which a file is written before it is renamed."""
    return path.with_name(path.name + ".part")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename it to ``path`` at the end.

    The file must exist and be closed when the context ends. After an error it is deleted.
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
    """Open a temporary file for writing, and rename it to ``path`` at the end.

    After an error it is deleted. If ``path`` exists and is not a regular file, such as a pipe or a
    device, it is written to directly.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    with atomic_path(path) as part, part.open("wb") as file:
        yield file
