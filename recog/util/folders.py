"""Walk folders and compare file names across platforms.

System files are skipped, and names are compared in Unicode's NFC.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from recog.errors import UserError

# Names that Windows, macOS, Linux and network drives create, beside those that begin with a dot.
_LEFT_BY_SYSTEMS = frozenset(
    (
        "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information",
        "__macosx", "@eadir", "#recycle", "#snapshot", "lost+found",
    )
)  # fmt: skip


def is_hidden(name: str) -> bool:
    """Whether a file or folder name is hidden: ``.x``, ``._x.png``, ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in _LEFT_BY_SYSTEMS


def nfc(name: str) -> str:
    """Normalise a file name to Unicode's NFC for comparison.

    macOS writes ``é`` as two characters.
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def walk(
    folder: str | Path,
    suffixes: Collection[str] | None = None,
    *,
    leave_out: Iterable[str | Path] = (),
    files_first: bool = False,
) -> Iterator[str]:
    """Yield the paths of the files in a folder tree, sorted by name.

    Hidden files and folders are left out, and links to folders are not followed. A broken link
    counts as a file, so that the code that reads it reports the error.

    Args:
        folder: the root; it may itself be hidden.
        suffixes: suffixes of the files, in lower case; None for any.
        leave_out: folders to skip, for example the output folder. The root itself is never skipped.
        files_first: whether the files of a folder come before those of its subfolders.

    Raises:
        UserError: a folder cannot be listed.
    """
    others = {os.path.realpath(name) for name in leave_out}
    # for each open folder its remaining entries, in reverse order
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
    """The entries of a folder in reverse order, to be popped from the end."""
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
    """Filter relative paths to those that :func:`walk` would yield.

    Args:
        names: relative paths with ``/`` between their parts, as another file system lists them.
        leave_out: relative path of a folder to skip; empty for none.
    """
    for name in names:
        if not any(map(is_hidden, name.split("/"))) and not (
            leave_out and name.startswith(leave_out + "/")
        ):
            yield name


def match_names(wanted: Collection[str], there: Collection[str]) -> dict[str, str]:
    """Map wanted names to existing names, whatever their Unicode composition.

    A name that exists exactly as wanted matches no other wanted name.
    """
    exact = {name: name for name in wanted if name in there}
    others = {nfc(name): name for name in there if name not in exact}
    rest = (name for name in wanted if name not in exact)
    return exact | {name: others[nfc(name)] for name in rest if nfc(name) in others}


def existing_path(path: Path) -> Path:
    """The path as spelled on disk, whatever its Unicode composition.

    A path that exists as given, or in no composition at all, is returned unchanged.
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
    """Map the names in a folder from NFC to their spelling on disk."""
    return {nfc(entry.name): entry.name for entry in os.scandir(folder)}
