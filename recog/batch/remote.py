"""Files by URL (``s3://bucket/folder`` and whatever fsspec knows): list, download, write.

fsspec is in the extras ``fsspec`` and ``ray``. ``file://`` URLs work without it, see :func:`local`.
"""

from __future__ import annotations

import io
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from recog.errors import UsageError, UserError
from recog.util.folders import match_names, visible_names

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
IN_MEMORY = "memory://"  # files that no other process can read


def is_url(name: str) -> bool:
    """Whether a name is a URL and not a path."""
    return SCHEME.match(name) is not None


def local(name: str) -> str:
    """The path of a ``file://`` URL; any other name unchanged."""
    return url2pathname(urlsplit(name).path) if name.lower().startswith("file://") else name


def stem(url: str) -> str:
    """The file name without folder and suffix."""
    return posixpath.splitext(posixpath.basename(url))[0]


def join(url: str, *parts: str) -> str:
    """The URL of a file below a folder."""
    return "/".join((url.rstrip("/"), *parts)) if not url.endswith("://") else url + "/".join(parts)


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Raises:
        UserError: fsspec, or a package that it needs for the scheme, is not installed.
        UsageError: the scheme is unknown.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UserError(
            f'{url}: files by URL need fsspec; install it with: pip install "recog[fsspec]"'
        ) from None
    try:
        system, path = url_to_fs(url)
    except ImportError as error:  # fsspec names the package
        raise UserError(f"{url}: {error}.") from None
    except ValueError as error:
        raise UsageError(f"{url}: {error}.") from None
    return system, str(path)


def listing(url: str, suffixes: frozenset[str], leave_out: str | None = None) -> list[str] | None:
    """The files below a folder, relative to it and sorted; None if the URL is not a folder.

    Hidden files are left out.

    Args:
        suffixes: of the files, with the dot.
        leave_out: path or URL of a folder whose files are left out.

    Raises:
        UserError: the folder cannot be listed.
    """
    system, path = filesystem(url)
    with user_errors(url, "listed"):
        if not system.isdir(path):
            return None
        root = path.rstrip("/") + "/"
        other = ""
        if leave_out is not None and leave_out.partition("://")[0] == url.partition("://")[0]:
            other = filesystem(leave_out)[1].rstrip("/")
        names = visible_names(
            (str(name)[len(root) :] for name in system.find(path)),
            other[len(root) :] if other.startswith(root) else "",
        )
        return sorted(name for name in names if posixpath.splitext(name)[1].lower() in suffixes)


def existing(urls: Iterable[str]) -> dict[str, str]:
    """The URLs that exist, with their stored names, which may differ in Unicode composition.

    Lists each folder once.

    Raises:
        UserError: a folder exists and cannot be listed.
    """
    folders: dict[str, dict[str, str]] = {}
    for url in urls:
        folder, _, name = url.rpartition("/")
        folders.setdefault(folder + "/", {})[name] = url
    result: dict[str, str] = {}
    for folder, names in folders.items():
        system, path = filesystem(folder)
        with user_errors(folder, "listed"):
            system.invalidate_cache(path)
            try:
                entries = {posixpath.basename(str(name)) for name in system.ls(path, detail=False)}
            except FileNotFoundError:
                continue
        result |= {
            names[name]: folder + stored for name, stored in match_names(names, entries).items()
        }
    return result


@contextmanager
def downloaded(url: str) -> Iterator[Path]:
    """Gives a temporary local copy of a file, because decoders seek, which is slow by network.

    Raises:
        UserError: the file cannot be read.
    """
    system, path = filesystem(url)
    with tempfile.TemporaryDirectory(prefix="recog-") as folder:
        copy = Path(folder, "file" + posixpath.splitext(path)[1])
        with user_errors(url, "read"):
            system.get_file(path, str(copy))
        try:
            yield copy
        except UserError as error:  # the user knows the URL
            raise type(error)(str(error).replace(str(copy), url)) from None


def write(url: str, content: bytes | Path) -> None:
    """Write a file, atomically if the file system can: object stores can, and those that rename.

    Args:
        content: of the file, or a local file that has it.

    Raises:
        UserError: the file cannot be written.
    """
    system, path = filesystem(url)
    with (
        user_errors(url, "written"),
        content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as source,
    ):
        system.makedirs(posixpath.dirname(path), exist_ok=True)
        with system.transaction, system.open(path, "wb") as file:
            shutil.copyfileobj(source, file)


@contextmanager
def user_errors(url: str, done: str) -> Iterator[None]:
    """Turn exceptions of fsspec's libraries, which have no common class, into a UserError.

    Args:
        done: what cannot be done, as in "cannot be read".
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{url}: there is no such file.") from None
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise UserError(f"{url}: cannot be {done} ({reason}).") from None
