"""How requests spread over the hours of a day: relative weights of the hours 0 to 23, and peaks on top.

`campus` is the median of requests by hour of the day, in local time, of the conversations with ChatGPT in BurstGPT (a
service of a university on Azure OpenAI, two months of 2023): figure "Daily Periodicity in BurstGPT" of
https://github.com/HPMLL/BurstGPT, CC-BY-4.0, read off its boxes to about 2 requests. Cite: Wang et al., "BurstGPT: A
Real-World Workload Dataset to Optimize LLM Serving Systems", KDD 2025.

`office` and `consumer` are assumptions of ours, no measurement: one region, a working day with a dip at noon; and an
evening peak that is 6 times the night.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paretoken.bench.workload.ladder import parse_duration_s
from paretoken.day_curve import FLAT, HOURS, DayCurve, checked_day_curve
from paretoken.errors import BadConfig, BadFile, UnknownName, quoted
from paretoken.plain_files import read_bytes
from paretoken.plural import counted
from paretoken.traffic.rates import clock
from paretoken.traffic.traffic import DAY_S, HOUR_S, Floats

DAY_CURVES: dict[str, DayCurve] = {
    "flat": FLAT,
    "office": (2, 2, 2, 2, 2, 3, 6, 20, 60, 90, 100, 95, 70, 85, 100, 95, 85, 60, 30, 15, 10, 7, 4, 3),
    "consumer": (45, 30, 22, 18, 17, 20, 28, 40, 52, 60, 65, 70, 74, 74, 73, 74, 76, 80, 86, 94, 100, 98, 85, 65),
    "campus": (46, 28, 16, 7, 6, 5, 5, 5, 20, 106, 156, 158, 68, 92, 155, 184, 188, 132, 77, 101, 118, 107, 94, 75),
}
ASSUMED = ("office", "consumer")
_PEAK = re.compile(r"([0-9.]+)x@(\d{1,2}):(\d{2})/(.+)")


@dataclass(frozen=True, slots=True)
class RatePeak:
    """The rate times `factor` from a second of the day on, for `seconds`; past midnight it goes on at 0:00."""

    factor: float
    start_s: float
    seconds: float

    def __str__(self) -> str:
        return f"{self.factor:g}x from {clock(self.start_s)} for {self.seconds / 60:g} min"


@dataclass(frozen=True, slots=True)
class DayRate:
    """Requests per second over a day: `rate_s` is the mean of the curve, whose 24 `weights` are relative.

    Peaks come on top of that mean, and multiply where they overlap.
    """

    rate_s: float
    weights: DayCurve
    peaks: tuple[RatePeak, ...] = ()

    def pieces(self) -> tuple[Floats, Floats]:
        """(bounds in s, shape (k + 1,); requests per second between them, shape (k,))."""
        ends = [edge % DAY_S for p in self.peaks for edge in (p.start_s, p.start_s + p.seconds)]
        bounds = np.unique([*np.arange(HOURS + 1) * HOUR_S, *ends])
        middle = (bounds[1:] + bounds[:-1]) / 2
        weights = np.array(self.weights)
        rate = self.rate_s * (weights / weights.mean())[(middle // HOUR_S).astype(int)]
        for peak in self.peaks:
            rate = np.where((middle - peak.start_s) % DAY_S < peak.seconds, rate * peak.factor, rate)
        return bounds, rate

    def when_s(self, events: Floats) -> Floats:
        """The time at which the expected requests reach each value; inf where they do not within the day."""
        bounds, rate = self.pieces()
        expected = np.concatenate([[0.0], np.cumsum(np.diff(bounds) * rate)])
        due_s: Floats = np.interp(events, expected, bounds, right=np.inf)
        return due_s

    def expected(self, seconds: float) -> float:
        """Expected requests from 0 to `seconds`."""
        bounds, rate = self.pieces()
        return float((np.diff(np.minimum(bounds, seconds)) * rate).sum())


def parse_day_curve(text: str) -> DayCurve:
    """The weights of the 24 hours: of a name, of 24 numbers with commas between, or of a CSV file `hour,share`."""
    name = text.strip()
    if name.lower() in DAY_CURVES:
        return DAY_CURVES[name.lower()]
    if "," in name:
        return checked_day_curve([_weight(part, quoted(text)) for part in name.split(",")], f"day curve {quoted(text)}")
    if Path(name).suffix or os.path.isfile(name):  # noqa: PTH113  # False for names that no file can have
        return _of_file(Path(name))
    raise UnknownName("day curve", name, list(DAY_CURVES), other="or give 24 numbers or a CSV file hour,share")


def parse_peak(text: str) -> RatePeak:
    """`3x@14:00/30m`: three times the rate from 14:00 on, for 30 minutes."""
    match = _PEAK.fullmatch(text.strip())
    if match is None or int(match[2]) >= HOURS or int(match[3]) >= 60:
        raise BadConfig(f"peak {quoted(text)} must be written FACTORx@HH:MM/DURATION, as in 3x@14:00/30m")
    try:
        factor = float(match[1])
    except ValueError:
        raise BadConfig(f"peak {quoted(text)}: {quoted(match[1])} is not a factor; write 3x@14:00/30m") from None
    seconds = parse_duration_s(match[4])
    if not 0 < seconds <= DAY_S or factor > 1000:
        raise BadConfig(f"peak {quoted(text)}: it must last above 0 s and at most 24h, with a factor of at most 1000")
    return RatePeak(factor, int(match[2]) * HOUR_S + int(match[3]) * 60, seconds)


def _of_file(file: Path) -> DayCurve:
    try:
        lines = read_bytes(file, "day curve").decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as e:
        raise BadFile(f"day curve {file} is not text; write lines of hour,share") from e
    rows = [[cell.strip() for cell in line.split(",")] for line in lines if line.strip() and not line.startswith("#")]
    if rows and not rows[0][0].isdigit():
        rows = rows[1:]
    shares: dict[int, float] = {}
    for number, row in enumerate(rows, start=1):
        hour = int(row[0]) if len(row) == 2 and row[0].isdecimal() and len(row[0]) <= 2 else HOURS
        if hour >= HOURS or hour in shares:
            raise BadFile(f"day curve {file}: row {number} must be hour,share with each hour from 0 to 23 once")
        shares[hour] = _weight(row[1], f"{file}: row {number}")
    if len(shares) != HOURS:
        raise BadFile(f"day curve {file} has {counted(len(shares), 'hour')}; give a share for each hour from 0 to 23")
    return checked_day_curve([shares[hour] for hour in range(HOURS)], f"day curve {file}")


def _weight(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadConfig(f"day curve {where}: {quoted(text)} is not a number") from None
