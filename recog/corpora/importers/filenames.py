"""Import texts from file names, by a regular expression.

For example ``--pattern '(?P<group>[a-z]+)-(?P<text>.+)'``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import is_image, is_sound, walk
from recog.corpora.rows import Row
from recog.errors import UsageError, UserError


def rows(src: Path, *, pattern: str | None = None) -> Iterator[Row]:
    """Import every sound or image below ``src`` whose name matches ``pattern``.

    The pattern must match the whole name without its suffix.

    Args:
        src: a folder.
        pattern: a Python regular expression with the named group ``text``, and ``group`` if the
            names have the speaker or writer; underscores in the text are spaces.

    Raises:
        UsageError: the pattern is missing or invalid.
        UserError: no name matches.
    """
    if pattern is None:
        raise UsageError(
            "The layout 'filenames' needs --pattern, as in --pattern "
            "'(?P<group>[a-z]+)-(?P<text>.+)'."
        )
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"The pattern '{pattern}' is not a regular expression: {error}.") from None
    if "text" not in compiled.groupindex:
        raise UsageError(f"The pattern '{pattern}' has no group (?P<text>...).")
    found = 0
    for file in walk(src):
        match = compiled.fullmatch(file.stem) if is_sound(file) or is_image(file) else None
        if match:
            found += 1
            parts = match.groupdict()
            yield Row(
                file, (parts["text"] or "").replace("_", " ").strip(), group=parts.get("group")
            )
    if not found:
        raise UserError(f"{src} has no sound or image whose name matches '{pattern}'.")
