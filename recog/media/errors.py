"""The error of every file that cannot be read as sound or as an image."""

from __future__ import annotations

from recog.errors import UserError


class MediaError(UserError):
    """One sentence that names the file and says why it cannot be read as sound or as an image."""
