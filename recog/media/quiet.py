"""Keep warnings of C libraries off the terminal.

libpng and libjpeg write them straight to file descriptor 2.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

NOISE = re.compile(
    rb"\s*$|libpng |Corrupt JPEG|Premature end of JPEG|Inconsistent progression|Invalid "
    rb"SOS|Unknown Adobe"
    rb"|Warning: unknown JFIF|Invalid component"
    rb"|JPEG datastream|Application transferred|\[ *(?:WARN|ERROR|INFO|FATAL):|TIFF|OpenCV"
)

_lock = threading.Lock()
_depth = 0
_saved = -1
_caught: IO[bytes] | None = None


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Hold back standard error, and drop the lines of image libraries.

    All other lines, of any thread, are written afterwards. Without a standard error nothing is
    done.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _depth, _saved, _caught
    with _lock:
        if _depth == 0:
            try:
                _saved = os.dup(2)
                _caught = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _leave
                os.dup2(_caught.fileno(), 2)
            except OSError:
                _caught = None
        _depth += 1


def _leave() -> None:
    global _depth, _saved, _caught
    with _lock:
        _depth -= 1
        if _depth or _saved < 0:
            return
        os.dup2(_saved, 2)
        os.close(_saved)
        _saved = -1
        if _caught is None:
            return
        with _caught as caught:
            caught.seek(0)
            rest = b"".join(line for line in caught if not NOISE.match(line))
        _caught = None
    if rest:
        os.write(2, rest)
