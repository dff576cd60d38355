"""Import LJSpeech and corpora of its layout.

``metadata.csv`` has ``name|text|normalised text`` without quoting. The sounds are in ``wavs/``. The
normalised text (numbers and abbreviations spelled out) is taken if there is any. There is a single
speaker, so there is no group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import SOUND_SUFFIXES, find_media, read_lines, require_path
from recog.corpora.rows import Row
from recog.errors import UserError


def rows(src: Path) -> Iterator[Row]:
    """Import the clips of ``metadata.csv``.

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
