"""Files by URL (``s3://bucket/folder``, ``memory://folder``, what else fsspec knows): listed,
fetched, written.

fsspec is in the extras ``fsspec`` and ``ray``. A ``file://`` URL needs none of this: it is a path,
see :func:`local`.
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
from recog.util.folders import matched, visible

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
IN_MEMORY = "memory://"  # what no other process can read


def is_url(name: str) -> bool:
    """Whether a name has a scheme, and is no path."""
    return SCHEME.match(name) is not None


def local(name: str) -> str:
    """A ``file://`` URL as the path that it is; any other name as it is."""
    return url2pathname(urlsplit(name).path) if name.lower().startswith("file://") else name


def stem(url: str) -> str:
    """The name without folder and suffix."""
    return posixpath.splitext(posixpath.basename(url))[0]


def join(url: str, *parts: str) -> str:
    """The URL of something below a folder."""
    return "/".join((url.rstrip("/"), *parts)) if not url.endswith("://") else url + "/".join(parts)


def filesystem(url: str) -> tuple[Any, str]:
    """The file system that a URL belongs to, and the path in it.

    Raises:
        UserError: fsspec, or what it needs for this scheme, is not installed.
        UsageError: there is no such scheme.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UserError(
            f'{url}: files by URL need fsspec; install it with: pip install "recog[fsspec]"'
        ) from None
    try:
        system, path = url_to_fs(url)
    except ImportError as error:  # fsspec's sentence names the package
        raise UserError(f"{url}: {error}.") from None
    except ValueError as error:
        raise UsageError(f"{url}: {error}.") from None
    return system, str(path)


def listing(url: str, suffixes: frozenset[str], leave_out: str | None = None) -> list[str] | None:
    """The files below a folder that have one of the suffixes, as names within it, in order, without
    those that are hidden; None where the URL is that of a file, or of nothing.

    Args:
        leave_out: path or URL of a folder whose files are left out.

    Raises:
        UserError: it cannot be listed.
    """
    system, path = filesystem(url)
    with user_errors(url, "listed"):
        if not system.isdir(path):
            return None
        root = path.rstrip("/") + "/"
        other = ""
        if leave_out is not None and leave_out.partition("://")[0] == url.partition("://")[0]:
            other = filesystem(leave_out)[1].rstrip("/")
        names = visible(
            (str(name)[len(root) :] for name in system.find(path)),
            other[len(root) :] if other.startswith(root) else "",
        )
        return sorted(name for name in names if posixpath.splitext(name)[1].lower() in suffixes)


def existing(urls: Iterable[str]) -> dict[str, str]:
    """Those that are there, each with the URL that it has there, which may differ in its Unicode
    composition; found by listing each folder once.

    Raises:
        UserError: a folder is there and cannot be listed.
    """
    folders: dict[str, dict[str, str]] = {}
    for url in urls:
        folder, _, name = url.rpartition("/")
        folders.setdefault(folder + "/", {})[name] = url
    found: dict[str, str] = {}
    for folder, names in folders.items():
        system, path = filesystem(folder)
        with user_errors(folder, "listed"):
            system.invalidate_cache(path)
            try:
                there = {posixpath.basename(str(name)) for name in system.ls(path, detail=False)}
            except FileNotFoundError:
                continue
        found |= {names[name]: folder + stored for name, stored in matched(names, there).items()}
    return found


@contextmanager
def downloaded(url: str) -> Iterator[Path]:
    """A local copy of a file, deleted afterwards: decoders seek back and forth, which over a
    network is slow.

    Raises:
        UserError: it cannot be read.
    """
    system, path = filesystem(url)
    with tempfile.TemporaryDirectory(prefix="recog-") as folder:
        copy = Path(folder, "file" + posixpath.splitext(path)[1])
        with user_errors(url, "read"):
            system.get_file(path, str(copy))
        try:
            yield copy
        except UserError as error:  # the name that the user knows
            raise type(error)(str(error).replace(str(copy), url)) from None


def write(url: str, content: bytes | Path) -> None:
    """Write a file, or the content of a local one, all or nothing where the file system can: object
    stores can, and those that rename.

    Raises:
        UserError: it cannot be written.
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
    """Whatever a file system's own library raises, as a sentence; they have no exception in
    common."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{url}: there is no such file.") from None
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise UserError(f"{url}: cannot be {done} ({reason}).") from None
