"""Find the samples of a WAV, AIFF, AU or CAF file, and whether their end is missing.

libsndfile and FFmpeg read a file that was cut short without a warning. These checks of the
container notice it. They read a bounded number of bytes and believe no size that they meet.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from recog.media.audio.file_kind import Kind, file_size

MAX_CHUNKS = 1_000  # RIFF or AIFF chunks read before the sound data
UNKNOWN = 0xFFFF_FFFF  # a size of 32 bits that stands for "unknown"
# Larger sizes, beyond the end of the file, stand for "unknown" (sox, arecord, ffmpeg).
STREAMED_SIZE = 0x7FFF_0000
SMALL_REST = 1 << 10  # bytes after the sound that are not examined
TAGS = (b"TAG", b"ID3", b"APETAGEX")  # that players append to any file
COMMON_CHUNKS = (b"LIST", b"id3 ", b"ID3 ", b"JUNK", b"bext", b"iXML", b"cue ", b"_PMX")
PADDING_BYTES = 1 << 16  # zeros that may fill a file up to a whole block


@dataclass(frozen=True)
class Extent:
    """Where the sound data of a file lies.

    Attributes:
        start: offset of the data.
        announced: bytes of sound data by the header; None where it does not state them.
        present: bytes of sound data in the file, up to its end or to the chunks after them.
        patch: an offset in the header, and bytes to put there so that it states ``present``. None
            where the header is right.
        is_mpeg: whether a WAV file holds MPEG frames.
    """

    start: int
    announced: int | None
    present: int
    patch: tuple[int, bytes] | None = None
    is_mpeg: bool = False

    @property
    def end(self) -> int:
        """Offset of the first byte after the data."""
        return self.start + self.present

    @property
    def is_cut(self) -> bool:
        """Whether the header announces more data than the file has."""
        return self.announced is not None and self.announced > self.present

    @property
    def is_contradicted(self) -> bool:
        """Whether the file has more data than the header announces."""
        return (
            self.announced is not None and self.patch is not None and self.announced < self.present
        )


class PatchedFile:
    """A seekable file up to an offset, with one place of its header replaced."""

    def __init__(self, file: BinaryIO, end: int, patch: tuple[int, bytes]) -> None:
        self._file, self._end = file, end
        self._at, self._bytes = patch

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return self._file.seek(self._end + offset)
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        left = max(0, self._end - start)
        data = self._file.read(left if size < 0 else min(size, left))
        first, last = max(start, self._at), min(start + len(data), self._at + len(self._bytes))
        if first < last:
            changed = bytearray(data)
            changed[first - start : last - start] = self._bytes[first - self._at : last - self._at]
            data = bytes(changed)
        return data


def extent_of(file: BinaryIO, kind: Kind) -> Extent | None:
    """Find the sound data of a WAV, AIFF, AU or CAF file; None for other kinds, or without data.

    A size is believed where the rest of the file agrees with it. The sizes that streaming writers
    leave (0, 0xFFFFFFFF, -1) are unknown, unless the header was properly closed around no data. If
    more than other chunks follows the data, the size was written too early, or is the lower 32 bits
    of a larger size.
    """
    if kind is Kind.WAV:
        return _wav_extent(file)
    if kind is Kind.AIFF:
        return _aiff_extent(file)
    if kind is Kind.AU:
        return _au_extent(file)
    return _caf_extent(file) if kind is Kind.CAF else None


def _wav_extent(file: BinaryIO) -> Extent | None:
    """The data chunk of a WAV, RF64 or BW64 file."""
    size = file_size(file)
    file.seek(0)
    head = file.read(12)
    order = ">" if head[:4] == b"RIFX" else "<"
    riff_size = struct.unpack(order + "I", head[4:8])[0]
    wide: tuple[int, int] | None = None  # the size in 64 bits, and its offset
    is_mpeg = False
    for name, length, offset in _chunks(file, 12, size, order + "I"):
        file.seek(offset)
        if name == b"fmt ":
            body = file.read(26)
            # 24: WAVE_FORMAT_EXTENSIBLE
            is_mpeg = any(body[at : at + 2] in (b"\x50\0", b"\x55\0") for at in (0, 24))
        elif name == b"ds64":
            body = file.read(16)
            wide = (struct.unpack("<Q", body[8:16])[0], offset + 8) if len(body) == 16 else None
        elif name == b"data" and length == UNKNOWN and wide is not None:
            announced = wide[0] if 0 < wide[0] < 1 << 63 else None
            return _checked(file, offset, announced, (wide[1], "<Q"), order, is_mpeg=is_mpeg)
        elif name == b"data":
            present = size - offset
            if (
                length == 0 and riff_size + 8 == size and is_rest(file, offset, order + "I")
            ):  # empty, and properly closed
                return Extent(offset, 0, present, is_mpeg=is_mpeg)
            streamed = length == 0 or (length >= STREAMED_SIZE and length > present)
            announced = None if streamed else length
            return _checked(
                file, offset, announced, (offset - 4, order + "I"), order, is_mpeg=is_mpeg
            )
    return None


def _aiff_extent(file: BinaryIO) -> Extent | None:
    """The SSND chunk of an AIFF or AIFF-C file."""
    size = file_size(file)
    for name, length, offset in _chunks(file, 12, size, ">I"):
        if name == b"SSND":
            streamed = length == 0 or (length >= STREAMED_SIZE and length > size - offset)
            return _checked(file, offset, None if streamed else length, (offset - 4, ">I"), ">")
    return None


def _au_extent(file: BinaryIO) -> Extent | None:
    """The data after the header of a Sun .au file."""
    file.seek(0)
    head = file.read(12)
    if len(head) < 12:
        return None
    order = ">" if head[:4] == b".snd" else "<"
    offset, length = struct.unpack(order + "II", head[4:12])
    present = file_size(file) - offset
    streamed = length == 0 or (length >= STREAMED_SIZE and length > present)
    return _checked(
        file, offset, None if streamed else length, (8, order + "I"), None, unknown=UNKNOWN
    )


def _caf_extent(file: BinaryIO) -> Extent | None:
    """The data chunk of a Core Audio file, whose first four bytes count edits."""
    size = file_size(file)
    for name, length, offset in _chunks(file, 8, size, ">Q"):
        if name == b"data":
            announced = length if 4 < length < 1 << 63 else None
            return _checked(file, offset, announced, (offset - 8, ">Q"), ">", wide=True)
    return None


def _chunks(file: BinaryIO, offset: int, size: int, form: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, length and offset of each chunk of a RIFF, AIFF or CAF file, as far as valid."""
    head = 4 + struct.calcsize(form)
    pad = 2 if form[-1] == "I" else 1
    for _ in range(MAX_CHUNKS):
        file.seek(offset)
        chunk = file.read(head)
        if len(chunk) < head:
            return
        length = struct.unpack(form, chunk[4:])[0]
        offset += head
        yield chunk[:4], length, offset
        offset += length + length % pad
        if offset >= size:
            return


def _checked(
    file: BinaryIO,
    start: int,
    announced: int | None,
    field: tuple[int, str],
    order: str | None,
    *,
    unknown: int = 0,
    wide: bool = False,
    is_mpeg: bool = False,
) -> Extent:
    """The extent of data from ``start`` on, with a size that agrees with the file.

    Args:
        field: offset and format of the size in the header.
        order: byte order of chunks that may follow; None where chunks cannot follow.
        unknown: size of 32 bits with which readers of the format read to the end of the file.
        wide: whether the lengths of chunks have 64 bits.
    """
    left = max(0, file_size(file) - start)
    chunks = None if order is None else order + ("Q" if wide else "I")
    present = left
    if announced is not None and announced < left:
        wrapped = (left - announced) >> 32 << 32 if field[1][-1] == "I" else 0
        if is_rest(file, start + announced + wrapped, chunks):
            present = announced + wrapped
    if announced is not None and announced >= present:
        return Extent(start, announced, left, is_mpeg=is_mpeg)
    at, form = field
    patch = struct.pack(form, present if form[-1] == "Q" else unknown)
    return Extent(start, announced, present, (at, patch), is_mpeg)


def is_rest(file: BinaryIO, offset: int, form: str | None = None) -> bool:
    """Whether the rest of a file may follow sound: chunks, a tag, zeros, or a few bytes.

    Args:
        form: byte order and format of the chunks' lengths; None where chunks cannot follow.
    """
    size = file_size(file)
    if size - offset <= SMALL_REST:
        return True
    file.seek(offset)
    head = file.read(PADDING_BYTES)
    if head.startswith(TAGS) or (len(head) == size - offset and not any(head)):
        return True
    if form is not None and (
        head.startswith(COMMON_CHUNKS) or head[offset % 2 :].startswith(COMMON_CHUNKS)
    ):
        return True  # even if the end of the chunk is missing
    return form is not None and any(
        _are_chunks(file, at, size, form) for at in (offset, offset + offset % 2)
    )


def _are_chunks(file: BinaryIO, offset: int, size: int, form: str) -> bool:
    """Whether chunks with printable names fill the rest of a file, but for a few bytes."""
    end = offset
    for name, length, at in _chunks(file, offset, size, form):
        if size - end <= SMALL_REST:
            break
        if at + length > size or name == b"RIFF" or not all(32 <= byte < 127 for byte in name):
            return False
        end = at + length
    return size - end <= SMALL_REST
