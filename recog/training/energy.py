"""The cost of a run: CPU seconds, and the processor's energy where the kernel measures it."""

from __future__ import annotations

import os
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
WATTS = 10.0  # estimate for a busy core with its share of memory and losses
MAX_RANGE = 1 << 62


class Meter:
    """Measures CPU seconds of this process and its ended children, and joules of the processor.

    The joules are of the RAPL counters, which count all that runs on the machine. Most containers
    and ordinary users cannot read them.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self.zones = [zone for zone in sorted(root.glob("*-rapl:*")) if zone.name.count(":") == 1]
        self.cpu = _cpu_seconds()
        self.counters = [self._read(zone) for zone in self.zones]

    def spent(self) -> tuple[float, float | None]:
        """CPU seconds and joules since the last call; the joules are None without counters."""
        cpu, counters = _cpu_seconds(), [self._read(zone) for zone in self.zones]
        joules: float | None = 0.0 if counters else None
        for zone, before, now in zip(self.zones, self.counters, counters, strict=True):
            if before is None or now is None or joules is None:
                joules = None
                continue
            if now < before:  # the counter wrapped
                now += _whole(zone / "max_energy_range_uj") or 0
            joules += max(0, now - before) / 1e6
        seconds, self.cpu, self.counters = cpu - self.cpu, cpu, counters
        return seconds, joules

    @staticmethod
    def _read(zone: Path) -> int | None:
        return _whole(zone / "energy_uj")


def _cpu_seconds() -> float:
    # with children, such as data workers, once they are waited for; those are 0 on Windows
    return sum(os.times()[:4])


def _whole(path: Path) -> int | None:
    try:
        value = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return value if 0 <= value < MAX_RANGE else None


def energy(cpu_seconds: float, joules: float | None) -> dict[str, float | str]:
    """kWh for a model's config, and whether they are measured or estimated."""
    if joules is not None:
        return {"kwh": round(joules / 3.6e6, 5), "by": "measured"}
    return {"kwh": round(cpu_seconds * WATTS / 3.6e6, 5), "by": "estimated"}
