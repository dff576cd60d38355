"""How recog's kernels are compiled: without the GIL, once, and kept in the user's cache folder.

Numba's own default puts compiled code beside the source, which an installed package may not be able
to write. Kernels go to ``$NUMBA_CACHE_DIR`` where that is set, else to ``$XDG_CACHE_HOME/recog`` or
``~/.cache/recog``, and stay in memory where that cannot be written.

Numba notices that a kernel's own file changed, not that a file it calls into did: the folder is
therefore named after the contents of all files with kernels.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import event

logger = logging.getLogger("recog")
config: Any = numba.config  # its attributes are set at run time
njit: Any = numba.njit  # so that options its stubs leave out may be used
F = TypeVar("F", bound=Callable[..., Any])

PACKAGE = Path(__file__).parents[1]
FOLDERS = ("decoding", "lm")  # with kernels, what they call and their constants, at any depth


def _user_folder() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "recog"
    except RuntimeError:  # no home
        return None


def kernel_files(package: Path = PACKAGE) -> list[Path]:
    """All files whose code may be part of a kernel, in a fixed order: this one, and what is below
    ``FOLDERS``."""
    below = (path for folder in FOLDERS for path in (package / folder).rglob("*.py"))
    return sorted([package / "util" / "jit.py", *below])


def _digest(package: Path = PACKAGE) -> str:
    """Of all files whose code may be part of a kernel, as they are on disk."""
    digest = hashlib.sha256()
    for path in kernel_files(package):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """The folder for compiled code, made if need be; None where nothing can be written."""
    configured = config.CACHE_DIR
    base = Path(configured) if configured else _user_folder()
    if base is None:
        return None
    try:
        folder = base / f"kernels-{_digest()}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


@contextmanager
def compile_in_background(module: str) -> Iterator[None]:
    """Have another process compile a module with kernels, into the cache, while this one does
    something else; wait for it at the end. Does nothing where it was compiled before, or cannot be
    kept."""
    folder = cache_folder()
    interpreter = Path(sys.executable or "").name.startswith("python")
    done = folder / f"{module}.compiled" if folder else None
    child: subprocess.Popen[bytes] | None = None
    if done is not None and not done.exists() and module not in sys.modules and interpreter:
        code = f"import sys; sys.path[:] = {sys.path!r}; import {module}"
        with suppress(OSError):
            child = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
    try:
        yield
    finally:
        if child is not None and child.wait() == 0 and done is not None:
            with suppress(OSError):
                done.touch()


def kernel(signature: Any) -> Callable[[F], F]:
    """``numba.njit`` without the GIL, kept in :func:`cache_folder`: for functions that Python
    calls.

    Args:
        signature: compiles, or loads, as the module is imported, and for these types only.
    """

    def decorate(function: F) -> F:
        folder = cache_folder()
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder or "")
        try:
            with event.install_listener("numba:compile", _notice):
                return njit(signature, nogil=True, cache=folder is not None, error_model="numpy")(
                    function
                )
        finally:
            config.CACHE_DIR = before  # other packages' kernels are none of ours

    return decorate


def helper(function: F) -> F:
    """For functions that only kernels call: compiled into them, without the wrappers that Python
    would need, and without counting references. They may not make arrays; a kernel that calls them
    holds what they are given."""
    return _compiled_into_kernels(function, _nrt=False)


def inlined(function: F) -> F:
    """A :func:`helper` that is too small to be called: passing all arrays of its arguments would
    cost more than it does."""
    return _compiled_into_kernels(function, _nrt=False, forceinline=True)


def maker(function: F) -> F:
    """A :func:`helper` that makes arrays."""
    return _compiled_into_kernels(function)


def _compiled_into_kernels(function: F, **options: bool) -> F:
    compiled: F = njit(
        nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, **options
    )(function)  # fmt: skip
    return compiled


class _Notice(event.Listener):
    """Says once, when something is really being compiled, why the first decoding takes seconds."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: event.Event) -> None:
        if not self.said:
            self.said = True
            logger.warning(
                "Compiling the decoder for this machine; this takes some 15 seconds, once."
            )

    def on_end(self, event: event.Event) -> None:
        pass


_notice = _Notice()
