"""Numbers and texts as people read them."""

import math

from recog.util.display import clock, percent, printable


def test_clock() -> None:
    assert [clock(t) for t in (0.0, 61.4, 3600.0, 36_125.0)] == [
        "0:00",
        "1:01",
        "1:00:00",
        "10:02:05",
    ]
    hours = [clock(t, hours=True) for t in (0, 59.6, 3661, 360_000)]
    assert hours == ["0:00:00", "0:01:00", "1:01:01", "100:00:00"]


def test_percent() -> None:
    assert [percent(r) for r in (0.12345, 1.0, None, math.nan, math.inf)] == [
        "12.35",
        "100.00",
        "-",
        "n/a",
        "inf",
    ]


def test_printable() -> None:
    assert printable("a\x1b[31mb") == "a\ufffd[31mb"
    assert printable("x" * 100, limit=10) == "x" * 7 + "..."
