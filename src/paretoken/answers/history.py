"""How the throughput of a configuration changed over its dates, and where it stepped: `paretoken history`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import polars as pl
from pydantic import Field

from paretoken.answers.bundles import StoredPointsQuestion
from paretoken.answers.points import Data
from paretoken.answers.rows import Row
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.catalog.names import agreed_precision
from paretoken.errors import BadConfig, NoData
from paretoken.history.across_loads import ConfigurationChange, configuration_changes
from paretoken.history.series import FEWEST_DATES, ThroughputSeries, series_at_latency, series_at_load
from paretoken.points.origins import of_origins


@dataclass(frozen=True, kw_only=True)
class HistoryQuestion(StoredPointsQuestion):
    """How did the measured throughput of configurations change over dates, and when did it step up or down?

    At each load, or at one latency: `e2e_s` or `interactivity`. Filters that are left out match all configurations.
    """

    model: Annotated[str | None, Field(description="Model, by any name in the catalog")] = None
    accelerator: str | None = None
    engine: str | None = None
    precision: str | None = None
    workload: Annotated[str | None, Field(description="Workload of the catalog, or ISL/OSL in tokens")] = None
    e2e_s: Annotated[float | None, Field(description="At this E2E latency, s, instead of at each load", gt=0)] = None
    interactivity: Annotated[float | None, Field(description="At this interactivity, tok/s/user", gt=0)] = None
    alpha: Annotated[float, Field(description="Probability of a step in a series of pure noise", ge=0, le=1)] = 0.01
    smallest: Annotated[float, Field(description="Leave out steps smaller than this share", ge=0)] = 0.02
    origins: Annotated[tuple[str, ...], Field(description="Origins of points; all but emulated if empty")] = ()
    steps_only: Annotated[bool, Field(description="Show only series with a step")] = False


@dataclass(frozen=True)
class HistoryAnswer(TypedAnswer):
    """Every series that matches, those with most dates first, and their steps together by configuration and date."""

    series: tuple[ThroughputSeries, ...]
    changes: tuple[ConfigurationChange, ...]

    def rows_of_table(self) -> list[Row]:
        """One row a series and date."""
        return [
            {**series.of, "date": day, "tput_per_gpu_tok_s": value, "engine_version": version}
            for series in self.series
            for day, value, version in zip(series.dates, series.values, series.engine_versions, strict=True)
        ]


@takes(HistoryQuestion)
def history(question: HistoryQuestion, data: Data | None = None) -> HistoryAnswer:
    """The series of a question; NoData if no configuration has enough dates."""
    if question.e2e_s is not None and question.interactivity is not None:
        raise BadConfig("give one latency: an E2E latency (--e2e) or an interactivity (--interactivity), not both")
    data = data or Data.of(question)
    rows = _rows(question, data)
    if question.e2e_s is not None:
        series = series_at_latency(rows, "e2e", question.e2e_s, alpha=question.alpha, smallest=question.smallest)
    elif question.interactivity is not None:
        value = question.interactivity
        series = series_at_latency(rows, "interactivity", value, alpha=question.alpha, smallest=question.smallest)
    else:
        series = series_at_load(rows, alpha=question.alpha, smallest=question.smallest)
    if not series:
        of_model = f" of {question.model}" if question.model else ""
        raise NoData(
            f"no configuration{of_model} that matches has results of {FEWEST_DATES} different days; "
            "add your own with --points, or leave out a filter"
        )
    shown = tuple(s for s in series if s.steps or not question.steps_only)
    return HistoryAnswer(shown, tuple(configuration_changes(series)))


def _rows(question: HistoryQuestion, data: Data) -> pl.DataFrame:
    """The sound points that match the filters; UnknownName for a name that is nowhere."""
    catalog = data.catalog
    points = data.points.filter(pl.col("suspicious").is_null(), of_origins(question.origins))
    columns: dict[str, str | int | None] = {}
    model = question.model and catalog.models.id_or_own(question.model, points["model"].unique())
    named = "" if model == question.model else question.model or ""
    columns |= {"model": model or None, "precision": agreed_precision(named, question.precision)}
    if question.accelerator:
        own = points["accelerator"].unique()
        columns["accelerator"] = catalog.accelerators.id_or_own(question.accelerator, own)
    if question.engine:
        columns["engine"] = catalog.engines.id_or_own(question.engine, points["engine"].unique())
    if question.workload:
        lengths = catalog.workload(question.workload)
        columns |= {"isl": lengths.isl, "osl": lengths.osl}
    return points.filter(pl.lit(True), *(pl.col(name) == value for name, value in columns.items() if value is not None))
