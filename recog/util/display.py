"""Format numbers and texts for people."""

from __future__ import annotations

import math


def printable(text: str, *, limit: int = 60) -> str:
    """Shorten ``text`` to ``limit`` characters, with control characters as U+FFFD."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def percent(rate: float | None) -> str:
    """Format a rate in percent with two decimals.

    None gives "-", infinity "inf" and NaN "n/a".
    """
    if rate is None:
        return "-"
    if math.isnan(rate):
        return "n/a"
    return f"{100 * rate:.2f}" if math.isfinite(rate) else "inf"


def clock(seconds: float, *, hours: bool = False) -> str:
    """Format seconds as ``1:02:03``, or as ``2:03`` below an hour unless ``hours`` is set."""
    minutes, second = divmod(round(seconds), 60)
    if hours or minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"
    return f"{minutes}:{second:02d}"
