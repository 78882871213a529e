"""Repeats of one load as one result: the mean over runs, and the spread between them.

Between-run spread holds what no interval within a run can see: another placement of memory, another state
of the cache, another neighbour on the machine. The interval of the mean is Student's, over the runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paretoken.bench.plan import LoadRecord
from paretoken.bench.stats.level_summary import LevelSummary, PointRow
from paretoken.errors import NoData
from paretoken.plural import counted
from paretoken.points.schema import LATENCIES, SESSION_FIGURES, STATISTICS, STORED

FIGURES = (
    *(c.name for c in STORED if c.name.endswith("_tput_per_gpu_tok_s") or c.name in ("mean_isl", "mean_osl")),
    *(f"{s}_{m}_s" for m in LATENCIES for s in STATISTICS),
    *SESSION_FIGURES,
)
"""The columns of an operating point that are averaged over repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpread:
    """A figure over repeats: mean, standard deviation, its ratio to the mean, the 95 % interval of the mean."""

    n: int
    mean: float | None
    std: float | None = None
    cv: float | None = None
    low: float | None = None
    high: float | None = None
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedLoad:
    """A load that was measured more than once."""

    load: LoadRecord
    name: str
    repeats: int
    figures: Mapping[str, RunSpread]


def repeated(summaries: Sequence[LevelSummary]) -> list[RepeatedLoad]:
    """Every load that was measured more than once, with the spread of each figure."""
    return [
        RepeatedLoad(load=load, name=load.name, repeats=len(group), figures=spreads([s.point for s in group]))
        for load, group in _by_load(summaries).items()
        if len(group) > 1
    ]


def merged_points(summaries: Sequence[LevelSummary]) -> list[PointRow]:
    """One operating point for each load: that of its level, or the means where it was repeated."""
    groups = [[s.point for s in group] for group in _by_load(summaries).values()]
    return [mean_point(points) if len(points) > 1 else points[0] for points in groups]


def names(summaries: Sequence[LevelSummary]) -> list[str]:
    """Each level's load in words; a repeat carries its number."""
    counts: Counter[str] = Counter()
    numbered = []
    for name in (s.load.name for s in summaries):
        counts[name] += 1
        numbered.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return numbered


def _by_load(summaries: Sequence[LevelSummary]) -> dict[LoadRecord, list[LevelSummary]]:
    """The levels that count, those of one load together, in order of the first of each."""
    groups: dict[LoadRecord, list[LevelSummary]] = {}
    for summary in summaries:
        if not summary.failed:
            groups.setdefault(replace(summary.load, arrivals=None), []).append(summary)
    return groups


def spreads(points: Sequence[PointRow]) -> dict[str, RunSpread]:
    """The spread of every figure between runs."""
    if not points:
        raise NoData("no repeats to combine")
    return {name: _spread([p.get(name) for p in points]) for name in FIGURES}


def mean_point(points: Sequence[PointRow]) -> PointRow:
    """The point of the means; a figure is None where a run has none."""
    means = {name: s.mean if s.n == len(points) else None for name, s in spreads(points).items()}
    notes = dict.fromkeys(
        [f"mean of {counted(len(points), 'repeat')}", *(str(p["notes"]) for p in points if p.get("notes"))]
    )
    rates = [rate for p in points if isinstance(rate := p.get("error_rate"), float)]
    failed = sum(rates) / len(rates) if len(rates) == len(points) else None
    return {**points[0], **means, "error_rate": failed, "notes": "; ".join(notes)}


def _spread(figures: Sequence[object]) -> RunSpread:
    values = np.array([v for v in figures if isinstance(v, (int, float))], dtype=float)
    n = len(values)
    numbers = tuple(values.tolist())
    if not n:
        return RunSpread(n=0, mean=None, values=numbers)
    mean = float(values.mean())
    if n < 2:
        return RunSpread(n=n, mean=mean, values=numbers)
    from scipy import stats  # half a second that a run without repeats is spared

    std = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n)
    cv = std / mean if mean else None
    return RunSpread(n=n, mean=mean, std=std, cv=cv, low=mean - half, high=mean + half, values=numbers)
