"""Bare folders: ``clip.wav`` + ``clip.txt``, ``line.png`` + ``line.gt.txt``, ``page.jpg`` +
``page.xml``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.manifest import read_folder
from recog.corpora.rows import Row


def rows(src: Path) -> Iterator[Row]:
    """See :func:`recog.corpora.manifest.read_folder`."""
    return iter(read_folder(src))
