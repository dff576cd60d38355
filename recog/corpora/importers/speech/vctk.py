"""Import VCTK (Yamagishi et al. 2019).

The files are ``txt/p225/p225_001.txt`` and ``wav48*/p225/p225_001[_mic1].*``. Of two microphones
the first is taken, or the second if the first is missing. Group: the speaker.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import SOUND_SUFFIXES, find_media, read_text, require_path, walk
from recog.corpora.rows import Row
from recog.errors import UserError


def rows(src: Path) -> Iterator[Row]:
    """Import an utterance for each text.

    A text without a sound in any folder gives a row as well, so that the validator reports it.

    Raises:
        UserError: ``txt/`` or ``wav48*/`` is missing.
    """
    texts = require_path(src / "txt", "VCTK", "the folder of texts")
    sounds = sorted(folder for folder in src.glob("wav*") if folder.is_dir())
    if not sounds:
        raise UserError(f"{src} does not look like VCTK: there is no folder wav48.")
    for file in walk(texts):
        if file.suffix == ".txt":
            yield Row(
                _sound(sounds, file.parent.name, file.stem),
                read_text(file).strip(),
                group=file.parent.name,
            )


def _sound(folders: list[Path], speaker: str, name: str) -> Path:
    candidates = [
        find_media(folder / speaker / (name + mic), SOUND_SUFFIXES)
        for mic in ("", "_mic1", "_mic2")
        for folder in folders
    ]
    return next((path for path in candidates if path.exists()), candidates[0])
