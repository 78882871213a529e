"""CI coverage as the report draws it: shares and counts of every engine over time, and why steps are off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from paretoken.parity.history import HistoryEntry

WIDTH, LEFT, RIGHT = 640, 40, 36
TOP, PANEL, GAP, BOTTOM = 24, 150, 34, 24
STEPS_OF_AXIS = (5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageLine:
    """One figure of one engine over time as an SVG polyline, with a point for each tree. `number` sets the colour."""

    engine: str
    number: int
    dashed: bool
    points: str
    dots: tuple[tuple[float, float, str], ...]
    newest: str
    """The last value, written beside its point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveragePanel:
    """One vertical axis over the time axis that the panels share."""

    title: str
    title_y: float
    lines: tuple[CoverageLine, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Shares in the upper panel, the counts behind them in the lower one; `left` to `right` is the time axis."""

    width: int
    height: int
    left: int
    right: int
    engines: tuple[str, ...]
    panels: tuple[CoveragePanel, ...]
    months: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class CoverageValue:
    """One figure of one entry, as drawn, as written beside the line, and in a sentence."""

    value: float
    label: str
    text: str


Figure = Callable[[HistoryEntry], CoverageValue | None]
"""Reads a figure from an entry; None where NVIDIA has nothing to cover."""


def coverage_chart(entries: Sequence[HistoryEntry]) -> Chart | None:
    """Every engine that has more than one entry; None where none has."""
    counted = Counter(e.engine for e in entries)
    engines = tuple(engine for engine, n in counted.items() if n > 1)
    series = [[e for e in entries if e.engine == engine] for engine in engines]
    if not series:
        return None
    days = [_day(e) for e in chain(*series)]
    first, last = min(days), max(*days, min(days) + 1)

    def x(day: int) -> float:
        return round(LEFT + (day - first) / (last - first) * (WIDTH - LEFT - RIGHT), 1)

    most = max(e.total.gate_steps_nvidia for e in chain(*series))
    shares = (_gating_parity, _files_on_both)
    counts = (_gate_steps, _paired_steps)
    titles = (
        "Share of NVIDIA’s: merge-blocking steps paired on AMD (solid), test files on both (dashed)",
        "Merge-blocking steps: NVIDIA (solid), paired on AMD (dashed)",
    )
    return Chart(
        width=WIDTH,
        height=TOP + 2 * PANEL + GAP + BOTTOM,
        left=LEFT,
        right=WIDTH - RIGHT,
        engines=engines,
        panels=(
            _panel(titles[0], TOP, series, shares, x, [(s / 4, f"{s / 4:.0%}") for s in range(5)]),
            _panel(titles[1], TOP + PANEL + GAP, series, counts, x, [(n, f"{n:,}") for n in count_ticks(most)]),
        ),
        months=tuple(
            (x(d), date.fromordinal(d).isoformat()[:7]) for d in range(first, last + 1) if _starts_a_quarter(d)
        ),
    )


def _panel(
    title: str,
    top: int,
    series: Iterable[Sequence[HistoryEntry]],
    figures: tuple[Figure, Figure],
    x: Callable[[int], float],
    ticks: Sequence[tuple[float, str]],
) -> CoveragePanel:
    highest = ticks[-1][0]

    def y(value: float) -> float:
        return round(top + (1 - value / highest) * PANEL, 1)

    def line(number: int, entries: Sequence[HistoryEntry], figure: Figure) -> CoverageLine:
        values = [(e, value) for e in entries if (value := figure(e)) is not None]
        dots = tuple((x(_day(e)), y(v.value), f"{e.engine} {e.name}, {e.date}: {v.text}") for e, v in values)
        return CoverageLine(
            engine=entries[0].engine,
            number=number,
            dashed=figure is figures[1],
            points=" ".join(f"{a},{b}" for a, b, _ in dots),
            dots=dots,
            newest=values[-1][1].label if values else "",
        )

    lines = [line(number, entries, f) for number, entries in enumerate(series, start=1) for f in figures]
    return CoveragePanel(
        title=title, title_y=top - 8, lines=tuple(lines), ticks=tuple((y(v), label) for v, label in ticks)
    )


def _gating_parity(e: HistoryEntry) -> CoverageValue | None:
    c = e.total
    if c.gating_parity is None:
        return None
    unknown = f"; {c.gate_steps_amd_unknown} AMD steps may block" if c.gate_steps_amd_unknown else ""
    text = f"{c.gate_steps_paired} of {c.gate_steps_nvidia} merge-blocking steps, {c.gating_parity:.1%}{unknown}"
    return CoverageValue(c.gating_parity, f"{c.gating_parity:.0%}", text)


def _files_on_both(e: HistoryEntry) -> CoverageValue | None:
    c = e.total
    return (
        None
        if c.any is None
        else CoverageValue(c.any, "", f"{c.files_both} of {c.files_nvidia} test files, {c.any:.1%}")
    )


def _gate_steps(e: HistoryEntry) -> CoverageValue:
    n = e.total.gate_steps_nvidia
    return CoverageValue(n, f"{n:,}", f"{n} merge-blocking steps on NVIDIA")


def _paired_steps(e: HistoryEntry) -> CoverageValue:
    n = e.total.gate_steps_paired
    return CoverageValue(n, "", f"{n} merge-blocking steps paired on AMD")


def count_ticks(most: int) -> list[int]:
    """At most seven round values from 0 to at least `most`."""
    step = next((s for s in STEPS_OF_AXIS if most <= 6 * s), most)
    return list(range(0, most + step, step)) if most else [0, 1]


def _day(e: HistoryEntry) -> int:
    return date.fromisoformat(e.date).toordinal()


def _starts_a_quarter(day: int) -> bool:
    of_day = date.fromordinal(day)
    return of_day.day == 1 and of_day.month % 3 == 1


def reasons(entry: HistoryEntry) -> list[tuple[str, int, int]]:
    """Each reason for which steps are off, with how many of NVIDIA and of AMD, the most first."""
    counted = Counter((vendor, why) for vendor, _, why in entry.disabled)
    whys = dict.fromkeys(why for _, _, why in entry.disabled)
    rows = [(why, counted["nvidia", why], counted["amd", why]) for why in whys]
    return sorted(rows, key=lambda r: -(r[1] + r[2]))
