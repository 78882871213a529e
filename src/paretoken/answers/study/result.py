"""The result of a study: values only, from which a report, a CSV or a test can be made."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from paretoken.answers.compare import CompareAnswer
from paretoken.answers.cost import CostPoint
from paretoken.answers.ecosystem import OverviewAnswer
from paretoken.answers.frontier import FrontierPoint
from paretoken.answers.newer_releases import NewerRelease
from paretoken.answers.rent_curve import BreakevenPoint
from paretoken.answers.study.config import ServingFilter, Study
from paretoken.answers.study.economy import Economy
from paretoken.answers.study.pooled import PooledCell
from paretoken.catalog.loader import Catalog
from paretoken.frontier.consistency import Inconsistency
from paretoken.frontier.curve import Curve
from paretoken.frontier.verdict import Crossover, CurveGrid, Segment
from paretoken.points.derived import ErrorBand
from paretoken.points.selection import Axis, Selection
from paretoken.prices.tariff import Tariff


@dataclass(frozen=True, slots=True)
class FrontierVerdict:
    """Who has the cheapest tokens where, for one axis and tariff, and the comparisons at the study's marks."""

    axis: Axis
    tariff: Tariff
    segments: tuple[Segment, ...]
    crossovers: tuple[Crossover, ...]
    comparisons: tuple[CompareAnswer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One model, precision, workload and serving filter.

    `points` are the rows that take part; `flagged` the suspicious rows that were left out of the
    frontiers (or kept in, if the study says so). `newer` are releases that are not ranked.
    `grids` hold unweighted throughput; `inconsistencies` the pairs of accelerators that are out of the order of their
    hardware somewhere. `break_even` holds a curve of rents for each axis and accelerator.
    """

    selection: Selection
    model: str
    workload: str
    scenario: ServingFilter
    points: pl.DataFrame
    flagged: pl.DataFrame
    curves: dict[Axis, tuple[Curve, ...]]
    newer: tuple[NewerRelease, ...]
    grids: dict[Axis, CurveGrid]
    inconsistencies: tuple[Inconsistency, ...]
    verdicts: tuple[FrontierVerdict, ...]
    frontier: tuple[FrontierPoint, ...]
    costs: tuple[CostPoint, ...]
    break_even: tuple[tuple[BreakevenPoint, ...], ...]

    @property
    def title(self) -> str:
        return f"{self.model}, {self.selection.precision}, {self.workload}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """A whole study. `study` is the resolved one: run again, it gives the same result.

    `n_points` counts all points read and predicted, `n_predicted` those predicted.
    `pooled` are the disaggregated frontiers that the study predicts; no verdict rests on them.
    `gaps` are the (model id, workload id) pairs of the study that no point answers in any precision.
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
    pooled: tuple[PooledCell, ...]
    economy: Economy
    ecosystem: OverviewAnswer
