"""n-gram models in the ARPA format, as SRILM and KenLM write it: plain, gzip or xz.

The format: ``\\data\\``, a line ``ngram N=count`` for each order, a section ``\\N-grams:`` for each
with lines of a log10 probability, N words and (below the highest order) a log10 back-off, and
``\\end\\``. Fields are separated by spaces and tabs. Tools disagree on some points, which are read
as follows:

- An n-gram's context may be missing, as after SRILM's pruning. It is added with the model's
  probability for it and a back-off of 1, which changes no probability.
- A log-probability up to 0.001 above 0 is a rounding error and read as 0.
- Without ``<unk>``, an ``<unk>`` of log-probability -100 is added, as KenLM does; ``<UNK>`` is an
  alias of it. A missing ``</s>`` gets the probability of ``<unk>``. A missing ``<s>`` is added
  without a back-off. ``<s>`` itself always gets -99.
- Lines before ``\\data\\`` and after ``\\end\\`` are comments.
"""

from __future__ import annotations

import gzip
import lzma
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain, islice, pairwise, repeat
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.arpa_lines import ArpaLines
from recog.lm.files import replacing
from recog.lm.rows import add_contexts, empty_level, sort_order
from recog.lm.tables import BEGIN, END, MAX_ORDER, SPACE, UNKNOWN, Level, NGrams, Unit
from recog.lm.trie import LOG10_BEGIN, MAX_NODES

MAX_COMMENT_LINES = 1000  # before \data\
ROUNDING = 1e-3  # the most that a log-probability may exceed 0
LARGEST = 1e30  # number allowed: sums and natural logarithms of these fit into float32
LOG10_UNKNOWN = -100.0
CHUNK = 50_000  # lines to write at a time
COUNT = re.compile(rb"ngram[ \t]+([0-9]{1,3})[ \t]*=[ \t]*([0-9]{1,18})")
ODD_SPACE = re.compile(rb"[\x0b\x0c]")  # spaces for bytes.split, but parts of words here
FIELD = re.compile(rb"[^ \t]+")
SPECIALS = (UNKNOWN.encode(), BEGIN.encode(), END.encode())


def read_arpa(path: str | Path, *, unit: Unit | None = None) -> NGrams:
    """Read an ARPA file.

    Args:
        path: a plain, gzip or xz file in UTF-8.
        unit: whether its tokens are words or characters. By default characters, if all but the
            special entries are a single character and ``|``, the space, is among them; else words.

    Raises:
        UserError: the file cannot be read or is not an ARPA model; the message names the line.
    """
    lines = ArpaLines(Path(path))
    counts = _read_counts(lines)
    words, index, unigrams = _read_unigrams(lines, counts[0])
    levels = [unigrams]
    for n, count in enumerate(counts[1:], 2):
        levels.append(_read_level(lines, n, count, index, words))
    _expect(lines, "\\end\\")
    lines.finish()
    while not len(levels[-1]):
        levels.pop()
    levels = add_contexts(words, levels)
    levels[-1] = Level(levels[-1].ids, levels[-1].log_prob, np.zeros_like(levels[-1].backoff))
    return NGrams(unit or _guess_unit(words), words, tuple(levels))


def write_arpa(ngrams: NGrams, path: str | Path) -> None:
    """Write an ARPA file, compressed if the name ends in ``.gz`` or ``.xz``.

    Reading it gives exactly the same numbers.

    Raises:
        UserError: the file cannot be written.
    """
    path = Path(path)
    with replacing(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as stream:
                _write(ngrams, stream)
        elif path.suffix == ".xz":
            with lzma.LZMAFile(file, "wb") as stream:
                _write(ngrams, stream)
        else:
            _write(ngrams, file)


def _write(ngrams: NGrams, file: IO[bytes] | gzip.GzipFile | lzma.LZMAFile) -> None:
    counts = "".join(f"ngram {n}={len(level)}\n" for n, level in enumerate(ngrams.levels, 1))
    file.write(f"\\data\\\n{counts}".encode())
    for n, level in enumerate(ngrams.levels, 1):
        file.write(f"\n\\{n}-grams:\n".encode())
        for start in range(0, len(level), CHUNK):
            rows = slice(start, start + CHUNK)
            columns = [
                map(ngrams.words.__getitem__, column.tolist()) for column in level.ids[rows].T
            ]
            # NumPy writes the shortest decimal number that parses to the same float32
            fields = [
                level.log_prob[rows].astype(str).tolist(),
                map(" ".join, zip(*columns, strict=True)),
            ]
            if n < ngrams.order:
                fields.append(level.backoff[rows].astype(str).tolist())
            file.write(
                "".join("\t".join(line) + "\n" for line in zip(*fields, strict=True)).encode()
            )
    file.write(b"\n\\end\\\n")


def _read_counts(lines: ArpaLines) -> list[int]:
    """Read the header's number of n-grams of each order, which may be wrong."""
    for _ in range(MAX_COMMENT_LINES):
        line = lines.next_line()
        if line is None or line == b"\\data\\":
            break
    if line != b"\\data\\":
        raise UserError(
            f"{lines.path}: is no language model in the ARPA format: it has no line \\data\\."
        )
    counts: list[int] = []
    while line := lines.next_line():
        if line.startswith(b"\\"):
            lines.put_back()
            break
        match = COUNT.fullmatch(line)
        if not match or int(match[1]) != len(counts) + 1:
            raise lines.error(
                f"'ngram {len(counts) + 1}=' and a count, or the section \\1-grams: "
                "is expected here"
            )
        counts.append(int(match[2]))
        if len(counts) > MAX_ORDER or sum(counts) + len(SPECIALS) >= MAX_NODES:
            raise lines.error(
                f"recog reads models up to order {MAX_ORDER} and of fewer than "
                f"{MAX_NODES:,} n-grams"
            )
    if not counts:
        raise lines.error("'ngram 1=' and the number of words is expected here")
    return counts


def _expect(lines: ArpaLines, header: str) -> None:
    line = lines.next_line()
    if line is None:
        raise lines.error(f"the file ends before {header}; it is cut off")
    if line != header.encode():
        raise lines.error(f"{header} is expected here")


def _read_unigrams(lines: ArpaLines, count: int) -> tuple[tuple[str, ...], dict[bytes, int], Level]:
    """Read the unigrams.

    Returns:
        The sorted vocabulary, the index of each word of the file, and the unigrams.
    """
    position: dict[bytes, int] = {}  # in the file
    log_probs: list[float] = []
    backoffs: list[float] = []
    for numbers, fields in _read_section(lines, 1, count):
        for number, (_, word, _) in zip(numbers, fields, strict=True):
            if word in position:
                raise lines.error(f"the word {_show(word)} is listed twice", number)
            if not _is_utf8(word):
                raise lines.error("is not UTF-8 text; convert the file to UTF-8", number)
            position[word] = len(position)
        log_probs += _log_probs(lines, numbers, [row[0] for row in fields]).tolist()
        backoffs += _finite(lines, numbers, [row[2] for row in fields]).tolist()
    regular = position.keys() - set(SPECIALS)
    unknown, begin, end = SPECIALS
    if unknown not in position and b"<UNK>" in position:
        position[unknown] = position[b"<UNK>"]
        regular.remove(b"<UNK>")
    for word in SPECIALS:
        if word not in position:
            position[word] = len(log_probs)
            log_probs.append(log_probs[position[unknown]] if word == end else LOG10_UNKNOWN)
            backoffs.append(0.0)
    log_probs[position[begin]] = LOG10_BEGIN
    composed = {name: _composed(name) for name in regular}
    # bytes of UTF-8 sort as code points do
    names = [*SPECIALS, *sorted(regular, key=composed.__getitem__)]
    for left, right in pairwise(names[len(SPECIALS) :]):
        if composed[left] == composed[right]:
            raise lines.error(
                f"the words {_show(left)} and {_show(right)} are the same in Unicode's "
                "composed form"
            )
    order = [position[name] for name in names]
    rank = {old: new for new, old in enumerate(order)}
    ids = np.arange(len(names), dtype=np.int32)[:, None]
    level = Level(
        ids, np.array(log_probs, np.float32)[order], np.array(backoffs, np.float32)[order]
    )
    words = tuple(composed.get(name, name).decode() for name in names)
    return words, {word: rank[old] for word, old in position.items()}, level


def _composed(word: bytes) -> bytes:
    """Return a word in NFC, as texts are normalised for scoring."""
    return word if word.isascii() else unicodedata.normalize("NFC", word.decode()).encode()


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_level(
    lines: ArpaLines, n: int, count: int, index: dict[bytes, int], words: Sequence[str]
) -> Level:
    """Read the n-grams of an order above the first, and sort them."""
    parts: list[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]] = []
    line_numbers: list[Sequence[int]] = []
    for numbers, fields in _read_section(lines, n, count):
        flat = list(chain.from_iterable(fields))
        ids = np.empty((len(fields), n), np.int32)
        for k in range(n):
            ids[:, k] = np.fromiter(
                map(index.get, flat[k + 1 :: n + 2], repeat(-1)), np.int32, len(fields)
            )
        if ids.min() < 0:
            row, k = np.argwhere(ids < 0)[0]
            raise lines.error(
                f"the word {_show(fields[row][k + 1])} is not among the unigrams", numbers[row]
            )
        log_prob = _log_probs(lines, numbers, flat[:: n + 2])
        parts.append((ids, log_prob, _finite(lines, numbers, flat[n + 1 :: n + 2])))
        line_numbers.append(numbers)
    if not parts:
        return empty_level(n)
    ids, log_prob, backoff = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order, repeated = sort_order(ids, len(words))
    if len(repeated):
        row = int(np.arange(len(ids))[order][repeated].min())
        number = next(islice(chain.from_iterable(line_numbers), row, None))
        text = " ".join(words[i] for i in ids[row])
        raise lines.error(f"the {n}-gram {_show(text.encode())} is listed twice", number)
    return Level(ids[order], log_prob[order], backoff[order])


def _read_section(
    lines: ArpaLines, n: int, count: int
) -> Iterator[tuple[Sequence[int], list[list[bytes]]]]:
    """Read a section in batches.

    Yields:
        Line numbers, and for each line the log-probability, the n words and the back-off.
    """
    _expect(lines, f"\\{n}-grams:")
    total = 0
    numbers: Sequence[int]
    while True:
        numbers, batch = lines.section_lines()
        if not batch:
            break
        if ODD_SPACE.search(b"\n".join(batch)):
            fields = [FIELD.findall(line) for line in batch]
        else:
            fields = [line.split() for line in batch]
        if not all(fields):
            numbers = [number for number, row in zip(numbers, fields, strict=True) if row]
            fields = [row for row in fields if row]
        total += len(fields)
        if total > count:
            raise lines.error(
                f"there are more {n}-grams than the {count} that \\data\\ announces",
                numbers[count - total],
            )
        for number, row in zip(numbers, fields, strict=True):
            if len(row) == n + 1:
                row.append(b"0")
            elif len(row) != n + 2:
                raise lines.error(
                    f"a log-probability, {n} word(s) and at most one back-off are expected here",
                    number,
                )
        if fields:
            yield numbers, fields
    if total < count:
        raise lines.error(
            f"there are only {total} {n}-grams up to here and \\data\\ announces {count}"
        )


def _finite(lines: ArpaLines, numbers: Sequence[int], texts: list[bytes]) -> NDArray[np.float32]:
    try:
        values = np.array(list(map(float, texts)))
        bad = np.flatnonzero(~(np.abs(values) <= LARGEST))
        wrong = int(bad[0]) if len(bad) else None
    except ValueError:
        wrong = next(i for i, text in enumerate(texts) if not _is_number(text))
    if wrong is not None:
        raise lines.error(
            f"{_show(texts[wrong])} is not a finite number of a possible size", numbers[wrong]
        )
    return values.astype(np.float32)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _log_probs(lines: ArpaLines, numbers: Sequence[int], texts: list[bytes]) -> NDArray[np.float32]:
    values = _finite(lines, numbers, texts)
    above = np.flatnonzero(values > ROUNDING)
    if len(above):
        raise lines.error(
            f"the log-probability {_show(texts[above[0]])} is above 0", numbers[above[0]]
        )
    return np.minimum(values, np.float32(0))


def _show(text: bytes) -> str:
    """Return a word of the file for a message: short, without control characters."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[:160].decode(errors="replace"))
    return repr(shown if len(shown) <= 40 else shown[:37] + "...")


def _guess_unit(words: Sequence[str]) -> Unit:
    regular = words[len(SPECIALS) :]
    return "character" if SPACE in regular and all(len(word) == 1 for word in regular) else "word"
