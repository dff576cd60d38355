"""recog's binary format of n-gram models: the arrays of a trie, opened by memory map.

All numbers are little-endian. The header has magic, version and the CRC-32 of all that follows;
then unit, layout, order, the file's size, the number of n-grams of each order, and the length of
each section. Sections start at multiples of 64 bytes. There are two layouts:

- Plain: the vocabulary (UTF-8, a line feed between words), ``word``, ``log_prob``, ``backoff``,
  ``begin``, ``suffix`` as in :class:`NGramTrie`. Opening copies nothing.
- Quantised, a quarter of the size: unigrams keep their float32. For every other order,
  log-probabilities and back-offs are a byte each, an index into 256 values, the means of bins of
  equal population (Federico and Bertoldi 2006, as KenLM's ``-q 8 -b 8``); a back-off of 0 stays
  exact. Words and suffixes take as many bytes as they need. ``begin`` has a byte for each node, its
  number of children. Opening expands all this, in about 30 ms for a million n-grams.

Opening checks the arrays, so that compiled code may use them whoever wrote the file.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.arpa import read_arpa
from recog.lm.check import check_trie
from recog.lm.files import replacing
from recog.lm.tables import MAX_ORDER, NGrams, Unit
from recog.lm.trie import MAX_NODES, NGramTrie

MAGIC = b"\x89recogLM"
KENLM_MAGIC = b"mmap lm "
VERSION = 1
UNITS: tuple[Unit, ...] = ("word", "character")
PLAIN, QUANTISED = 0, 1
SECTIONS = 8  # the most in a layout
ALIGNMENT = 64
BINS = 256
MANY = 255  # children: from here on the number stands in a separate list

_PREFIX = struct.Struct("<8sII")  # magic, version, CRC-32 of the rest of the file
# unit, layout, order, file size, counts, section lengths
_REST = struct.Struct(f"<BBHxxxxQ{MAX_ORDER}Q{SECTIONS}Q")
HEADER = -(-(_PREFIX.size + _REST.size) // ALIGNMENT) * ALIGNMENT

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class _Header:
    unit: Unit
    layout: int
    counts: tuple[int, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        """:attr:`NGramTrie.level_starts`."""
        starts = [0, 1]
        for count in self.counts:
            starts.append(starts[-1] + count)
        return tuple(starts)


def write_binary(model: NGrams | NGramTrie, path: str | Path, *, quantise: bool = False) -> None:
    """Write a model in the binary format.

    Args:
        quantise: use the small layout. Log-probabilities above the unigrams change a little.

    Raises:
        UserError: the file cannot be written.
    """
    trie = model if isinstance(model, NGramTrie) else NGramTrie.from_ngrams(model)
    sections = _pack(trie) if quantise else _plain(trie)
    counts = np.diff(trie.level_starts[1:]).tolist()
    size = HEADER + sum(_aligned(len(section)) for section in sections)
    rest = _REST.pack(
        UNITS.index(trie.unit),
        QUANTISED if quantise else PLAIN,
        trie.order,
        size,
        *(counts + [0] * (MAX_ORDER - len(counts))),
        *([len(section) for section in sections] + [0] * (SECTIONS - len(sections))),
    ).ljust(HEADER - _PREFIX.size, b"\0")
    parts: list[bytes | memoryview] = [rest]
    for section in sections:
        parts += [section.data, bytes(_aligned(len(section)) - len(section))]
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    with replacing(Path(path)) as file:
        file.write(_PREFIX.pack(MAGIC, VERSION, checksum))
        for part in parts:
            file.write(part)


def binary_bytes(model: NGrams | NGramTrie) -> bytes:
    """Return the content of a model's quantised file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lm.bin"
        write_binary(model, path, quantise=True)
        return path.read_bytes()


def open_binary(path: str | Path) -> NGramTrie:
    """Open a file in the binary format.

    The file must not be changed in place while the model is in use.

    Raises:
        UserError: it cannot be read, is another kind of file, of a newer version, cut off or
            damaged.
    """
    path = Path(path)
    try:
        content: Bytes = np.asarray(np.memmap(path, np.uint8, "r"))
    except (OSError, ValueError) as error:  # ValueError: it is empty
        reason = error.strerror if isinstance(error, OSError) else "it is empty"
        raise UserError(f"{path}: cannot be read ({reason}).") from None
    try:
        header, sections = _open_sections(path, content)
        words = tuple(bytes(sections[0]).decode().split("\n"))
        trie = (_map if header.layout == PLAIN else _unpack)(header, words, sections[1:])
        check_trie(trie)
    except ValueError as error:  # UnicodeDecodeError too
        raise UserError(f"{path}: is damaged ({error}); copy or write it again.") from None
    return trie


def read_binary(path: str | Path) -> NGrams:
    """Read the tables of a file in the binary format; errors as for :func:`open_binary`."""
    return open_binary(path).to_ngrams()


def load_lm(path: str | Path) -> NGramTrie:
    """Load a model from an ARPA file (plain, gzip, xz) or recog's binary format.

    The content decides, not the name.

    Raises:
        UserError: the file cannot be read, or has another format.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}).") from None
    if magic == MAGIC:
        return open_binary(path)
    if magic == KENLM_MAGIC:
        raise UserError(
            f"{path}: is KenLM's binary form, which only KenLM reads; "
            "give the ARPA file it was built from."
        )
    return NGramTrie.from_ngrams(read_arpa(path))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _open_sections(path: Path, content: Bytes) -> tuple[_Header, list[Bytes]]:
    """Return the header and the sections, after checking that they lie within the file."""
    if len(content) < HEADER or bytes(content[: len(MAGIC)]) != MAGIC:
        raise UserError(f"{path}: is not one of recog's binary language models, or is cut off.")
    _, version, checksum = _PREFIX.unpack_from(content.data)
    if version != VERSION:
        raise UserError(
            f"{path}: has version {version} of the format; this recog reads {VERSION}: "
            "update recog."
        )
    unit, layout, order, size, *numbers = _REST.unpack_from(content.data, _PREFIX.size)
    counts, lengths = numbers[:MAX_ORDER], numbers[MAX_ORDER:]
    ends = [HEADER]
    for length in lengths:
        ends.append(ends[-1] + _aligned(length))
    if not len(content) == size == ends[-1]:
        raise ValueError("its size is not what its header says")
    if zlib.crc32(content[_PREFIX.size :].data) != checksum:
        raise ValueError("its checksum does not match")
    if (
        unit >= len(UNITS)
        or layout > QUANTISED
        or not 1 <= order <= MAX_ORDER
        or sum(counts) >= MAX_NODES
    ):
        raise ValueError("its header is not possible")
    header = _Header(UNITS[unit], layout, tuple(counts[:order]))
    return header, [
        content[start : start + length] for start, length in zip(ends, lengths, strict=False)
    ]


def _vocabulary(trie: NGramTrie) -> Bytes:
    return np.frombuffer("\n".join(trie.words).encode(), np.uint8)


def _bytes(array: NDArray, dtype: str) -> Bytes:
    return np.ascontiguousarray(array, dtype).view(np.uint8).ravel()


def _view(section: Bytes, dtype: str, count: int) -> NDArray:
    """Return a section as numbers, after checking their count."""
    if len(section) != count * np.dtype(dtype).itemsize:
        raise ValueError("a section's size does not fit the number of n-grams")
    return section.view(dtype)


def _plain(trie: NGramTrie) -> list[Bytes]:
    return [
        _vocabulary(trie),
        _bytes(trie.word, "<i4"),
        _bytes(trie.log_prob, "<f4"),
        _bytes(trie.backoff, "<f4"),
        _bytes(trie.begin, "<i4"),
        _bytes(trie.suffix, "<i4"),
    ]


def _map(header: _Header, words: tuple[str, ...], sections: list[Bytes]) -> NGramTrie:
    *_, inner, nodes = header.starts
    return NGramTrie(
        unit=header.unit,
        words=words,
        word=_view(sections[0], "<i4", nodes),
        log_prob=_view(sections[1], "<f4", nodes),
        backoff=_view(sections[2], "<f4", inner),
        begin=_view(sections[3], "<i4", inner + 1),
        suffix=_view(sections[4], "<i4", inner),
        level_starts=header.starts,
    )


def _pack(trie: NGramTrie) -> list[Bytes]:
    starts, order = trie.level_starts, trie.order
    # first nodes of the bigrams, and of the trigrams if those are inner
    first, third = starts[2], starts[min(3, order)]
    probs = [
        _quantise(trie.log_prob[starts[n] : starts[n + 1]], zero=False) for n in range(2, order + 1)
    ]
    backs = [_quantise(trie.backoff[starts[n] : starts[n + 1]], zero=True) for n in range(2, order)]
    books = [book for book, _ in probs + backs]
    floats = [trie.log_prob[1:first], trie.backoff[1 : min(first, trie.inner)], *books]
    children = np.diff(trie.begin)
    return [
        _vocabulary(trie),
        _bytes(np.concatenate(floats), "<f4"),
        _narrow(trie.word[first:], len(trie.words)),
        np.concatenate([np.empty(0, np.uint8), *(codes for _, codes in probs)]),
        np.concatenate([np.empty(0, np.uint8), *(codes for _, codes in backs)]),
        np.minimum(children, MANY).astype(np.uint8),
        _bytes(children[children >= MANY], "<u4"),
        _narrow(trie.suffix[third:], trie.inner),
    ]


def _unpack(header: _Header, words: tuple[str, ...], sections: list[Bytes]) -> NGramTrie:
    floats, narrow_word, prob_codes, back_codes, few, many, narrow_suffix = sections
    starts, order = header.starts, len(header.counts)
    first, third, inner, nodes = starts[2], starts[min(3, order)], starts[-2], starts[-1]
    size = first - 1
    inner_unigrams = size if order > 1 else 0
    tables = order - 1 + max(0, order - 2)
    numbers = _view(floats, "<f4", size + inner_unigrams + BINS * tables)
    books = numbers[size + inner_unigrams :].reshape(tables, BINS)
    log_prob, backoff = np.zeros(nodes, np.float32), np.zeros(inner, np.float32)
    log_prob[1:first], backoff[1 : 1 + inner_unigrams] = (
        numbers[:size],
        numbers[size : size + inner_unigrams],
    )
    _look_up(
        log_prob[first:],
        _view(prob_codes, "u1", nodes - first),
        books[: order - 1],
        header.counts[1:],
    )
    _look_up(
        backoff[1 + inner_unigrams :],
        _view(back_codes, "u1", max(0, inner - first)),
        books[order - 1 :],
        header.counts[1:-1],
    )
    word = np.empty(nodes, np.int32)
    word[0], word[1:first] = -1, np.arange(size)
    word[first:] = _widen(narrow_word, size, nodes - first)
    suffix = np.zeros(inner, np.int32)
    suffix[first:third] = word[first:third] + 1  # of a bigram: its last word's unigram
    suffix[third:] = _widen(narrow_suffix, inner, inner - third)
    return NGramTrie(
        header.unit, words, word, log_prob, backoff, _begins(few, many, inner), suffix, starts
    )


def _begins(few: Bytes, many: Bytes, inner: int) -> NDArray[np.int32]:
    children = _view(few, "u1", inner).astype(np.int64)
    large = np.flatnonzero(children == MANY)
    children[large] = _view(many, "<u4", len(large))
    begin = np.concatenate([[1], 1 + np.cumsum(children)])
    if begin[-1] > MAX_NODES:
        raise ValueError("a node has more children than there are nodes")
    return begin.astype(np.int32)


def _quantise(values: NDArray[np.float32], *, zero: bool) -> tuple[NDArray[np.float32], Bytes]:
    """Return 256 values, and for each number the index of the nearest.

    Args:
        zero: make 0 the first of the values, so that it stays exact.
    """
    reserved = 1 if zero else 0
    rest = np.sort(values[values != 0] if zero else values).astype(np.float64)
    book = np.zeros(BINS)
    centres = np.unique(rest)
    if len(centres) > BINS - reserved:
        edges = len(rest) * np.arange(BINS - reserved + 1) // (BINS - reserved)
        centres = np.add.reduceat(rest, edges[:-1]) / np.diff(edges)
    book[reserved : reserved + len(centres)] = centres
    codes = reserved + np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
    if zero:
        codes[values == 0] = 0
    return book.astype(np.float32), codes.astype(np.uint8)


def _look_up(
    out: NDArray[np.float32], codes: Bytes, books: NDArray[np.float32], counts: tuple[int, ...]
) -> None:
    start = 0
    for book, count in zip(books, counts, strict=True):
        np.take(book, codes[start : start + count], out=out[start : start + count])
        start += count


def _width(size: int) -> int:
    """Return the number of bytes for indices below ``size``."""
    return max(1, -(-(size - 1).bit_length() // 8))


def _narrow(indices: NDArray[np.int32], size: int) -> Bytes:
    wide = np.ascontiguousarray(indices, "<u4").view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(wide[:, : _width(size)]).ravel()


def _widen(section: Bytes, size: int, count: int) -> NDArray[np.int32]:
    width = _width(size)
    if len(section) != count * width:
        raise ValueError("a section's size does not fit the number of n-grams")
    wide = np.zeros((count, 4), np.uint8)
    wide[:, :width] = section.reshape(count, width)
    indices: NDArray[np.int32] = wide.view("<i4").ravel()
    return indices
