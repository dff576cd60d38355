"""JIT-compile kernels with numba, without the GIL, and cache them in the user's folder.

By default numba writes compiled code beside the source, where an installed package may not be
writable. Kernels are cached in ``$NUMBA_CACHE_DIR`` if it is set, else in
``$XDG_CACHE_HOME/recog`` or ``~/.cache/recog``. If that folder is not writable, they stay in
memory.

Numba recompiles a kernel when its file changed, but not when a file that it calls into changed.
The cache folder is therefore named after a hash of all files with kernels.
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
config: Any = numba.config  # typed Any: its attributes are set at run time
njit: Any = numba.njit  # typed Any: its stubs lack some options
F = TypeVar("F", bound=Callable[..., Any])

PACKAGE = Path(__file__).parents[1]
FOLDERS = ("decoding", "lm")  # hold the kernels, their helpers and constants, at any depth


def _user_folder() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "recog"
    except RuntimeError:  # no home folder
        return None


def kernel_files(package: Path = PACKAGE) -> list[Path]:
    """List all files whose code may be part of a kernel, in a fixed order.

    These are this file and the files below ``FOLDERS``.
    """
    below = (path for folder in FOLDERS for path in (package / folder).rglob("*.py"))
    return sorted([package / "util" / "jit.py", *below])


def _digest(package: Path = PACKAGE) -> str:
    """Hash the contents of all files whose code may be part of a kernel."""
    digest = hashlib.sha256()
    for path in kernel_files(package):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Make and return the folder for compiled code; None if it is not writable."""
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
    """Compile a module's kernels in a child process while the context runs.

    The compiled code goes to the cache. The context waits for the child at its end. Does nothing if
    the module was compiled before, or if there is no cache.
    """
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
    """Decorate a function that Python calls: ``numba.njit`` without the GIL, with cache.

    The cache is in :func:`cache_folder`.

    Args:
        signature: the argument types. The function is compiled or loaded for these types only, when
            the module is imported.
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
            config.CACHE_DIR = before  # leave the kernels of other packages alone

    return decorate


def helper(function: F) -> F:
    """Decorate a function that only kernels call.

    It is compiled into the kernels, without Python wrappers and reference counts. It may not
    allocate arrays. The calling kernel holds references to its arguments.
    """
    return _compiled_into_kernels(function, _nrt=False)


def inlined(function: F) -> F:
    """Decorate a :func:`helper` so small that it is inlined.

    A call would cost more than the function does, since all arrays of its arguments are passed.
    """
    return _compiled_into_kernels(function, _nrt=False, forceinline=True)


def maker(function: F) -> F:
    """Decorate a :func:`helper` that allocates arrays."""
    return _compiled_into_kernels(function)


def _compiled_into_kernels(function: F, **options: bool) -> F:
    compiled: F = njit(
        nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, **options
    )(function)  # fmt: skip
    return compiled


class _Notice(event.Listener):
    """Log once, when a kernel is really compiled, why the first decoding takes seconds."""

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
