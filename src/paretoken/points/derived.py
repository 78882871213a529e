"""The columns that follow from the stored ones, each with the basis it rests on.

    tput_per_gpu    stated by the source; else closed-loop: concurrency·(ISL+OSL)/(E2E·GPUs)
    e2e_s           measured; else TTFT + TPOT·(OSL−1); else Little's law, concurrency·(ISL+OSL)/throughput
    interactivity   1 / TPOT

Throughputs are per GPU of all pools. Where a disaggregated row states input and output per GPU of their own pools
alone, they follow by the pools' GPUs; no side is made up from the total and the lengths.

Lengths are the mean ones. Little's law needs a closed loop, and reads high where a source's
throughput holds ramp and tail: `little_error` measures by how much on the rows that have both.
No TTFT is ever made up. Of a prediction neither is measured nor stated: its basis is that it is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import polars as pl

MEASURED, FROM_PARTS, LITTLE = "measured", "ttft+tpot", "little"
STATED, CLOSED_LOOP = "stated", "closed-loop"
PREDICTED = "predicted"


@dataclass(frozen=True, slots=True)
class ErrorBand:
    """Relative error of a derived figure against the measured one: median, p5, p95 and the rows compared."""

    median: float
    p5: float
    p95: float
    n: int


def derive(points: pl.DataFrame) -> pl.DataFrame:
    """The points with every derived column but `suspicious`, computed anew."""
    return (
        points.with_columns(
            central_ttft_s=pl.coalesce("median_ttft_s", "ttft_s", "mean_ttft_s"),
            central_tpot_s=pl.coalesce("median_tpot_s", "tpot_s", "mean_tpot_s"),
            _measured=pl.coalesce("median_e2e_s", "mean_e2e_s"),
        )
        .with_columns(_parts=_parts(), _little=_little())
        .with_columns(
            e2e_s=pl.coalesce("_measured", "_parts", "_little"),
            e2e_basis=pl.when(_predicted() & pl.col("_measured").is_not_null())
            .then(pl.lit(PREDICTED))
            .when(pl.col("_measured").is_not_null())
            .then(pl.lit(MEASURED))
            .when(pl.col("_parts").is_not_null())
            .then(pl.lit(FROM_PARTS))
            .when(pl.col("_little").is_not_null())
            .then(pl.lit(LITTLE)),
            interactivity_tok_s=1 / pl.col("central_tpot_s"),
        )
        .with_columns(_side(side).alias(f"_{side}") for side in _SIDES)
        .with_columns(_stated=pl.any_horizontal(pl.col(f"_{side}").is_not_null() for side in _SIDES))
        .with_columns(*_throughputs())
        .drop("_measured", "_parts", "_little", "_stated", *(f"_{side}" for side in _SIDES))
    )


def little_error(points: pl.DataFrame) -> ErrorBand:
    """How far Little's E2E is from the measured one, over the single-pool rows of real runs that have both.

    Multi-node and disaggregated rows are left out, as their GPU counts and pools differ. The zero
    band with n = 0 if no row has both.
    """
    both = points.filter(
        ~_predicted(),
        pl.col("median_e2e_s").is_not_null(),
        ~pl.col("disaggregated").fill_null(False),
        ~pl.col("multinode").fill_null(False),
    )
    ratio = both.select(r=_little() / pl.col("median_e2e_s") - 1)["r"].drop_nulls()
    if ratio.is_empty():
        return ErrorBand(0.0, 0.0, 0.0, 0)
    median = cast(float, ratio.median())
    return ErrorBand(median, ratio.quantile(0.05) or 0.0, ratio.quantile(0.95) or 0.0, ratio.len())


_SIDES = ("total", "input", "output")
_ROLES = {"input": "prefill", "output": "decode"}


def _side(side: str) -> pl.Expr:
    """The throughput as stated per GPU of all pools, else per GPU of its own pool times that pool's share of GPUs."""
    stated = pl.col(f"{side}_tput_per_gpu_tok_s")
    if side not in _ROLES:
        return stated
    pool = _ROLES[side]
    return pl.coalesce(stated, pl.col(f"{side}_tput_per_{pool}_gpu_tok_s") * pl.col(f"{pool}_gpus") / pl.col("n_gpus"))


def _predicted() -> pl.Expr:
    return pl.col("origin") == PREDICTED


def _parts() -> pl.Expr:
    return pl.col("central_ttft_s") + pl.col("central_tpot_s") * (_mean("osl") - 1)


def _little() -> pl.Expr:
    total = pl.col("total_tput_per_gpu_tok_s") * pl.col("n_gpus")
    closed = pl.col("load_kind") == "closed"
    return pl.when(closed).then(pl.col("concurrency") * (_mean("isl") + _mean("osl")) / total)


def _mean(side: str) -> pl.Expr:
    return pl.coalesce(f"mean_{side}", side)


def _throughputs() -> list[pl.Expr]:
    """The stated throughputs; where none is stated, those that a closed loop's own E2E implies."""
    per_gpu = pl.when(pl.col("load_kind") == "closed").then(
        pl.col("concurrency") / (pl.col("e2e_s") * pl.col("n_gpus"))
    )
    tokens = {"total": _mean("isl") + _mean("osl"), "input": _mean("isl"), "output": _mean("osl")}
    names = {"total": "tput_per_gpu", "input": "input_tput_per_gpu", "output": "output_tput_per_gpu"}
    columns = [
        pl.when("_stated").then(f"_{side}").otherwise(per_gpu * tokens[side]).alias(names[side]) for side in _SIDES
    ]
    implied = per_gpu.is_not_null()
    return [
        *columns,
        pl.when(pl.col("_stated") & _predicted())
        .then(pl.lit(PREDICTED))
        .when("_stated")
        .then(pl.lit(STATED))
        .when(implied)
        .then(pl.lit(CLOSED_LOOP))
        .alias("tput_basis"),
    ]
