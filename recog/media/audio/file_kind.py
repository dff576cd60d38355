"""Detect the container of a sound file, and check the ends and lengths of Ogg, AVI and MPEG.

Each check reads a bounded number of bytes and believes no size that it meets.
"""

from __future__ import annotations

import os
import struct
from enum import Enum, auto
from typing import BinaryIO

TAIL_BYTES = 1 << 17  # an Ogg page has at most 65,307 bytes: the last whole page starts within
MAX_PADDING = 1 << 16  # zero bytes skipped before the first MPEG frame


class Kind(Enum):
    """The container of a sound file."""

    WAV = auto()
    AIFF = auto()
    AU = auto()
    CAF = auto()
    FLAC = auto()
    OGG = auto()
    AVI = auto()
    MPEG = auto()  # MP3 and its relatives, ADTS AAC: frames with a sync word
    OTHER = auto()


def file_size(file: BinaryIO) -> int:
    """Bytes in a seekable file."""
    return file.seek(0, os.SEEK_END)


def sniff(file: BinaryIO) -> Kind:
    """The kind of a sound file by its first bytes.

    ID3 tags and zero padding before MPEG frames are skipped.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return Kind.WAV
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Kind.AVI
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Kind.AIFF
    if head[:4] in (b".snd", b"dns."):
        return Kind.AU
    if head[:4] == b"caff":
        return Kind.CAF
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


def mpeg_states_length(file: BinaryIO) -> bool:
    """Whether the first MPEG frame is a Xing, Info or VBRI header, which counts all frames.

    In joined files that header counts the first file alone, and FFmpeg guesses the length.
    """
    start = mpeg_start(file)
    file.seek(start)
    frame = file.read(64)  # the header stands 9 to 38 bytes into the frame, by version and channels
    for tag in (b"Xing", b"Info", b"VBRI"):
        at = frame.find(tag)
        if at < 0:
            continue
        file.seek(start + at)
        head = file.read(16)
        if tag == b"VBRI":
            size = int.from_bytes(head[10:14])
        else:
            flags = int.from_bytes(head[4:8])
            where = 12 if flags & 1 else 8
            size = int.from_bytes(head[where : where + 4]) if flags & 2 else 0
        present = file_size(file) - start
        # from that share on FFmpeg ignores the header
        return not 0 < size < present - size // 16
    return False


def is_whole(file: BinaryIO, kind: Kind) -> bool:
    """Whether an Ogg or AVI file has its end; True for all other kinds."""
    if kind is Kind.AVI:  # the first of several RIFF chunks
        file.seek(4)
        return struct.unpack("<I", file.read(4))[0] + 8 <= file_size(file)
    return kind is not Kind.OGG or _ogg_is_whole(file)


def _ogg_is_whole(file: BinaryIO) -> bool:
    """Whether the last Ogg page is complete and ends its stream (RFC 3533, section 6)."""
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


def ogg_is_joined(file: BinaryIO) -> bool:
    """Whether an Ogg file is several files, one after another: "chained" (RFC 3533).

    Each of them counts its samples anew.
    """
    size = file_size(file)
    file.seek(0)
    first = file.read(TAIL_BYTES)
    file.seek(max(0, size - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    last = tail.rfind(b"OggS")
    beginnings = set()
    at = 0
    # all streams of one file begin at its start
    while first[at : at + 4] == b"OggS" and len(first) >= at + 27 and first[at + 5] & 2:
        segments = first[at + 26]
        beginnings.add(first[at + 14 : at + 18])
        at += 27 + segments + sum(first[at + 27 : at + 27 + segments])
    return bool(beginnings) and last >= 0 and tail[last + 14 : last + 18] not in beginnings
