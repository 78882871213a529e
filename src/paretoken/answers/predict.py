"""Predicted throughput and latency of deployments: at each concurrency, within an SLO, or at a request rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import polars as pl
from pydantic import Field

from paretoken.answers.deployment_row import DeploymentRow, deployment_fields
from paretoken.answers.plot import PlotAxes
from paretoken.answers.predicted_figures import PredictedLoad, ThroughputAndTtft, TpotAndE2e
from paretoken.answers.prediction import DeploymentQuestion, PredictionData, prepared, require_loads
from paretoken.answers.rows import Row
from paretoken.answers.takes import takes
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.csv_cells import with_quoted_cells
from paretoken.errors import BadConfig, CannotWrite
from paretoken.plural import counted, quantity
from paretoken.points.files import write_points
from paretoken.predict.configure import Replicas, case, ladder
from paretoken.predict.predictor import Predictions, predict_cases
from paretoken.predict.rows import SOURCE, new_kinds, predicted_points, result_rows
from paretoken.predict.settings import EngineSettings
from paretoken.predict.simulated import simulate_rate
from paretoken.predict.slo import MOST_USERS, highest_users, parse_slos
from paretoken.significant import significant


@dataclass(frozen=True, kw_only=True)
class PredictQuestion(DeploymentQuestion):
    """How fast a deployment is: at each concurrency, or at most within `slo`, or at `rate` requests per second."""

    concurrency: Annotated[tuple[int, ...], Field(description="Concurrent requests of a closed loop")] = (
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        256,
    )
    slo: Annotated[str | None, Field(description="Find the highest concurrency within this SLO: ttft=1s,tpot=50ms")] = (
        None
    )
    rate: Annotated[float | None, Field(description="Requests per second, Poisson arrivals, simulated")] = None
    out: Annotated[Path | None, Field(description="Write the operating points: .parquet or .csv")] = None

    def check(self) -> None:
        """BadConfig for no load, for two, and for operating points of a load that is not a concurrency."""
        if self.rate is not None and self.slo is not None:
            raise BadConfig("--rate and --slo cannot be combined; use one of them")
        if self.out and (self.rate is not None or self.slo is not None):
            other = "--slo" if self.rate is None else "--rate"
            raise BadConfig(f"--out takes operating points at --concurrency; leave out {other}")
        if self.rate is None and self.slo is None:
            require_loads(self.concurrency)


@dataclass(frozen=True, kw_only=True)
class _TtftQuantiles:
    p90_ttft_ms: float | None
    p90_ttft_ms_lo: float | None
    p90_ttft_ms_hi: float | None
    p99_ttft_ms: float | None
    p99_ttft_ms_lo: float | None
    p99_ttft_ms_hi: float | None


@dataclass(frozen=True, kw_only=True)
class _Figures(TpotAndE2e, _TtftQuantiles, ThroughputAndTtft):
    """The figures of one pool."""


@dataclass(frozen=True, kw_only=True)
class PredictedRow(_Figures, PredictedLoad, DeploymentRow):
    """One deployment at one concurrency."""


@dataclass(frozen=True, kw_only=True)
class UnmetSloRow(DeploymentRow):
    """A deployment that does not meet the SLO even with one user."""

    users: int = 0
    or_more: bool = False


@dataclass(frozen=True, kw_only=True)
class SloRow(_Figures, UnmetSloRow):
    """The highest number of users of a deployment within the SLO; `or_more` if the search ended there."""


@dataclass(frozen=True, kw_only=True)
class RateRow(DeploymentRow):
    """One deployment at a request rate, simulated; `overloaded` if the queue keeps growing."""

    rate_s: float
    total_tput_per_gpu_tok_s: float
    output_tput_per_gpu_tok_s: float
    requests: int
    preemptions: int
    overloaded: bool
    mean_ttft_ms: float
    p50_ttft_ms: float | None
    p90_ttft_ms: float | None
    p95_ttft_ms: float | None
    p99_ttft_ms: float | None
    p50_tpot_ms: float | None
    p90_tpot_ms: float | None
    p95_tpot_ms: float | None
    p99_tpot_ms: float | None
    p50_e2e_ms: float | None
    p90_e2e_ms: float | None
    p95_e2e_ms: float | None
    p99_e2e_ms: float | None


@dataclass(frozen=True, kw_only=True)
class PredictAnswer(TypedAnswer):
    """One row for each deployment, and for each concurrency of the question."""

    TABLE: ClassVar[str] = "rows"
    STATED: ClassVar[Row] = {"origin": "predicted", "source": SOURCE}
    rows: tuple[PredictedRow, ...] | tuple[SloRow | UnmetSloRow, ...] | tuple[RateRow, ...]

    @property
    def sentence(self) -> str:
        """`Predicted: up to 1,200 tok/s/GPU (900 to 1,500 in 90 %), on H100, TP8, at 256 concurrent requests`."""
        best = max(self.rows, key=_total_tput, default=None)
        if best is None or type(best) is UnmetSloRow:
            return "Predicted: no deployment meets the SLO"
        low, high = (getattr(best, f"total_tput_per_gpu_tok_s_{end}", None) for end in ("lo", "hi"))
        within = f" ({significant(low)} to {significant(high)} in 90 %)" if low and high else ""
        throughput = f"{significant(_total_tput(best))} tok/s/GPU{within}"
        return f"Predicted: up to {throughput}, on {best.accelerator}, TP{best.tp}, at {_load(best)}"

    def plot_axes(self) -> PlotAxes:
        axes = PlotAxes(
            label="{accelerator} {engine} {precision} TP{tp}",
            y="total_tput_per_gpu_tok_s",
            y_label="Throughput (tok/s/GPU), 90 % interval",
            low="total_tput_per_gpu_tok_s_lo",
            high="total_tput_per_gpu_tok_s_hi",
        )
        if not self.rows or not isinstance(self.rows[0], PredictedRow):
            return axes
        return replace(axes, x="median_e2el_ms", x_label="E2E latency, median (ms)", log_x=True)


def _load(row: DeploymentRow) -> str:
    if isinstance(row, RateRow):
        return f"{quantity(row.rate_s, 'request')} per second"
    users = row.concurrency if isinstance(row, PredictedRow) else row.users if isinstance(row, SloRow) else 0
    return counted(users, "concurrent request")


def _total_tput(row: DeploymentRow) -> float:
    return getattr(row, "total_tput_per_gpu_tok_s", None) or 0.0


@takes(PredictQuestion)
def predict(question: PredictQuestion, data: PredictionData | None = None) -> PredictAnswer:
    """Predict the deployments of a question."""
    question.check()
    question, data = prepared(question, data)
    deployments = question.deployments(data.catalog)
    if question.rate is not None:
        return PredictAnswer(rows=tuple(_at_rate(question, question.rate, deployments, data)))
    if question.slo is not None:
        return PredictAnswer(rows=tuple(_within_slo(question, question.slo, deployments, data)))
    cases = ladder(deployments, question.lengths, question.concurrency, data.catalog)
    predictions = predict_cases(cases, calibration=data.calibration, catalog=data.catalog)
    if question.out:
        write_operating_points(predicted_points(predictions, data.catalog), question.out)
    return PredictAnswer(rows=tuple(_predicted_rows(predictions, question.settings, data)))


def _predicted_rows(predictions: Predictions, stated: EngineSettings, data: PredictionData) -> Iterator[PredictedRow]:
    figures = result_rows(predictions)
    for c, kinds, values in zip(predictions.cases, predictions.novelty, figures, strict=True):
        yield PredictedRow(
            **deployment_fields(c.deployment, c.replicas, stated, data),
            isl=c.lengths.isl,
            osl=c.lengths.osl,
            length_range_ratio=c.lengths.ratio,
            concurrency=c.concurrency,
            origin="predicted",
            new_to_calibration=new_kinds(kinds),
            **values,
        )


def _within_slo(
    question: PredictQuestion, slo: str, deployments: list[Replicas], data: PredictionData
) -> Iterator[SloRow | UnmetSloRow]:
    objectives, lengths = parse_slos(slo), question.lengths
    for d, replicas in deployments:
        users = highest_users(
            d, lengths, objectives, calibration=data.calibration, catalog=data.catalog, replicas=replicas
        )
        if not users:
            yield UnmetSloRow(**deployment_fields(d, replicas, question.settings, data))
            continue
        most = case(d, lengths, users, replicas=replicas, catalog=data.catalog)
        (values,) = result_rows(predict_cases([most], calibration=data.calibration, catalog=data.catalog))
        yield SloRow(
            **deployment_fields(d, replicas, question.settings, data),
            users=users,
            or_more=users == MOST_USERS,
            **values,
        )


def _at_rate(
    question: PredictQuestion, rate_s: float, deployments: list[Replicas], data: PredictionData
) -> Iterator[RateRow]:
    lengths = question.lengths
    for d, replicas in deployments:
        case(d, lengths, 1, replicas=replicas, catalog=data.catalog)
        load = simulate_rate(d, lengths, rate_s / replicas, calibration=data.calibration, catalog=data.catalog)
        quantiles = {
            f"{quantile}_{metric}_ms": None if value != value else value * 1e3
            for metric, values in load.quantiles.items()
            for quantile, value in values.items()
        }
        yield RateRow(
            **deployment_fields(d, replicas, question.settings, data),
            rate_s=rate_s,
            total_tput_per_gpu_tok_s=load.total_tput_per_gpu,
            output_tput_per_gpu_tok_s=load.output_tput_per_gpu,
            requests=len(load.run.due_s),
            preemptions=load.preemptions,
            overloaded=load.overloaded,
            mean_ttft_ms=load.mean_ttft_s * 1e3,
            **quantiles,
        )


def write_operating_points(points: pl.DataFrame, target: Path) -> None:
    """Operating points as CSV if the name says so, else as Parquet."""
    if target.suffix.lower() != ".csv":
        write_points(points, target)
        return
    try:
        with_quoted_cells(points).write_csv(target)
    except OSError as e:
        raise CannotWrite(f"{target} cannot be written: {e.strerror or e}") from e
