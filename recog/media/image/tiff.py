"""Directories of TIFF files and of Exif blocks, which are small TIFF files.

Bounded: nothing is allocated by the sizes that the file states, and nothing outside it is read.
Sources: TIFF 6.0, Exif 2.32.
"""

from __future__ import annotations

import struct

MAX_PIECES = 1_000_000  # chunks, segments or strips read
MAX_TAGS = 4_096  # entries read of a TIFF directory
MAX_PAGES = 1_100  # directories read of a TIFF file: a few more than a document may have
MAX_WALKED = 1 << 18  # entries of all directories
Content = bytes | bytearray
# by the format of pointers, TIFF and BigTIFF: format of the number of entries, bytes of an entry
DIRECTORY = {"I": ("H", 12), "Q": ("Q", 20)}
SMALLER_OR_MASK = 5  # bits of TIFF's NewSubfileType
RESOLUTION = 282  # TIFF's XResolution
UNSIGNED = {1: "B", 3: "H", 4: "I", 16: "Q"}  # TIFF field types: BYTE, SHORT, LONG, LONG8


class HeaderError(ValueError):
    """The format is known, but the header is invalid or ends too soon."""


def tiff_pages(data: Content) -> list[int]:
    """Offsets of the directory of each page of a TIFF file, without reduced copies and masks.

    The chain ends before it repeats itself. A directory outside the file is kept, so that reading
    the page reports it.
    """
    order, pointer, at = _layout(data)
    count_format, entry_size = DIRECTORY[pointer]
    pages: dict[int, bool] = {}  # directories, and whether each is a page
    try:
        walked = 0
        while len(pages) < MAX_PAGES and walked < MAX_WALKED:
            start = struct.unpack_from(order + pointer, data, at)[0]
            if start == 0 or start in pages:
                break
            pages[start] = True
            pages[start] = (
                not _directory(data, start, wanted=(254,)).get(254, [0])[0] & SMALLER_OR_MASK
            )
            entries = struct.unpack_from(order + count_format, data, start)[0]
            at = start + struct.calcsize(count_format) + entries * entry_size
            walked += min(entries, MAX_TAGS)
    except (struct.error, OverflowError, HeaderError):
        pass
    return [start for start, is_page in pages.items() if is_page] or list(pages)[:1]


def point_to_page(data: bytearray, start: int) -> None:
    """Make the directory at ``start`` the first of a TIFF file, in place.

    A decoder of one page then reads that page.
    """
    order, pointer, at = _layout(data)
    struct.pack_into(order + pointer, data, at, start)


def without_orientation(data: Content) -> Content:
    """A copy of a TIFF file with orientation 1.

    libtiff itself turns some kinds of images and not others.
    """
    tags = first_directory(data, wanted=(274,))
    if 274 not in tags:
        return data
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    start = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0] + (
        8 if big else 2
    )
    changed = bytearray(data)
    for at in range(start, start + MAX_TAGS * (20 if big else 12), 20 if big else 12):
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag == 274 and kind in UNSIGNED:
            struct.pack_into(order + UNSIGNED[kind], changed, at + (12 if big else 8), 1)
            break
    return bytes(changed)


def exif_orientation(data: Content) -> int:
    """The orientation tag (274) of an Exif block; 1 without the tag."""
    try:
        values = first_directory(data, wanted=(274,)).get(274)
    except (struct.error, IndexError, OverflowError, HeaderError):
        return 1
    return values[0] if values and 1 <= values[0] <= 8 else 1


def _layout(data: Content) -> tuple[str, str, int]:
    """Byte order, format of pointers, and offset of the first pointer of a TIFF or BigTIFF file."""
    if data[:2] not in (b"II", b"MM"):
        raise HeaderError("not a TIFF header")
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    return (order, "Q", 8) if is_big else (order, "I", 4)


def first_directory(data: Content, *, wanted: tuple[int, ...]) -> dict[int, list[int]]:
    """Unsigned integer tags, and the resolution, of the first directory of a TIFF or BigTIFF."""
    order, pointer, at = _layout(data)
    return _directory(data, struct.unpack_from(order + pointer, data, at)[0], wanted=wanted)


def _directory(data: Content, start: int, *, wanted: tuple[int, ...]) -> dict[int, list[int]]:
    """Unsigned integer tags, and the resolution, of the directory at ``start``."""
    order, pointer, _ = _layout(data)
    count_format, entry_size = DIRECTORY[pointer]
    entries = struct.unpack_from(order + count_format, data, start)[0]
    start += struct.calcsize(count_format)
    tags: dict[int, list[int]] = {}
    for number in range(min(entries, MAX_TAGS)):
        at = start + number * entry_size
        tag, kind, count = struct.unpack_from(order + "HH" + pointer, data, at)
        code = UNSIGNED.get(kind)
        if tag == RESOLUTION:  # a fraction of two numbers
            code = "II" if (kind, count) == (5, 1) else None
        if tag not in wanted or code is None:
            continue
        length = struct.calcsize(code) * count
        value_at = at + 4 + struct.calcsize(pointer)
        if length > struct.calcsize(pointer):
            value_at = struct.unpack_from(order + pointer, data, value_at)[0]
        if count > MAX_PIECES or value_at + length > len(data):
            if tag == RESOLUTION:  # an image can be read without it
                continue
            raise HeaderError("the header is cut short")
        tags[tag] = list(struct.unpack_from(f"{order}{count}{code}", data, value_at))
    return tags
