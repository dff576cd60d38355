"""LJSpeech and its kin: ``metadata.csv`` with ``name|text|normalised text`` and no quoting, sounds
in ``wavs/``.

The normalised text (numbers and abbreviations spelled out) is taken where there is one. One
speaker, so no group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import SOUND_SUFFIXES, find_media, read_lines, require_path
from recog.corpora.rows import Row
from recog.errors import UserError


def rows(src: Path) -> Iterator[Row]:
    """The clips of ``metadata.csv``.

    Raises:
        UserError: there is no ``metadata.csv``, or a line is not ``name|text``.
    """
    table = require_path(src / "metadata.csv", "LJSpeech", "the table of clips")
    wavs = src / "wavs" if (src / "wavs").is_dir() else src
    for number, line in read_lines(table):
        name, *texts = line.split("|")
        if not texts or not name.strip():
            raise UserError(f"{table}, line {number}, is not 'name|text|normalised text'.")
        text = next((t.strip() for t in reversed(texts[:2]) if t.strip()), "")
        yield Row(find_media(wavs / name.strip(), SOUND_SUFFIXES), text)
