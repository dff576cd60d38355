"""What the first and last bytes of a sound file say: its kind, and whether its end is missing.

libsndfile and FFmpeg read what there is of a file that was cut short, without a word. These few checks of the container
find out; they read a bounded number of bytes and believe no size they meet.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from enum import Enum, auto
from typing import BinaryIO

MAX_CHUNKS = 1_000  # RIFF or AIFF chunks looked at before the sound data
TAIL_BYTES = 1 << 17  # an Ogg page has at most 65,307 bytes: the last whole page starts within
MAX_PADDING = 1 << 16  # zero bytes skipped before the first MPEG frame
STREAMED_SIZE = (
    0x7FFF_0000  # sizes from here on, beyond the end of the file, stand for "unknown" (sox, arecord, ffmpeg)
)


class Kind(Enum):
    """The container, by content."""

    WAV = auto()
    AIFF = auto()
    FLAC = auto()
    OGG = auto()
    MPEG = auto()  # MP3 and its relatives, ADTS AAC: frames with a sync word
    OTHER = auto()


@dataclass(frozen=True)
class Extent:
    """Where the sound data is.

    Attributes:
        announced: bytes of sound data by the header; None where it does not say.
        present: bytes from the start of the data to the end of the file.
        is_mpeg: whether MPEG frames stand in a WAV file.
    """

    announced: int | None
    present: int
    is_mpeg: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether the header announces more data than the file has."""
        return self.announced is not None and self.announced > self.present


def file_size(file: BinaryIO) -> int:
    """Bytes in a seekable file."""
    return file.seek(0, os.SEEK_END)


def sniff(file: BinaryIO) -> Kind:
    """The kind of sound file, by its first bytes; an ID3 tag or zero padding before MPEG frames is skipped."""
    file.seek(0)
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return Kind.WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Kind.AIFF
    if head[:4] == b"fLaC":
        return Kind.FLAC
    if head[:4] == b"OggS":
        return Kind.OGG
    file.seek(mpeg_start(file))
    return Kind.MPEG if _is_mpeg_header(file.read(4)) else Kind.OTHER


def mpeg_start(file: BinaryIO) -> int:
    """Offset of the first byte after ID3v2 tags and zero padding."""
    offset = 0
    for _ in range(4):  # files retagged by another program have two tags
        file.seek(offset)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            break
        size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
        offset += 10 + size + (10 if head[5] & 0x10 else 0)
    file.seek(offset)
    padding = file.read(MAX_PADDING)
    return offset + len(padding) - len(padding.lstrip(b"\0"))


def _is_mpeg_header(head: bytes) -> bool:
    """Whether four bytes can be an MPEG audio layer II or III frame header, or an ADTS header."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:  # ADTS: 12 bits of sync word, layer always 0, sampling frequency index below 13
        return head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 15 < 13
    return layer != 3 and version != 1 and head[2] >> 4 != 15 and head[2] >> 2 & 3 != 3


def wav_extent(file: BinaryIO) -> Extent | None:
    """The data chunk of a WAV, RF64 or BW64 file; None where there is none.

    The sizes that streaming writers leave (0, 0xFFFFFFFF) are unknown, unless the header was closed around nothing.
    """
    size = file_size(file)
    file.seek(0)
    head = file.read(12)
    order = ">" if head[:4] == b"RIFX" else "<"
    riff_size = struct.unpack(order + "I", head[4:8])[0]
    wide: int | None = None
    is_mpeg = False
    offset = 12
    for _ in range(MAX_CHUNKS):
        file.seek(offset)
        chunk = file.read(8)
        if len(chunk) < 8:
            return None
        length = struct.unpack(order + "I", chunk[4:8])[0]
        offset += 8
        if chunk[:4] == b"fmt ":
            body = file.read(26)
            is_mpeg = any(body[at : at + 2] in (b"\x50\0", b"\x55\0") for at in (0, 24))  # 24: WAVE_FORMAT_EXTENSIBLE
        elif chunk[:4] == b"ds64":
            body = file.read(16)
            wide = struct.unpack("<Q", body[8:16])[0] if len(body) == 16 else None
        elif chunk[:4] == b"data":
            present = size - offset
            if length == 0xFFFF_FFFF and wide is not None:
                return Extent(wide, present, is_mpeg)
            closed = length == 0 and riff_size + 8 == size  # an empty recording that was closed properly
            streamed = (length == 0 and not closed) or (length >= STREAMED_SIZE and length > present)
            return Extent(None if streamed else length, present, is_mpeg)
        offset += length + length % 2
    return None


def aiff_extent(file: BinaryIO) -> Extent | None:
    """The SSND chunk of an AIFF or AIFF-C file; None where there is none."""
    size = file_size(file)
    offset = 12
    for _ in range(MAX_CHUNKS):
        file.seek(offset)
        chunk = file.read(8)
        if len(chunk) < 8:
            return None
        length = struct.unpack(">I", chunk[4:8])[0]
        offset += 8
        if chunk[:4] == b"SSND":
            streamed = length == 0 or (length >= STREAMED_SIZE and length > size - offset)
            return Extent(None if streamed else length, size - offset)
        offset += length + length % 2
    return None


def ogg_is_whole(file: BinaryIO) -> bool:
    """Whether the last Ogg page is complete and marks the end of its stream (RFC 3533, section 6)."""
    size = file_size(file)
    file.seek(max(0, size - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    start = tail.rfind(b"OggS")
    if start < 0 or len(tail) < start + 27:
        return False
    segments = tail[start + 26]
    lacing = tail[start + 27 : start + 27 + segments]
    is_complete = len(lacing) == segments and len(tail) >= start + 27 + segments + sum(lacing)
    return is_complete and bool(tail[start + 5] & 4)


def mpeg_states_length(file: BinaryIO) -> bool:
    """Whether the first MPEG frame is a Xing, Info or VBRI header, which counts the frames of the file."""
    file.seek(mpeg_start(file))
    frame = file.read(64)  # the header stands 9 to 38 bytes into the frame, by version and channels
    return any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))
