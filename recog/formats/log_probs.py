"""Log-probabilities of other models, from .npy and .npz files, and their lists of symbols.

Nothing is unpickled. Memory is allocated only after the sizes in the headers were checked.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from recog.errors import UserError

MAX_ARRAY = 2**31  # bytes of one array, unpacked: 100,000 s of 50 frames a second and 100 symbols
MAX_EMPTY = 2**20  # the longest axis of an array without values
MAX_HEADER = 4096  # characters of an array's header
MAX_SYMBOLS_FILE = 2**24  # bytes
BLANK, SPACE = "<blank>", "<space>"
BLANKS = frozenset(("", BLANK, "<pad>", "[PAD]", "<blk>"))  # common spellings of the blank
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError,
    OSError, ValueError, RuntimeError, NotImplementedError,
)  # fmt: skip


class LogProbs(NamedTuple):
    """The log-probabilities of an utterance.

    Attributes:
        name: the utterance's name within its file.
        title: the utterance's name in messages.
        values: an array; with two axes it is (time, symbols).
    """

    name: str
    title: str
    values: NDArray[Any]


def read_log_probs(path: Path, symbols: int) -> Iterator[LogProbs]:
    """Read the utterances of a file, one at a time, in the file's order.

    Args:
        path: a .npy of shape (time, symbols) or (batch, time, symbols); or a .npz with either the
            arrays ``log_probs`` (batch, time, symbols) and ``lengths`` (batch,), or an array
            (time, symbols) for each utterance, under its name.
        symbols: the number of symbols in each frame.

    Yields:
        Utterances as they are in the file; only the number of symbols is checked. An utterance of a
        batch has its index as its name, the utterance of a .npy the file's name.

    Raises:
        UserError: the file is neither, or has an impossible size.
    """
    with path.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        if magic == b"\x93NUMPY":
            yield from _of_array(path, _read_array(file, path.stat().st_size, str(path)), symbols)
        elif magic.startswith(b"PK"):
            yield from _of_archive(path, file, symbols)
        else:
            raise UserError(
                f"{path} is neither a .npy nor a .npz file; "
                "write one with numpy.save or numpy.savez."
            )


def _of_array(path: Path, array: NDArray[Any], symbols: int) -> Iterator[LogProbs]:
    if array.ndim == 3:
        for index, utterance in enumerate(array):
            yield _of_symbols(str(index), f"{path}, utterance {index},", utterance, symbols)
    else:
        yield _of_symbols(path.stem, str(path), array, symbols)


def _of_archive(path: Path, file: IO[bytes], symbols: int) -> Iterator[LogProbs]:
    try:
        archive = zipfile.ZipFile(file)
    except UNREADABLE as error:
        raise UserError(f"{path} is a damaged .npz file ({error}); write it again.") from None
    with archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise UserError(f"{path} has two arrays of one name; rename one.")
        if not members:
            raise UserError(f"{path} holds no array.")
        first = _member(archive, members["log_probs"], path) if "log_probs" in members else None
        if first is not None and first.ndim == 3:
            yield from _of_batch(path, archive, members, first, symbols)
            return
        for name, info in members.items():
            array = (
                first if first is not None and name == "log_probs" else _member(archive, info, path)
            )
            yield _of_symbols(name, f"'{name}' in {path}", array, symbols)


def _of_batch(
    path: Path,
    archive: zipfile.ZipFile,
    members: dict[str, zipfile.ZipInfo],
    batch: NDArray[Any],
    symbols: int,
) -> Iterator[LogProbs]:
    others = sorted(members.keys() - {"log_probs", "lengths"})
    if others:
        raise UserError(
            f"{path} holds '{others[0]}' beside log_probs of three axes; "
            "leave only log_probs and lengths."
        )
    lengths = [batch.shape[1]] * len(batch)
    if "lengths" in members:
        counts = _member(archive, members["lengths"], path)
        if counts.shape != (len(batch),) or counts.dtype.kind not in "iu":
            raise UserError(
                f"'lengths' in {path} must be {len(batch)} whole numbers, one for each utterance."
            )
        lengths = [int(count) for count in counts]
    for index, (utterance, length) in enumerate(zip(batch, lengths, strict=True)):
        if not 0 <= length <= len(utterance):
            raise UserError(
                f"lengths[{index}] in {path} is {length}, but there are {len(utterance)} frames."
            )
        yield _of_symbols(str(index), f"{path}, utterance {index},", utterance[:length], symbols)


def _of_symbols(name: str, title: str, array: NDArray[Any], symbols: int) -> LogProbs:
    if array.ndim == 2 and array.shape[1] != symbols:
        raise UserError(
            f"{title} has {array.shape[1]} symbols a frame, "
            f"but there are {symbols} in the list of symbols."
        )
    return LogProbs(name, title, array)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> NDArray[Any]:
    name = f"'{info.filename.removesuffix('.npy')}' in {path}"
    try:
        # reads no more than the size in the header, however much is packed
        with archive.open(info) as file:
            return _read_array(file, info.file_size, name)
    except UNREADABLE as error:
        raise UserError(f"{name} is damaged ({error}); write the file again.") from None


def _read_array(file: IO[bytes], size: int, name: str) -> NDArray[Any]:
    """Read an array of numbers whose header and data take ``size`` bytes."""
    if size > MAX_ARRAY:
        raise UserError(
            f"{name} takes {size / 2**30:.1f} GB, more than the {MAX_ARRAY // 2**30} allowed; "
            "split it."
        )
    try:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version[0]}.{version[1]}")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = read_header(file, max_header_size=MAX_HEADER)
    except Exception:  # NumPy parses Python literals there, which fails in many ways
        raise UserError(
            f"{name} is no NumPy array; write it with numpy.save or numpy.savez."
        ) from None
    if dtype.kind not in "fiu":
        raise UserError(
            f"{name} holds {dtype} values, where natural log-probabilities are expected."
        )
    needed = math.prod(shape) * dtype.itemsize
    if needed == 0 and max(shape, default=0) > MAX_EMPTY:
        raise UserError(f"{name} of shape {shape} holds no values; write it again.")
    if min(shape, default=1) < 0 or needed > size:
        raise UserError(f"{name} is cut short: its header promises {needed} bytes; write it again.")
    data = file.read(needed)
    if len(data) < needed:
        raise UserError(
            f"{name} is cut short: {len(data)} of {needed} bytes are there; write it again."
        )
    return np.ndarray(shape, dtype, data, order="F" if by_columns else "C")


def read_symbols(path: Path) -> list[str]:
    """Read a model's symbols, the blank first: a JSON list, or a symbol on each line.

    ``<space>`` stands for the space. In a list of lines the first line is ``<blank>``. In a JSON
    list the first string is the blank, whatever it is.

    Raises:
        UserError: the file is not a list of symbols.
    """
    with path.open("rb") as file:
        data = file.read(MAX_SYMBOLS_FILE + 1)
    if len(data) > MAX_SYMBOLS_FILE:
        raise UserError(
            f"{path} is larger than {MAX_SYMBOLS_FILE // 2**20} MB; that is no list of symbols."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(
            f"{path} is not UTF-8; write the symbols as UTF-8 text, one a line, or as a JSON list."
        ) from None
    symbols = _json_symbols(path, text) if text.lstrip().startswith("[") else _lines(path, text)
    # half of a JSON escape
    if any(0xD800 <= ord(character) < 0xE000 for symbol in symbols for character in symbol):
        raise UserError(
            f"{path} holds a symbol with half a surrogate pair, which is no character; "
            "write the whole one."
        )
    return [" " if symbol == SPACE else symbol for symbol in symbols]


def _json_symbols(path: Path, text: str) -> list[str]:
    try:
        symbols = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(
            f"{path} begins like a JSON list but is none; "
            "list the symbols' strings, the blank's first."
        ) from None
    if (
        not isinstance(symbols, list)
        or not symbols
        or not all(isinstance(symbol, str) for symbol in symbols)
    ):
        raise UserError(f"{path} must be a JSON list of strings, the blank's first.")
    misplaced = next((i for i, symbol in enumerate(symbols) if i and symbol in BLANKS), None)
    if misplaced is not None:
        raise UserError(
            f"{path} has {symbols[misplaced]!r}, which is a blank, at place {misplaced} from 0; "
            "the blank must come first, in the log-probabilities too."
        )
    return symbols


def _lines(path: Path, text: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    if lines[0] != BLANK:
        raise UserError(
            f"{path} begins with {lines[0][:40]!r}; "
            f"the first line must be {BLANK}, then one symbol a line."
        )
    if "" in lines:
        raise UserError(
            f"{path} has an empty line, number {lines.index('') + 1}; write {SPACE} for the space."
        )
    return lines
