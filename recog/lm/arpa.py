"""n-gram models in the ARPA format, as SRILM and KenLM write it: plain, gzip or xz.

The format: ``\\data\\``, a line ``ngram N=count`` for each order, a section ``\\N-grams:`` for each
with lines of a log10 probability, N words and (below the highest order) a log10 back-off, and
``\\end\\``. Fields are separated by spaces and tabs. What tools disagree on is read so:

- n-grams whose context is not listed, as SRILM's pruning leaves them: the context is added with the
  probability that the model gives it and a back-off of 1, which changes no probability.
- a log-probability up to 0.001 above 0 is a rounding error and read as 0.
- no ``<unk>``: one of log-probability -100 is added, as KenLM does; ``<UNK>`` stands for it. No
  ``</s>``: it gets the probability of ``<unk>``. No ``<s>``: it is added without a back-off.
  ``<s>`` itself always gets -99.
- lines before ``\\data\\`` and after ``\\end\\`` are comments.
"""

from __future__ import annotations

import gzip
import lzma
import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from recog.errors import UserError
from recog.lm.files import read_blocks, replacing
from recog.lm.rows import add_contexts, empty_level, sort_order
from recog.lm.tables import BEGIN, END, MAX_ORDER, SPACE, UNKNOWN, Level, NGrams, Unit
from recog.lm.trie import LOG10_BEGIN, MAX_NODES

MAX_LINE = 1 << 16  # bytes
MAX_COMMENT_LINES = 1000  # before \data\
ROUNDING = 1e-3  # how far a log-probability may stand above 0
LARGEST = 1e30  # of any number: sums of them and natural logarithms stay within float32
LOG10_UNKNOWN = -100.0
CHUNK = 50_000  # lines written at a time
COUNT = re.compile(rb"ngram[ \t]+([0-9]{1,3})[ \t]*=[ \t]*([0-9]{1,18})")
ODD_SPACE = re.compile(rb"[\x0b\x0c]")  # for bytes.split they are spaces, here part of a word
FIELD = re.compile(rb"[^ \t]+")
SPECIALS = (UNKNOWN.encode(), BEGIN.encode(), END.encode())


def read_arpa(path: str | Path, *, unit: Unit | None = None) -> NGrams:
    """Read an ARPA file.

    Args:
        path: plain, gzip or xz, told by content; UTF-8.
        unit: whether its tokens are words or characters. By default characters, if all but the
            special entries are one character long and ``|``, the space, is one of them; else words.

    Raises:
        UserError: the file cannot be read or is not such a model; the message names the line.
    """
    lines = _Lines(Path(path))
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
    """Write an ARPA file, compressed if the name ends in ``.gz`` or ``.xz``. Reading it gives the
    same numbers again.

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
            # NumPy writes the shortest decimal number that reads as the same float32
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


class _Lines:
    """The lines of a file, one by one or all up to the next section, with the number of the last
    for messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0  # of the line taken last, from 1
        self._batches = self._read()
        self._batch: list[bytes] = []
        self._next = 0

    def error(self, message: str, number: int | None = None) -> UserError:
        return UserError(f"{self.path}, line {number or self.number}: {message}.")

    def take(self) -> bytes | None:
        """The next line that is not blank, without white space around it; None at the end of the
        file."""
        while self._next < len(self._batch) or self._fill():
            line = self._batch[self._next].strip(b" \t")
            self._next += 1
            self.number += 1
            if line:
                return line
        return None

    def put_back(self) -> None:
        """Undo the last ``take``, which gave a line."""
        self._next -= 1
        self.number -= 1

    def run(self) -> tuple[range, list[bytes]]:
        """Some of the lines up to the next one that begins with a backslash, and their numbers;
        none when there are no more."""
        while self._next < len(self._batch) or self._fill():
            rest = self._batch[self._next :] if self._next else self._batch
            stop = next((i for i, line in enumerate(rest) if line[:1] == b"\\"), len(rest))
            if stop == 0:
                break
            numbers = range(self.number + 1, self.number + 1 + stop)
            self._next += stop
            self.number += stop
            return numbers, rest[:stop]
        return range(0), []

    def finish(self) -> None:
        """Read on to the file's end, where compressed data has its checksum."""
        while self._fill():
            pass

    def _fill(self) -> bool:
        self._batch, self._next = next(self._batches, []), 0
        return bool(self._batch)

    def _read(self) -> Iterator[list[bytes]]:
        pending, number = b"", 1  # the number of the batch's first line
        for block in read_blocks(self.path):
            if number == 1 and len(pending) < 3:
                block, pending = (pending + block).removeprefix(b"\xef\xbb\xbf"), b""
            *batch, pending = (pending + block).split(b"\n")
            if max(map(len, batch), default=0) > MAX_LINE or len(pending) > MAX_LINE:
                raise self.error(
                    f"a line from here on is longer than {MAX_LINE} bytes; this is no ARPA file",
                    number,
                )
            if batch:
                yield self._without_returns(batch, number)
                number += len(batch)
        if pending:
            yield self._without_returns([pending], number)

    def _without_returns(self, batch: list[bytes], number: int) -> list[bytes]:
        if any(b"\r" in line for line in batch):
            batch = [line.removesuffix(b"\r") for line in batch]
            for i, line in enumerate(batch):
                if b"\r" in line:
                    raise self.error(
                        "there is a carriage return inside the line; remove it", number + i
                    )
        return batch


def _read_counts(lines: _Lines) -> list[int]:
    """How many n-grams of each order the file announces; none of it is trusted before they were
    read."""
    for _ in range(MAX_COMMENT_LINES):
        line = lines.take()
        if line is None or line == b"\\data\\":
            break
    if line != b"\\data\\":
        raise UserError(
            f"{lines.path}: is no language model in the ARPA format: it has no line \\data\\."
        )
    counts: list[int] = []
    while line := lines.take():
        if line.startswith(b"\\"):
            lines.put_back()
            break
        match = COUNT.fullmatch(line)
        if not match or int(match[1]) != len(counts) + 1:
            raise lines.error(
                f"'ngram {len(counts) + 1}=' and a count, or the section \\1-grams: is expected here"
            )
        counts.append(int(match[2]))
        if len(counts) > MAX_ORDER or sum(counts) + len(SPECIALS) >= MAX_NODES:
            raise lines.error(
                f"recog reads models up to order {MAX_ORDER} and of fewer than {MAX_NODES:,} n-grams"
            )
    if not counts:
        raise lines.error("'ngram 1=' and the number of words is expected here")
    return counts


def _expect(lines: _Lines, header: str) -> None:
    line = lines.take()
    if line is None:
        raise lines.error(f"the file ends before {header}; it is cut off")
    if line != header.encode():
        raise lines.error(f"{header} is expected here")


def _read_unigrams(lines: _Lines, count: int) -> tuple[tuple[str, ...], dict[bytes, int], Level]:
    """The vocabulary in its order, the index of each word as it stands in the file, and the
    unigrams."""
    place: dict[bytes, int] = {}  # in the file
    log_probs: list[float] = []
    backoffs: list[float] = []
    for numbers, fields in _read_section(lines, 1, count):
        for number, (_, word, _) in zip(numbers, fields, strict=True):
            if word in place:
                raise lines.error(f"the word {_show(word)} is listed twice", number)
            if not _is_utf8(word):
                raise lines.error("is not UTF-8 text; convert the file to UTF-8", number)
            place[word] = len(place)
        log_probs += _log_probs(lines, numbers, [row[0] for row in fields]).tolist()
        backoffs += _finite(lines, numbers, [row[2] for row in fields]).tolist()
    own = place.keys() - set(SPECIALS)
    unknown, begin, end = SPECIALS
    if unknown not in place and b"<UNK>" in place:
        place[unknown] = place[b"<UNK>"]
        own.remove(b"<UNK>")
    for word in SPECIALS:
        if word not in place:
            place[word] = len(log_probs)
            log_probs.append(log_probs[place[unknown]] if word == end else LOG10_UNKNOWN)
            backoffs.append(0.0)
    log_probs[place[begin]] = LOG10_BEGIN
    composed = {name: _composed(name) for name in own}
    # bytes of UTF-8 sort as code points do
    names = [*SPECIALS, *sorted(own, key=composed.__getitem__)]
    for one, other in pairwise(names[len(SPECIALS) :]):
        if composed[one] == composed[other]:
            raise lines.error(
                f"the words {_show(one)} and {_show(other)} are the same in Unicode's composed form"
            )
    order = [place[name] for name in names]
    rank = {old: new for new, old in enumerate(order)}
    ids = np.arange(len(names), dtype=np.int32)[:, None]
    level = Level(
        ids, np.array(log_probs, np.float32)[order], np.array(backoffs, np.float32)[order]
    )
    words = tuple(composed.get(name, name).decode() for name in names)
    return words, {word: rank[old] for word, old in place.items()}, level


def _composed(word: bytes) -> bytes:
    """NFC, as texts are when they are scored."""
    return word if word.isascii() else unicodedata.normalize("NFC", word.decode()).encode()


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_level(
    lines: _Lines, n: int, count: int, index: dict[bytes, int], words: Sequence[str]
) -> Level:
    """The n-grams of an order above the first, sorted."""
    parts: list[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]] = []
    where: list[Sequence[int]] = []  # line numbers
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
        where.append(numbers)
    if not parts:
        return empty_level(n)
    ids, log_prob, backoff = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order, repeated = sort_order(ids, len(words))
    if len(repeated):
        place = int(np.arange(len(ids))[order][repeated].min())
        number = next(
            numbers[place - end + len(numbers)] for numbers, end in _ends(where) if place < end
        )
        text = " ".join(words[i] for i in ids[place])
        raise lines.error(f"the {n}-gram {_show(text.encode())} is listed twice", number)
    return Level(ids[order], log_prob[order], backoff[order])


def _ends(parts: list[Sequence[int]]) -> Iterator[tuple[Sequence[int], int]]:
    end = 0
    for part in parts:
        end += len(part)
        yield part, end


def _read_section(
    lines: _Lines, n: int, count: int
) -> Iterator[tuple[Sequence[int], list[list[bytes]]]]:
    """A section's lines in batches: their numbers, and of each the log-probability, the n words and
    the back-off."""
    _expect(lines, f"\\{n}-grams:")
    found = 0
    numbers: Sequence[int]
    while True:
        numbers, batch = lines.run()
        if not batch:
            break
        if ODD_SPACE.search(b"\n".join(batch)):
            fields = [FIELD.findall(line) for line in batch]
        else:
            fields = [line.split() for line in batch]
        if not all(fields):
            numbers = [number for number, row in zip(numbers, fields, strict=True) if row]
            fields = [row for row in fields if row]
        found += len(fields)
        if found > count:
            place = count - found  # counted from the batch's end
            raise lines.error(
                f"there are more {n}-grams than the {count} that \\data\\ announces", numbers[place]
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
    if found < count:
        raise lines.error(
            f"there are only {found} {n}-grams up to here and \\data\\ announces {count}"
        )


def _finite(lines: _Lines, numbers: Sequence[int], texts: list[bytes]) -> NDArray[np.float32]:
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


def _log_probs(lines: _Lines, numbers: Sequence[int], texts: list[bytes]) -> NDArray[np.float32]:
    values = _finite(lines, numbers, texts)
    above = np.flatnonzero(values > ROUNDING)
    if len(above):
        raise lines.error(
            f"the log-probability {_show(texts[above[0]])} is above 0", numbers[above[0]]
        )
    return np.minimum(values, np.float32(0))


def _show(text: bytes) -> str:
    """A word of the file for a message: short, without control characters."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[:160].decode(errors="replace"))
    return repr(shown if len(shown) <= 40 else shown[:37] + "...")


def _guess_unit(words: Sequence[str]) -> Unit:
    own = words[len(SPECIALS) :]
    return "character" if SPACE in own and all(len(word) == 1 for word in own) else "word"
