"""What a study found: values only, so that a report, a CSV or a test can be made from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from paretoken.answers.ecosystem import OverviewAnswer
from paretoken.answers.study.config import ServingFilter, Study
from paretoken.answers.study.economy import Economy
from paretoken.catalog.loader import Catalog
from paretoken.frontier import Axis, Crossover, Curve, CurveGrid, Segment, Selection
from paretoken.points.derived import ErrorBand
from paretoken.prices import Ranking, Tariff, break_even_curve

AXES: tuple[Axis, ...] = ("e2e", "interactivity")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One ranking at one latency. `value` is in the axis' own unit: s, or tok/s/user.

    `ended` names the accelerator with cheaper tokens than the winner's at a lower latency, where its data end.
    """

    axis: Axis
    value: float
    tariff: Tariff
    ranking: Ranking
    no_data: dict[str, str]
    ended: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who has the cheapest tokens where, for one axis and tariff, and the comparisons at the study's marks."""

    axis: Axis
    tariff: Tariff
    segments: tuple[Segment, ...]
    crossovers: tuple[Crossover, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The rent at which an accelerator's tokens cost what the reference's do, over latency.

    `curves` and `curves_against` are those that either side's throughput is from, at each latency.
    """

    axis: Axis
    accelerator: str
    against: str
    rent_against_usd: float
    latency_s: tuple[float, ...]
    rent_usd: tuple[float, ...]
    curves: tuple[Curve, ...]
    curves_against: tuple[Curve, ...]

    def every(self, step: int) -> BreakEven:
        """The same at one latency in so many."""
        thinned = {name: getattr(self, name)[::step] for name in ("latency_s", "rent_usd", "curves", "curves_against")}
        return replace(self, **thinned)


def break_even(grid: CurveGrid, axis: Axis, accelerator: str, against: str, rent_usd: float) -> BreakEven:
    """The break-even rent wherever both have data; `grid` must hold unweighted throughput."""
    latency_s, rent = break_even_curve(grid, accelerator, against, rent_usd)
    at = np.isin(grid.latency_s, latency_s)

    def curves(name: str) -> tuple[Curve, ...]:
        if not len(latency_s):
            return ()
        return tuple(grid.curves[i] for i in grid.curve_at[grid.names.index(name), at])

    return BreakEven(
        axis,
        accelerator,
        against,
        rent_usd,
        tuple(map(float, latency_s)),
        tuple(map(float, rent)),
        curves(accelerator),
        curves(against),
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """One model, precision, workload and scenario.

    `points` are the rows that take part; `flagged` the suspicious rows that were left out of the
    frontiers (or kept in, if the study says so). `fields` hold unweighted throughput.
    """

    question: Selection
    model: str
    workload: str
    scenario: ServingFilter
    points: pl.DataFrame
    flagged: pl.DataFrame
    curves: dict[Axis, tuple[Curve, ...]]
    fields: dict[Axis, CurveGrid]
    verdicts: tuple[Verdict, ...]
    break_even: tuple[BreakEven, ...]

    @property
    def title(self) -> str:
        return f"{self.model}, {self.question.precision}, {self.workload}"


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A whole study. `study` is the resolved one: run again, it gives the same result.

    `n_points` counts all points read and predicted, `n_predicted` those predicted.
    `gaps` are the (model id, workload id) pairs asked for that no point answers in any precision.
    """

    study: Study
    catalog: Catalog
    tariffs: tuple[Tariff, ...]
    panels: tuple[Panel, ...]
    gaps: tuple[tuple[str, str], ...]
    little_error: ErrorBand
    n_points: int
    n_predicted: int
    n_flagged: dict[str, int]
    version: str
    made_on: str
    economy: Economy
    ecosystem: OverviewAnswer
