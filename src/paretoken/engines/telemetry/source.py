"""A source of telemetry: one for each library or system that reports on hardware."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

Value = float | str | None
Reading = dict[str, Value]
"""One device at one moment, by the names of COLUMNS; what the device does not report is left out."""

COLUMNS: Mapping[str, str] = {
    "power_w": "power drawn now, W",
    "energy_j": "the device's own count of energy since some start, J",
    "utilisation": "share of the time in which it was busy, 0 to 1",
    "memory_used_gb": "memory in use, GB (10^9 bytes)",
    "memory_utilisation": "share of the time in which its memory was read or written, 0 to 1",
    "clock_mhz": "compute clock, MHz",
    "memory_clock_mhz": "memory clock, MHz",
    "temperature_c": "temperature, °C",
    "throttle": "reasons that hold the clock down, joined by +; empty if there are none",
}


class TelemetrySource(Protocol):
    """Opened by the module's `open_source()`, which gives None where its hardware or library is absent."""

    name: str

    def read(self) -> dict[str, Reading]:
        """A reading of each device, by its name; devices that did not answer are left out."""

    def about(self) -> dict[str, object]:
        """What does not change: driver, devices, links."""

    def close(self) -> None: ...


def read_all(figures: Mapping[str, Callable[[], Value]], errors: tuple[type[BaseException], ...]) -> Reading:
    """The figures whose function returns a value; one that raises, or returns None, is left out."""
    reading: Reading = {}
    for name, read in figures.items():
        try:
            value = read()
        except errors:
            continue
        if value is not None:
            reading[name] = value
    return reading
