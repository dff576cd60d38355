"""A plot of a run for its card: loss, dev error and learning rate over steps."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

Curve = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 640, 170  # of one panel
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 24, 26
POINTS = 300  # of a curve; more are averaged
DOTS = 40  # most points of a curve that are marked
COLOURS = ("#3b6ea5", "#b03030")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read a ``log.jsonl``, without the damaged lines that a kill may leave."""
    entries = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def training_svg(entries: Sequence[dict[str, Any]], *, title: str = "") -> str:
    """Draw the plot of a run.

    Args:
        entries: of the log: updates with ``loss`` per label and ``learning_rate``, epochs with
            ``cer`` and ``wer`` on dev.

    Returns:
        An SVG document without scripts, fonts or links; a panel without data says so.
    """

    def curve(key: str, factor: float = 1.0) -> Curve:
        points = [
            (float(e["step"]), factor * float(e[key])) for e in entries if _number(e.get(key))
        ]
        return _thinned(points)

    updates = [e for e in entries if "learning_rate" in e]
    loss = _thinned(
        [(float(e["step"]), float(e["loss"])) for e in updates if _number(e.get("loss"))]
    )
    panels = (
        ("loss per label", [("loss", loss)]),
        ("dev error, %", [("CER", curve("cer", 100.0)), ("WER", curve("wer", 100.0))]),
        ("learning rate", [("learning rate", curve("learning_rate"))]),
    )
    last = max((e["step"] for e in entries), default=1)
    height = 30 + HEIGHT * len(panels)
    marks = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{WIDTH / 2:g}" y="18" text-anchor="middle" font-size="13">'
        f"{escape(title)}</text>",
    ]
    for i, (name, curves) in enumerate(panels):
        marks += _panel(name, curves, 30 + HEIGHT * i, last)
    return "\n".join([*marks, "</svg>", ""])


def _panel(name: str, curves: Sequence[tuple[str, Curve]], top: int, last: int) -> list[str]:
    x0, x1, y0, y1 = LEFT, WIDTH - RIGHT, top + HEIGHT - BOTTOM, top + TOP
    highest = max((y for _, curve in curves for _, y in curve), default=0.0)
    scale = _round_up(highest)
    marks = [
        f'<text x="{x0}" y="{y1 - 8}">{escape(name)}</text>',
        f'<path d="M{x0} {y1}V{y0}H{x1}" fill="none" stroke="black"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        y = y0 + (y1 - y0) * share
        marks.append(
            f'<text x="{x0 - 6}" y="{y + 4:g}" text-anchor="end">{scale * share:.3g}</text>'
        )
        marks.append(
            f'<text x="{x0 + (x1 - x0) * share:g}" y="{y0 + 15}" text-anchor="middle">'
            f"{last * share:.0f}</text>"
        )
    if highest == 0.0:
        marks.append(
            f'<text x="{(x0 + x1) / 2:g}" y="{(y0 + y1) / 2:g}" text-anchor="middle">'
            "not recorded</text>"
        )
    for k, (label, curve) in enumerate(curves):
        if not curve:
            continue
        places = [(x0 + (x1 - x0) * x / max(1, last), y0 + (y1 - y0) * y / scale) for x, y in curve]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        marks.append(
            f'<polyline points="{path}" fill="none" stroke="{COLOURS[k]}" stroke-width="1.5"/>'
        )
        if len(places) <= DOTS:
            marks += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{COLOURS[k]}"/>'
                for x, y in places
            ]
        end = f"{label} {curve[-1][1]:.3g} at step {curve[-1][0]:.0f}"
        marks.append(
            f'<text x="{x1}" y="{y1 - 8 + 13 * k}" text-anchor="end" fill="{COLOURS[k]}">'
            f"{escape(end)}</text>"
        )
    return marks


def _number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    )


def _thinned(points: Curve) -> Curve:
    """About :data:`POINTS` points at most, means of neighbours."""
    size = math.ceil(len(points) / POINTS)
    if size <= 1:
        return points
    parts = [points[i : i + size] for i in range(0, len(points), size)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]


def _round_up(value: float) -> float:
    """The next larger of 1, 2 or 5 times a power of ten."""
    if value <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 5, 10) if value <= power * step * (1 + 1e-9))
