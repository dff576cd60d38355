"""Import SphinxTrain databases such as CMU AN4.

The files are ``etc/NAME_{train,test}.fileids`` with ``.transcription``, and sounds below ``wav/``.
``<s> HELLO(2) ++NOISE++ </s> (an4-fash-b)`` gives ``HELLO``: sentence marks, fillers and marks of
pronunciation variants are dropped. Group: the folder of the sound, which is the speaker. Split:
train or test, by the names of the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from recog.corpora.files import (
    SOUND_SUFFIXES,
    find_media,
    read_lines,
    require_path,
    split_from_name,
)
from recog.corpora.rows import Row, usable_splits
from recog.errors import UserError
from recog.util.folders import is_hidden, nfc

_FILLER = re.compile(r"<[^<>\s]*>|\+\+[^+\s]*\+\+|\[[^\[\]\s]*\]")
_VARIANT = re.compile(r"(?<=\S)\(\d+\)(?=\s|$)")
_ID = re.compile(r"(.*)\(([^()\s]+)\)\s*")


def rows(src: Path) -> Iterator[Row]:
    """Import the utterances of every ``etc/*.fileids``.

    Raises:
        UserError: there is no such file, or a transcription does not fit its list of files.
    """
    etc = src / "etc" if (src / "etc").is_dir() else src
    lists = sorted(path for path in etc.glob("*.fileids") if not is_hidden(path.name))
    if not lists:
        raise UserError(
            f"{src} does not look like a SphinxTrain database: there is no etc/*.fileids."
        )
    wav = next(
        (folder for folder in (src / "wav", src.parent / "wav", src) if folder.is_dir()), src
    )
    return iter(usable_splits([row for ids in lists for row in _list(ids, wav)]))


def _list(ids: Path, wav: Path) -> Iterator[Row]:
    transcription = require_path(
        ids.with_suffix(".transcription"), "a SphinxTrain database", "a list of files has its texts"
    )
    names = [line.strip() for _, line in read_lines(ids)]
    texts = list(read_lines(transcription))
    if len(names) != len(texts):
        raise UserError(
            f"{ids} has {len(names)} files, but {transcription.name} {len(texts)} texts; they must "
            "be as many."
        )
    split = split_from_name(ids.stem.rpartition("_")[2])
    for name, (number, line) in zip(names, texts, strict=True):
        path = PurePosixPath(name)
        match = _ID.fullmatch(line)
        if match is None or nfc(PurePosixPath(match.group(2)).name) != nfc(path.name):
            raise UserError(
                f"{transcription}, line {number}, does not end in '({path.name})', the file at its "
                f"place in {ids.name}."
            )
        group = path.parent.name or None
        yield Row(
            find_media(wav / path, SOUND_SUFFIXES), _plain(match.group(1)), group=group, split=split
        )


def _plain(text: str) -> str:
    return " ".join(_VARIANT.sub("", _FILLER.sub(" ", text)).split())
