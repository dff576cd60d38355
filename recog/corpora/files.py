"""What every importer shares: which suffixes are sound and images, lookup whatever the suffix,
bounded text files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from recog.errors import UserError
from recog.util import folders, text_files
from recog.util.folders import existing_path, is_hidden, nfc

# In order of preference, where one name stands with several suffixes.
SOUND_SUFFIXES = (
    ".wav", ".flac", ".opus", ".ogg", ".oga", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".sph",
    ".m4a", ".aac", ".mp4", ".webm", ".mkv", ".mka", ".wma", ".amr",
)  # fmt: skip
IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".bmp")


def is_sound(path: Path) -> bool:
    """Whether the name ends as a sound file's does."""
    return path.suffix.lower() in SOUND_SUFFIXES


def is_image(path: Path) -> bool:
    """Whether the name ends as an image's does."""
    return path.suffix.lower() in IMAGE_SUFFIXES


class UnreadableTextError(UserError):
    """A text that cannot be read, or is none."""


def read_text(path: Path) -> str:
    """The text of a file with its line ends; see :func:`recog.util.text_files.read_text`.

    Raises:
        UnreadableTextError: it is missing, unreadable, too large, or not text.
    """
    try:
        return text_files.read_text(path, keep_line_ends=True)
    except UserError as error:
        raise UnreadableTextError(str(error)) from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not blank, numbered from 1. Only ``\\n`` and ``\\r\\n`` end
    a line."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        line = line.removesuffix("\r")
        if line.strip():
            yield number, line


def find_media(stem: Path, suffixes: tuple[str, ...]) -> Path:
    """The file called ``stem`` plus one of ``suffixes``, in any case; ``stem`` itself if it is a
    file. Names are compared in NFC.

    A name that already ends in one of the suffixes may stand with another (``x.wav`` kept as
    ``x.opus``). Where nothing is found, ``stem`` comes back (with the first suffix, if it had
    none): the validator names it as missing.
    """
    folder = existing_path(stem.parent)
    names = _names(folder)
    name = names.get(stem.name) or names.get(nfc(stem.name))
    if name:
        return folder / name
    bare = stem.name[: -len(stem.suffix)] if stem.suffix.lower() in suffixes else stem.name
    for suffix in suffixes:
        wanted = nfc(bare + suffix)
        name = names.get(bare + suffix) or names.get(wanted) or names.get(wanted.lower())
        if name:
            return folder / name
    return stem if bare != stem.name else stem.with_name(stem.name + suffixes[0])


def clear_cache() -> None:
    """Forget the listings of folders, which may have changed since."""
    _names.cache_clear()


@lru_cache(maxsize=1024)
def _names(folder: Path) -> dict[str, str]:
    """Name, also in NFC, and with the suffix in lower case -> name as it stands in ``folder``."""
    try:
        found = sorted(entry.name for entry in os.scandir(folder) if not entry.is_dir())
    except OSError:
        return {}
    lower = {nfc(str(Path(name).with_suffix(Path(name).suffix.lower()))): name for name in found}
    return lower | {nfc(name): name for name in found} | {name: name for name in found}


def walk(folder: Path, leave_out: Iterable[Path] = ()) -> Iterator[Path]:
    """Every file beneath ``folder`` in a fixed order, as :func:`recog.util.folders.walk` gives
    them.

    A folder that is not there has none: an importer says what it was looking for.

    Raises:
        UserError: a folder cannot be listed.
    """
    if not folder.exists():
        return iter(())
    return map(Path, folders.walk(folder, leave_out=leave_out, files_first=True))


def require_path(path: Path, layout: str, what: str) -> Path:
    """``path`` if it exists, else a sentence that the folder is not of this layout."""
    if not path.exists():
        raise UserError(
            f"{path.parent} does not look like {layout}: {what} ({path.name}) is not there."
        )
    return path


_SPLITS = {"train": "train", "training": "train", "test": "test", "eval": "test"}


def split_from_name(name: str) -> str | None:
    """``train-clean-100`` -> ``train``, ``val`` -> ``dev``, ``test_other`` -> ``test``, anything
    else -> None."""
    match = re.fullmatch(
        r"(training|train|devel|dev|validation|valid|val|test|eval)(?:[-_].*|\d*)", name.lower()
    )
    return _SPLITS.get(match.group(1), "dev") if match else None


_LIST = re.compile(r"(train|tr|validation|valid|val|va|dev|test|te|eval)[-_]?(?:set|lines|ids)?\d*")
_LIST_SUFFIXES = (".txt", ".lst", ".list", ".ln", ".uttlist")


def read_split_lists(src: Path) -> dict[str, str]:
    """Name -> split, by the lists of names beneath ``src``, at most two folders down.

    A list is called for its split (``trainset.txt``, ``va.lst``, ``TestLines.txt``,
    ``validation.uttlist``); the first word of each line is the name of a line, a form or a file, of
    which the suffix does not count.
    """
    splits: dict[str, str] = {}
    source: dict[str, Path] = {}
    for file in sorted(path for pattern in ("*", "*/*", "*/*/*") for path in src.glob(pattern)):
        if any(map(is_hidden, file.relative_to(src).parts)):
            continue
        match = (
            _LIST.fullmatch(file.stem.lower()) if file.suffix.lower() in _LIST_SUFFIXES else None
        )
        if match and file.is_file():
            split = {"tr": "train", "te": "test", "eval": "test"}.get(match[1], match[1])
            for _, line in read_lines(file):
                name = line.split()[0]
                name = nfc(Path(name).stem if is_image(Path(name)) else name)
                own = split if split in ("train", "test") else "dev"
                if splits.setdefault(name, own) != own:
                    raise UserError(
                        f"{name} is for {splits[name]} by {source[name]} and for {own} by {file}; keep one of them."
                    )
                source.setdefault(name, file)
    return splits


def split_from_folder(path: Path, root: Path) -> str | None:
    """The split that a folder's name between ``root`` and ``path`` states, the outermost first."""
    if not path.is_relative_to(root):
        return None
    return next((s for s in map(split_from_name, path.relative_to(root).parent.parts) if s), None)
