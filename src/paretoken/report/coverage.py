"""CI coverage as the report draws it: lines over time, and why steps are off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from paretoken.parity.history import HistoryEntry

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 12, 24
SERIES = (
    ("gating parity", "gating_parity"),
    ("functions", "functions"),
    ("files in any trigger", "any"),
)


@dataclass(frozen=True, slots=True)
class CoverageLine:
    """One ratio over time as an SVG polyline, with a point for each release."""

    name: str
    points: str
    dots: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    width: int
    height: int
    lines: tuple[CoverageLine, ...]
    years: tuple[tuple[float, str], ...]
    shares: tuple[tuple[float, str], ...]


def coverage_chart(entries: Sequence[HistoryEntry]) -> Chart | None:
    """The ratios of the first engine with more than one release; None where there is none."""
    engine = next((e.engine for e in entries if sum(o.engine == e.engine for o in entries) > 1), None)
    mine = [e for e in entries if e.engine == engine]
    if not mine:
        return None
    days = [date.fromisoformat(e.date).toordinal() for e in mine]
    first, last = days[0], max(days[-1], days[0] + 1)

    def x(day: int) -> float:
        return round(LEFT + (day - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)

    def y(share: float) -> float:
        return round(TOP + (1 - share) * (HEIGHT - TOP - BOTTOM), 1)

    lines = []
    for name, field in SERIES:
        points = [
            (x(d), y(v), f"{e.engine} {e.version}, {e.date}: {name} {v:.1%}")
            for d, e in zip(days, mine, strict=True)
            if (v := getattr(e.total, field)) is not None
        ]
        lines.append(CoverageLine(name, " ".join(f"{a},{b}" for a, b, _ in points), tuple(points)))
    months = [d for d in range(first, last + 1) if date.fromordinal(d).day == 1 and date.fromordinal(d).month % 3 == 1]
    return Chart(
        WIDTH,
        HEIGHT,
        tuple(lines),
        tuple((x(d), date.fromordinal(d).isoformat()[:7]) for d in months),
        tuple((y(s), f"{s:.0%}") for s in (0, 0.25, 0.5, 0.75, 1)),
    )


def reasons(entry: HistoryEntry) -> list[tuple[str, int, int]]:
    """Each reason for which steps are off, with how many of NVIDIA and of AMD, the most first."""
    counted = Counter((vendor, why) for vendor, _, why in entry.disabled)
    whys = dict.fromkeys(why for _, _, why in entry.disabled)
    rows = [(why, counted["nvidia", why], counted["amd", why]) for why in whys]
    return sorted(rows, key=lambda r: -(r[1] + r[2]))
