"""Which points take part in a comparison, and which one represents a configuration that several rows hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from paretoken.points.origins import of_origins
from paretoken.points.same_run import best_stated
from paretoken.points.schema import CONFIGURATION_AT_LENGTHS, of_single_requests
from paretoken.points.unstated import NONE
from paretoken.slo import Slo

Axis = Literal["e2e", "interactivity"]
Serving = Literal["single-node", "any"]
Speculative = Literal["none", "any"]
AXES: tuple[Axis, ...] = ("e2e", "interactivity")
AXIS_COLUMN: dict[Axis, str] = {"e2e": "e2e_s", "interactivity": "central_tpot_s"}
"""The latency column of each axis, in seconds; interactivity is 1 / TPOT and is interpolated in TPOT."""

NODE_GPUS = 8
"""The most GPUs of a node, for rows that do not say whether they span several."""

LOAD = ("load_kind", "concurrency", "sessions", "request_rate")
_IDENTITY = tuple(c for c in CONFIGURATION_AT_LENGTHS if c not in ("speculative", "multinode"))
_CENTRAL = {"ttft": "central_ttft_s", "tpot": "central_tpot_s", "e2e": "e2e_s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Points of one model, precision and pair of nominal lengths, or of a workload of sessions. Its
    `workload` is the name of the sessions with their hash.

    `serving` "single-node" keeps one pool on one node (like for like); "any" adds disaggregated and
    multi-node serving. `speculative` "none" keeps what is stated, or shown by a stated row, to draft no tokens.
    Every point must meet the `limits`. Fields of None ask for all; of all origins but emulated.
    """

    model: str
    precision: str | None
    isl: int
    osl: int
    workload: str | None = None
    serving: Serving = "single-node"
    speculative: Speculative = "none"
    limits: tuple[Slo, ...] = ()
    origins: tuple[str, ...] | None = None
    accelerators: tuple[str, ...] | None = None
    engines: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    suspicious: bool = False

    def of_model(self) -> pl.Expr:
        """Rows of the model, precision and load, whatever their serving. Sessions have no nominal lengths."""
        if self.workload is None:
            load = of_single_requests() & (pl.col("isl") == self.isl) & (pl.col("osl") == self.osl)
        else:
            load = pl.col("workload") == self.workload
        rows = (pl.col("model") == self.model) & load
        return rows & (pl.col("precision") == self.precision) if self.precision else rows

    def of_serving(self) -> pl.Expr:
        """Rows of the chosen serving. What a row does not say is unknown, not plain, unless its GPU counts tell."""
        keep = pl.lit(True)
        if self.serving == "single-node":
            keep &= (one_pool() & ~_multinode()).fill_null(False)
        if self.speculative == "none":
            keep &= pl.col("speculation") == NONE
        return keep

    def of_choice(self) -> pl.Expr:
        """Rows of the chosen origins, accelerators, engines and sources, without the suspicious ones."""
        keep = of_origins(self.origins)
        for column in ("accelerator", "engine", "source"):
            chosen = getattr(self, f"{column}s")
            if chosen is not None:
                keep &= pl.col(column).is_in(chosen)
        return keep if self.suspicious else keep & pl.col("suspicious").is_null()

    def with_limited(self) -> pl.Expr:
        """Rows that state every limited latency."""
        return pl.all_horizontal(True, *(pl.col(limit_column(limit)).is_not_null() for limit in self.limits))

    @property
    def axis_limits(self) -> tuple[tuple[str, float], ...]:
        """(column, bound in s) of the limits on a latency that rises along a curve: they end it."""
        columns = [(limit_column(limit), limit.bound_s) for limit in self.limits]
        return tuple((column, bound) for column, bound in columns if column in AXIS_COLUMN.values())

    def within_limits(self) -> pl.Expr:
        """Rows that state every limited latency and meet the limits that are not on an axis."""
        columns = ((limit_column(limit), limit.bound_s) for limit in self.limits)
        met = (pl.col(column) <= bound for column, bound in columns if column not in AXIS_COLUMN.values())
        return self.with_limited() & pl.all_horizontal(True, *met)

    def select(self, points: pl.DataFrame) -> pl.DataFrame:
        """The rows that answer: every run once, and of each configuration, software state and load one run."""
        runs = best_stated(points.filter(self.of_model() & self.of_choice()))
        return one_per_load(runs.filter(self.of_serving()))


def limit_column(limit: Slo) -> str:
    """The column that a limit is on: of a median the central one."""
    if limit.statistic == "p50":
        return _CENTRAL.get(limit.metric, f"median_{limit.metric}_s")
    return f"{limit.statistic}_{limit.metric}_s"


def one_per_load(points: pl.DataFrame) -> pl.DataFrame:
    """One row for each configuration, software state, load and origin, so that no run counts twice.

    Of rows that agree in all of them the one with a measured E2E latency is kept, then one whose throughput is
    stated, then the latest.
    """
    keys = [*_IDENTITY, "speculation", "software", *LOAD, "origin", "_multinode"]
    order = [pl.col("e2e_basis") == "measured", pl.col("tput_basis") == "stated", pl.col("date").str.slice(-10)]
    ranked = points.with_columns(_multinode=_multinode()).sort(
        *order, descending=True, nulls_last=True, maintain_order=True
    )
    return ranked.unique(keys, keep="first", maintain_order=True).drop("_multinode")


def one_pool() -> pl.Expr:
    """Whether prefill and decode share their GPUs, null if unsaid; one GPU or tensor-parallel group has no pools."""
    one_group = pl.when(pl.col("n_gpus") <= pl.col("tp").fill_null(1)).then(pl.lit(True))
    return pl.coalesce(~pl.col("disaggregated"), one_group)


def _multinode() -> pl.Expr:
    """Whether a row spans nodes; null if neither it nor its GPU count says."""
    return pl.coalesce("multinode", pl.col("n_gpus") > NODE_GPUS)
