"""Walking a folder, and comparing the names of files: what a person keeps there, without what
systems leave."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from recog.errors import UserError

# What Windows, macOS, Linux and network drives put into folders, beside names that begin with a
# dot.
_LEFT_BY_SYSTEMS = frozenset(
    (
        "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information",
        "__macosx", "@eadir", "#recycle", "#snapshot", "lost+found",
    )
)  # fmt: skip


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is one that people do not see: ``.x``, ``._x.png``,
    ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in _LEFT_BY_SYSTEMS


def nfc(name: str) -> str:
    """A name in Unicode's NFC, in which names are compared: macOS writes ``é`` as two
    characters."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def walk(
    folder: str | Path,
    suffixes: Collection[str] | None = None,
    *,
    leave_out: Iterable[str | Path] = (),
    files_first: bool = False,
) -> Iterator[str]:
    """The paths of the files beneath a folder, in the order of their names.

    Hidden files and folders are left out, and links to folders are not followed. A link that leads
    nowhere is a file: whoever reads it says so.

    Args:
        folder: where to begin; it may itself be hidden.
        suffixes: of the files, in lower case; None for any.
        leave_out: folders whose files are left out, such as the one where results are written. The
            folder where the walk begins is none of them.
        files_first: whether the files of a folder come before those of the folders in it.

    Raises:
        UserError: a folder cannot be listed.
    """
    others = {os.path.realpath(name) for name in leave_out}
    # for each open folder what is left of it, the last first
    waiting = [_sorted_entries(folder, files_first)]
    while waiting:
        if not waiting[-1]:
            waiting.pop()
            continue
        entry = waiting[-1].pop()
        if is_hidden(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not others or os.path.realpath(entry.path) not in others:
                waiting.append(_sorted_entries(entry.path, files_first))
            continue
        known = suffixes is None or Path(entry.name).suffix.lower() in suffixes
        if known and (entry.is_file() or not Path(entry.path).exists()):
            yield str(Path(entry.path))


def _sorted_entries(folder: str | Path, files_first: bool) -> list[os.DirEntry[str]]:
    """What is in a folder, the first last."""
    try:
        with os.scandir(str(folder)) as listing:
            return sorted(
                listing,
                key=lambda entry: (files_first and entry.is_dir(follow_symlinks=False), entry.name),
                reverse=True,
            )
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror or error}).") from None


def visible_names(names: Iterable[str], leave_out: str = "") -> Iterator[str]:
    """Of names within a folder, with ``/`` between their parts, those that :func:`walk` would give.

    Args:
        names: as a file system of another kind lists them.
        leave_out: the name within the folder of one whose files are left out; empty for none.
    """
    for name in names:
        if not any(map(is_hidden, name.split("/"))) and not (
            leave_out and name.startswith(leave_out + "/")
        ):
            yield name


def match_names(wanted: Collection[str], there: Collection[str]) -> dict[str, str]:
    """For the names that are there, in whatever Unicode composition, the name that each has there.

    A name that is there as it is wanted is nobody else's.
    """
    exact = {name: name for name in wanted if name in there}
    others = {nfc(name): name for name in there if name not in exact}
    rest = (name for name in wanted if name not in exact)
    return exact | {name: others[nfc(name)] for name in rest if nfc(name) in others}


def existing_path(path: Path) -> Path:
    """The path as it stands on the disk, where names that differ only in their Unicode composition
    are the same.

    A path that is there as it is, and one that is not there in any composition, come back
    unchanged.
    """
    if str(path).isascii() or path.exists():
        return path
    parent = existing_path(path.parent) if path.parent != path else path
    try:
        name = _names(parent, parent.stat().st_mtime_ns).get(nfc(path.name))
    except OSError:
        return path
    return path if name is None else parent / name


@lru_cache(maxsize=1024)
def _names(folder: Path, _changed: int) -> dict[str, str]:
    """For what is in a folder, from its name in NFC to its name as it stands."""
    return {nfc(entry.name): entry.name for entry in os.scandir(folder)}
