"""Whether two accelerators of one family come out in the order of their hardware.

An accelerator with at least the memory, bandwidth, compute and links of another cannot be slower at the same work
with software of the same date, but for noise. Where its points say so although it ran the engine that is the other's
best, points of one of the two are wrong or not alike, and no verdict may rest on either. Where it never ran that
engine there, what is missing is a measurement, and no verdict may set the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from paretoken.frontier.compare import number_text, size_title, within_text
from paretoken.frontier.curve import Curve, CurvePoint
from paretoken.plural import quantity
from paretoken.points.selection import Axis
from paretoken.points.software import days_apart

TIE, LIKELY = 0.034, 0.09
"""Drift of one configuration from software alone: 3.4 % after 15-45 days, 9 % after 46-150 (medians)."""
TIE_PREDICTED, LIKELY_PREDICTED = 0.15, 0.45
"""With a prediction on either side: twice-drawn median error of a cell nobody measured (10 %, so 15 % for a
ratio of two), and the half-width of its 90 % interval. The shipped calibration is a little better than that (8 %, and
of E2E 40 %, half of what lies between the ends in logarithms), so the words err on the cautious side."""
DRIFT_DAYS, SAME_DATE_DAYS = 45, 90
"""Software up to 45 days apart differs by `TIE`, up to 90 by `LIKELY`; beyond, two dates are not the same."""


def is_stale(days: int | None) -> bool:
    """Whether software this many days apart is of different dates."""
    return days is not None and days > SAME_DATE_DAYS


HardwareOrder = frozenset[tuple[str, str]]
"""Pairs (better, worse) of accelerators, as `catalog.hardware.better_hardware` gives them."""


@dataclass(frozen=True, slots=True)
class Leader:
    """The best curve of an accelerator at a latency, and its throughput there, tok/s/GPU."""

    curve: Curve
    tput_per_gpu: float

    @property
    def accelerator(self) -> str:
        return self.curve.accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconsistency:
    """Better hardware that is slower at a latency limit. Throughputs are interpolated, tok/s/GPU.

    `missing_engine` is the engine of the worse where the better has no point of it that meets the limit. `range_s` is
    the range of limits over which the two are out of order, around `latency_s`.
    """

    better: str
    worse: str
    axis: Axis
    latency_s: float
    range_s: tuple[float, float]
    better_tput_per_gpu: float
    worse_tput_per_gpu: float
    missing_engine: str | None
    better_software: str
    worse_software: str
    better_point: CurvePoint
    worse_point: CurvePoint

    @property
    def ratio(self) -> float:
        """The throughput of the better over that of the worse."""
        return self.better_tput_per_gpu / self.worse_tput_per_gpu

    def __str__(self) -> str:
        within = f"with {within_text(self.latency_s, self.axis)} " if isfinite(self.latency_s) else ""
        reason = f"; it has no points with {self.missing_engine} there" if self.missing_engine else ""
        return (
            f"inconsistent data: {within}{self.better} serves {number_text(self.better_tput_per_gpu)} tok/s/GPU "
            f"and {self.worse} {number_text(self.worse_tput_per_gpu)}, though "
            f"{self.better} has at least the hardware of {self.worse}{reason} "
            f"(runs: {_labelled(self.better, self.better_software, self.better_point)}; "
            f"{_labelled(self.worse, self.worse_software, self.worse_point)})"
        )

    def bars(self, names: Set[str]) -> bool:
        """Whether a verdict between these accelerators, winner and runner-up, is withheld."""
        pair = {self.better, self.worse}
        return pair == names if self.missing_engine else bool(pair & names)


def inconsistencies(
    curves: Iterable[Curve], leaders: Mapping[str, Leader], latency_s: float, order: HardwareOrder
) -> list[Inconsistency]:
    """The pairs out of order at a latency limit; `leaders` are the best of the curves there."""
    engines = {(c.accelerator, c.engine) for c in curves if c.range_s[0] <= latency_s}
    pairs = [(leaders[better], leaders[worse]) for better, worse in sorted(order) if {better, worse} <= leaders.keys()]
    return [_inconsistency(*pair, latency_s, engines) for pair in pairs if _out_of_order(*pair)]


def _out_of_order(better: Leader, worse: Leader) -> bool:
    """Whether the better is slower by more than the noise between the two curves."""
    return better.tput_per_gpu < (1 - noise(better.curve, worse.curve)) * worse.tput_per_gpu


def _inconsistency(better: Leader, worse: Leader, latency_s: float, engines: Set[tuple[str, str]]) -> Inconsistency:
    """The pair with the points that its throughputs rest on."""
    engine = worse.curve.engine
    return Inconsistency(
        better=better.accelerator,
        worse=worse.accelerator,
        axis=better.curve.axis,
        latency_s=latency_s,
        range_s=(latency_s, latency_s),
        better_tput_per_gpu=better.tput_per_gpu,
        worse_tput_per_gpu=worse.tput_per_gpu,
        missing_engine=None if (better.accelerator, engine) in engines else engine,
        better_software=software_title(better.curve),
        worse_software=software_title(worse.curve),
        better_point=better.curve.rows[better.curve.best_point(latency_s)],
        worse_point=worse.curve.rows[worse.curve.best_point(latency_s)],
    )


@lru_cache(maxsize=4096)
def noise(one: Curve, other: Curve) -> float:
    """The share by which two curves of equal hardware may differ; 1 where their software dates are not the same.

    A prediction and a run are not compared: what they disagree in is the error of the prediction.
    """
    if "predicted" in (one.origin, other.origin):
        return TIE_PREDICTED if one.origin == other.origin else 1.0
    days = days_apart(one.date, other.date)
    if days is None:
        return LIKELY
    return TIE if days <= DRIFT_DAYS else LIKELY if days <= SAME_DATE_DAYS else 1.0


def software_title(curve: Curve) -> str:
    """`sglang 0.5.12, 2026-05-18`, or `sglang, median over 2025-09-29..2026-07-19`."""
    if curve.origin == "predicted":
        return f"{curve.engine}, predicted"
    if curve.date and ".." in curve.date:
        return f"{curve.engine}, median over {curve.date}"
    stated = [] if curve.date and curve.date.startswith(curve.software) else [curve.software]
    return ", ".join([" ".join([curve.engine, *stated]), *([curve.date] if curve.date else [])])


def point_title(point: CurvePoint) -> str:
    """`TP8, 64 users: 812 tok/s/GPU`."""
    load = "" if point["concurrency"] is None else f", {quantity(point['concurrency'], 'user')}"
    return f"{size_title(point)}{load}: {number_text(point['tput_per_gpu'])} tok/s/GPU"


def _labelled(name: str, software: str, point: CurvePoint) -> str:
    return f"{name} {software}, {point_title(point)}"
