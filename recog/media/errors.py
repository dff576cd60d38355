"""The error of a file that cannot be read as sound or as an image."""

from __future__ import annotations

from recog.errors import UserError


class MediaError(UserError):
    """A sentence that names the file and says why it cannot be read."""
