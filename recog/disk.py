"""Files that outlast a power cut."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk: only then may it take the name by which it counts as done, or a power cut could
    leave that name with nothing in it.

    Raises:
        OSError: it cannot be written, for instance because the disk is full.
    """
    with path.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that has no such thing
                raise
