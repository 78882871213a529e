"""The answer of a plan: the traffic as read, the fleets by rising cost, and their limits and bills."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from paretoken.answers.plot import PlotAxes
from paretoken.answers.rows import Row, flat_rows
from paretoken.answers.typed_answer import TypedAnswer
from paretoken.predict.rows import SOURCE
from paretoken.traffic.describe import TrafficSummary

Range = tuple[float, float | None]
"""Lower and upper end of a 90 % interval; None for an upper end beyond any size of the fleet."""


def finite(value: float) -> float | None:
    """The value; None for an infinite one and NaN, which JSON has no numbers for."""
    return value if isfinite(value) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOutcome:
    """One limit of the SLO in the worst hour: seconds, except where `unit` says otherwise.

    `text` is the limit as it was written. `ratio` is value over bound: at most 1 where the limit is met. `low` or
    `high` is None where the replicas cannot keep up at that end.
    """

    text: str
    value: float
    low: float | None
    high: float | None
    bound: float
    ratio: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HourOfFleet:
    """One hour: the replicas that serve, the mean of those rented (with cold starts and spares), and the load.

    `utilisation` is the load over the most that the replicas serve within the limits.
    """

    hour: int
    replicas: int
    rented: float
    utilisation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a fleet costs under one contract, USD. `usd_per_task` is per task of the answer.

    `hourly` says whether the contract bills only the hours in use. `basis` is the source of the price. Intervals are
    90 % and combine the errors of price and prediction: a draw of the error that needs more replicas pays for more.
    An interval is None where fewer than 5 % of the draws meet the limits.
    """

    contract: str
    hourly: bool
    usd_per_gpu_h: float
    basis: str
    gpu_hours_per_day: float
    usd_per_day: float
    usd_per_day_90: Range | None
    usd_per_mtok: float
    usd_per_mtok_90: Range | None
    usd_per_task: float
    usd_per_task_90: Range | None
    idle_usd_per_day: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOutcome:
    """Sessions whose turns wait for answers, replayed on the fleet in its busiest hour with a simulated prefix cache.

    `hour` counts from 0 at the start of the traffic. `calls` were due in it, on `share` of its `replicas`, and found
    `hit_share` of their prompt tokens; `assumed_hit_share` is what the sizing assumed, None where it assumed none.
    `sized_replicas` are those of the sizing: fewer, where they missed a limit in the replay. `worst` is the largest
    value over bound of a limit, `first_to_fail` that limit. `needed` is the fewest replicas that meet all limits; None
    where not even twice as many do.
    """

    hour: int
    replicas: int
    sized_replicas: int
    share: float
    sessions: int
    calls: int
    hit_share: float
    assumed_hit_share: float | None
    median_session_s: float
    p99_session_s: float
    worst: float
    first_to_fail: str
    met: bool
    needed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One deployment, sized for the traffic, with its bills by rising cost.

    `replicas` serve the busiest hour; `spares` stand by. `gpus_per_replica` is 0 where replicas differ in size.
    `probability` is that of meeting the SLO in every hour, over the error of the prediction. `gpus_at_90` is the
    number of GPUs that makes it 90 %, None where no number does. `utilisation` is the share of the GPU-hours of the
    cheapest bill that the load takes. `headroom` is the factor by which the traffic may grow before `first_to_fail`
    does. `simulated` says how the size was checked: "closed form", "sampled hours", "busiest hour", or "whole period".
    `origin` is predicted, or predicted from `measured_points` of the same deployment. `cheaper` is the probability
    that it is cheaper than the first row, 0.5 of the first itself. `sessions` is the replay of the first fleet, where
    the traffic has sessions whose turns wait for answers.
    """

    rank: int
    name: str
    accelerator: str
    model: str
    precision: str
    engine: str
    layout: str
    pools: tuple[str, ...]
    gpus_per_replica: int
    replicas: int
    spares: int
    gpus: int
    probability: float
    gpus_at_90: int | None
    limits: tuple[LimitOutcome, ...]
    utilisation: float
    headroom: float
    first_to_fail: str
    hours: tuple[HourOfFleet, ...]
    bills: tuple[Bill, ...]
    foresight_gpu_hours_per_day: float
    foresight_usd_per_day: float | None
    cheaper: float | None
    simulated: str
    origin: str
    measured_points: int
    new_to_calibration: tuple[str, ...]
    tok_s_per_mw: float | None
    commands: tuple[str, ...]
    notes: tuple[str, ...]
    sessions: SessionOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A candidate without a fleet within the limits of the question, and the reason.

    `nearest` is the nearest SLO that it does meet, as text; None where there is none to name.
    """

    name: str
    reason: str
    nearest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAnswer(TypedAnswer):
    """The fleets of a plan by rising cost of the cheapest bill.

    `headline` is the decision in a sentence or two. `slo` holds the limits as written; `task` says what a task is.
    """

    TABLE: ClassVar[str] = "rows"
    SHOWN: ClassVar[tuple[str, ...]] = (
        "rank",
        "name",
        "gpus",
        "contract",
        "usd_per_day",
        "usd_per_day_lo",
        "usd_per_day_hi",
        "usd_per_mtok",
        "usd_per_task",
        "probability",
        "utilisation",
        "origin",
    )
    STATED: ClassVar[Row] = {"origin": "predicted", "source": SOURCE}
    headline: str
    slo: str
    availability: str
    task: str
    traffic: TrafficSummary
    rows: tuple[PlanRow, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return self.headline

    def rows_of_table(self) -> list[Row]:
        """The fleets, each with its cheapest bill."""
        fleets = zip(self.rows, flat_rows(self.rows, self.STATED), strict=True)
        return [{**row, **(_billed(fleet.bills[0]) if fleet.bills else {})} for fleet, row in fleets]

    def plot_axes(self) -> PlotAxes:
        return PlotAxes(
            label="{rank}. {gpus} GPUs, {name}",
            y="usd_per_day",
            y_label="Cost of the cheapest contract (USD per day), 90 % interval",
            low="usd_per_day_lo",
            high="usd_per_day_hi",
        )


def _billed(bill: Bill) -> Row:
    """The columns of a bill, an interval as two."""
    (row,) = flat_rows([bill], {})
    for name in ("usd_per_day", "usd_per_mtok", "usd_per_task"):
        row.pop(f"{name}_90")
        row[f"{name}_lo"], row[f"{name}_hi"] = getattr(bill, f"{name}_90") or (None, None)
    return row
