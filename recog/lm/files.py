"""Files of language models: bounded, decompressed reading, and atomic writing."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOENT
from pathlib import Path
from typing import IO

from recog.errors import UserError, cause
from recog.util.atomic_files import atomic_file

BLOCK = 1 << 20  # bytes
MAX_EXPANSION = 200  # n-gram models compress to a tenth, decompression bombs to a thousandth
FREE_BYTES = 64 << 20  # any file may expand to this size
XZ_MEMORY = 256 << 20  # xz -9 needs 65 MiB
GZIP_MAGIC, XZ_MAGIC = b"\x1f\x8b", b"\xfd7zXZ\x00"


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's content in blocks of about a MiB, decompressed if it is gzip or xz.

    Raises:
        UserError: the file is missing, unreadable or damaged, or expands to far more than text
            does.
    """
    try:
        with path.open("rb") as file:
            limit = max(FREE_BYTES, MAX_EXPANSION * os.fstat(file.fileno()).st_size)
            magic = file.read(len(XZ_MAGIC))
            file.seek(0)
            if magic == XZ_MAGIC:
                blocks = _bounded(path, _xz_blocks(file), limit)
            elif magic.startswith(GZIP_MAGIC):
                blocks = _bounded(path, _plain_blocks(gzip.GzipFile(fileobj=file)), limit)
            else:
                blocks = _plain_blocks(file)
            yield from blocks
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise UserError(f"{path}: is damaged or cut off ({error}); fetch it again.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _plain_blocks(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _xz_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of xz streams, in bounded memory whatever their headers require."""
    compressed = file.read(BLOCK)
    while compressed:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        while not stream.eof:
            block = stream.decompress(compressed, BLOCK)
            if block:
                yield block
            compressed = b""
            if stream.needs_input and not stream.eof:
                compressed = file.read(BLOCK)
                if not compressed:
                    raise EOFError("the file ends inside the compressed data")
        # streams follow one another, with null bytes between them as padding
        compressed = stream.unused_data.lstrip(b"\0")
        while not compressed and (block := file.read(BLOCK)):
            compressed = block.lstrip(b"\0")


def _bounded(path: Path, blocks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    total = 0
    for block in blocks:
        total += len(block)
        if total > limit:
            raise UserError(
                f"{path}: expands to more than {MAX_EXPANSION} times its size, as no language "
                "model does; decompress it yourself if you trust it."
            )
        yield block


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that replaces ``path`` at the end, and leaves nothing behind after an error.

    Raises:
        UserError: the folder is missing or not writable, or the disk is full.
    """
    try:
        if not path.parent.exists():
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT))
        with atomic_file(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({cause(error)}).") from None
