"""Text that a person gave, for a terminal."""

from __future__ import annotations


def printable(text: str, *, limit: int = 60) -> str:
    """``text`` for a terminal: control characters as U+FFFD, cut to ``limit`` characters."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
