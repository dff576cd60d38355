"""Helpers for importers: media suffixes, look-up by name, size-limited text files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from recog.errors import UserError
from recog.util import folders, text_files
from recog.util.folders import existing_path, is_hidden, nfc

# In order of preference, where a name exists with several suffixes.
SOUND_SUFFIXES = (
    ".wav", ".flac", ".opus", ".ogg", ".oga", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".sph",
    ".m4a", ".aac", ".mp4", ".webm", ".mkv", ".mka", ".wma", ".amr",
)  # fmt: skip
IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".bmp")


def is_sound(path: Path) -> bool:
    """Whether the name has a sound file's suffix."""
    return path.suffix.lower() in SOUND_SUFFIXES


def is_image(path: Path) -> bool:
    """Whether the name has an image file's suffix."""
    return path.suffix.lower() in IMAGE_SUFFIXES


class UnreadableTextError(UserError):
    """A text file that cannot be read, or is not text."""


def read_text(path: Path) -> str:
    """Read a text file with its line ends; see :func:`recog.util.text_files.read_text`.

    Raises:
        UnreadableTextError: the file is missing, unreadable, too large, or not text.
    """
    try:
        return text_files.read_text(path, keep_line_ends=True)
    except UserError as error:
        raise UnreadableTextError(str(error)) from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the non-blank lines of a text file, numbered from 1.

    Only ``\\n`` and ``\\r\\n`` end a line.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        line = line.removesuffix("\r")
        if line.strip():
            yield number, line


def find_media(stem: Path, suffixes: tuple[str, ...]) -> Path:
    """Find the media file called ``stem`` plus a suffix of ``suffixes``, in any case.

    ``stem`` itself is returned if it is a file. Names are compared in NFC. A name that already ends
    in a suffix of the list may exist with another suffix (``x.wav`` stored as ``x.opus``). If no
    file matches, ``stem`` is returned (with the first suffix, if it had none), and the validator
    reports it as missing.
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
    """Clear the cached folder listings, which may be out of date."""
    _names.cache_clear()


@lru_cache(maxsize=1024)
def _names(folder: Path) -> dict[str, str]:
    """Map names to their spelling in ``folder``.

    The keys are the name, the name in NFC, and the NFC name with its suffix in lower case.
    """
    try:
        found = sorted(entry.name for entry in os.scandir(folder) if not entry.is_dir())
    except OSError:
        return {}
    lower = {nfc(str(Path(name).with_suffix(Path(name).suffix.lower()))): name for name in found}
    return lower | {nfc(name): name for name in found} | {name: name for name in found}


def walk(folder: Path, leave_out: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield every file in a folder tree in a fixed order; see :func:`recog.util.folders.walk`.

    A missing folder yields no file, so that the importer reports what it was looking for.

    Raises:
        UserError: a folder cannot be listed.
    """
    if not folder.exists():
        return iter(())
    return map(Path, folders.walk(folder, leave_out=leave_out, files_first=True))


def require_path(path: Path, layout: str, what: str) -> Path:
    """Return ``path``, or raise a UserError that its folder does not have this layout."""
    if not path.exists():
        raise UserError(
            f"{path.parent} does not look like {layout}: {what} ({path.name}) is not there."
        )
    return path


_SPLITS = {"train": "train", "training": "train", "test": "test", "eval": "test"}


def split_from_name(name: str) -> str | None:
    """Determine the split from a folder's name; None if the name is not a split's.

    ``train-clean-100`` is train, ``val`` is dev, ``test_other`` is test.
    """
    match = re.fullmatch(
        r"(training|train|devel|dev|validation|valid|val|test|eval)(?:[-_].*|\d*)", name.lower()
    )
    return _SPLITS.get(match.group(1), "dev") if match else None


_LIST = re.compile(r"(train|tr|validation|valid|val|va|dev|test|te|eval)[-_]?(?:set|lines|ids)?\d*")
_LIST_SUFFIXES = (".txt", ".lst", ".list", ".ln", ".uttlist")


def read_split_lists(src: Path) -> dict[str, str]:
    """Map names to splits, by the split lists at most two folders below ``src``.

    A list is named after its split (``trainset.txt``, ``va.lst``, ``TestLines.txt``,
    ``validation.uttlist``). The first word of each line is the name of a line, a form or a file.
    The suffix of an image file does not count.

    Raises:
        UserError: two lists give different splits for the same name.
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
                        f"{name} is for {splits[name]} by {source[name]} and for {own} by {file}; "
                        "keep one of them."
                    )
                source.setdefault(name, file)
    return splits


def split_from_folder(path: Path, root: Path) -> str | None:
    """The split named by the outermost such folder between ``root`` and ``path``.

    None if no folder is named after a split, or ``path`` is not below ``root``.
    """
    if not path.is_relative_to(root):
        return None
    return next((s for s in map(split_from_name, path.relative_to(root).parent.parts) if s), None)
