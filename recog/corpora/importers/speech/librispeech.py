"""Import LibriSpeech and corpora of its layout (Panayotov et al. 2015).

The texts are in ``SUBSET/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt`` beside the sound. Group: the
speaker. Split: by the subset's name (``train-clean-100``, ``dev-clean``, ``test-other``) when SRC
holds several subsets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import SOUND_SUFFIXES, find_media, read_lines, split_from_folder, walk
from recog.corpora.rows import Row, usable_splits
from recog.errors import UserError


def rows(src: Path) -> Iterator[Row]:
    """Import the utterances below ``src``.

    Raises:
        UserError: there is no ``*.trans.txt``.
    """
    found = [
        row for file in walk(src) if file.name.endswith(".trans.txt") for row in _chapter(file, src)
    ]
    if not found:
        raise UserError(
            f"{src} does not look like LibriSpeech: there is no *.trans.txt beneath it."
        )
    return iter(usable_splits(found))


def _chapter(file: Path, src: Path) -> Iterator[Row]:
    split = split_from_folder(file, src)
    for _, line in read_lines(file):
        name, _, text = line.strip().partition(" ")
        yield Row(
            find_media(file.parent / name, SOUND_SUFFIXES),
            text.strip(),
            group=name.split("-")[0],
            split=split,
        )
