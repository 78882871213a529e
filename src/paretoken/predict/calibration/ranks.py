"""Who wins at equal latency: frontiers of what was observed beside those of the same cases as predicted.

A panel is one model, precision and pair of nominal lengths. Each accelerator of it has a frontier for each engine,
of total throughput per GPU (tok/s) over E2E (s, the default axis of comparisons), and
what it gives at a latency is the best of them. On both sides throughput follows from E2E by Little's law:

    throughput = concurrency · (ISL + OSL) / (E2E · GPUs)

Software states, dates and sources have no frontiers of their own: of rows alike in configuration and load one stands,
the one that `frontier.one_per_load` takes (mostly the latest). What is predicted are accelerators, not days, and a
Pareto set over all dates would be made of the luckiest run of each load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from paretoken.frontier import Curve, one_per_load, pareto
from paretoken.frontier.pareto import CURVE_KEY
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.sample import OUTCOMES, CalibrationSample
from paretoken.predict.calibration.validate import HeldOut

PANEL = ("model", "precision", "isl", "osl")
Panel = tuple[object, ...]
E2E = OUTCOMES.index("e2e")
LATENCIES = 8
"""Readings of a panel, log-spaced over the latencies that at least two accelerators were observed to reach."""
MARGIN = 1.05
"""Throughputs within this ratio have no winner: software alone moves one configuration by 3.4 % within weeks."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """How often predicted frontiers name the winner that observed ones have; shares, NaN where there is nothing.

    `pairs` counts two accelerators at one latency that the observed and the predicted frontiers of both reach, more
    than 5 % apart as observed; `right` is the share of them that predictions put in the same order, `crude` the
    share that the crude baseline does, of those that its frontiers reach. `latencies` counts those at which the best
    of all accelerators that can be read so leads by more than 5 %, `winner` the share at which it is named.
    """

    right: float
    pairs: int
    crude: float
    winner: float
    latencies: int


def ranks(ours: Sequence[HeldOut], crude: Sequence[HeldOut], sample: CalibrationSample, split: str) -> Ranks:
    """Ranks among the non-speculative cases of all models that a split holds back.

    The folds are pooled first: where accelerators are held back, each is predicted without itself.
    """
    right, pairs, named, latencies = _counts(_pooled(ours, sample, split))
    baseline = _counts(_pooled(crude, sample, split))
    return Ranks(_share(right, pairs), pairs, _share(*baseline[:2]), _share(named, latencies), latencies)


def _pooled(folds: Sequence[HeldOut], sample: CalibrationSample, split: str) -> pl.DataFrame:
    """One row for each configuration and load, with E2E `observed` and `predicted`, s; `per_gpu`: throughput · E2E."""
    folds = [h for h in folds if h.fold.split == split]
    at = np.concatenate([np.flatnonzero(h.fold.mask) for h in folds])
    observed = sample.observed[at, E2E]
    predicted = observed - np.concatenate([h.residual[:, E2E] for h in folds])
    rows = sample.table[at].with_columns(
        observed=pl.Series(np.exp(observed)),
        predicted=pl.Series(np.exp(predicted)),
        software=pl.lit("any"),
        per_gpu=pl.col("concurrency") * (pl.col("_isl") + pl.col("_osl")) / pl.col("gpus"),
    )
    return one_per_load(
        rows.filter(~pl.col("drafting"), pl.col("observed").is_finite(), pl.col("predicted").is_finite())
    )


def _counts(table: pl.DataFrame) -> list[int]:
    """(pairs in the same order, pairs, latencies with the same winner, latencies) over all panels."""
    observed, predicted = _curves(table, "observed"), _curves(table, "predicted")
    panels = [_panel(curves, predicted[key]) for key, curves in observed.items()]
    return np.sum(panels, axis=0, dtype=int).tolist() if panels else [0] * 4


def _curves(table: pl.DataFrame, e2e: str) -> dict[Panel, list[Curve]]:
    """The frontiers of each panel, all Pareto sets in one go."""
    rows = table.with_columns(e2e_s=pl.col(e2e), tput_per_gpu=pl.col("per_gpu") / pl.col(e2e))
    key = (*PANEL, *CURVE_KEY)
    panels: dict[Panel, list[Curve]] = {}
    for value, front in pareto(rows, "e2e_s", "tput_per_gpu", key).partition_by(key, as_dict=True).items():
        accelerator, engine, origin, _ = map(str, value[len(PANEL) :])
        curve = Curve(
            accelerator=accelerator,
            engine=engine,
            origin=origin,
            axis="e2e",
            points=front,
            latency_s=front["e2e_s"].to_numpy(),
        )
        panels.setdefault(value[: len(PANEL)], []).append(curve)
    return panels


def _panel(observed: Sequence[Curve], predicted: Sequence[Curve]) -> tuple[int, int, int, int]:
    """What `_counts` adds up, of one panel."""
    at = _latencies(observed)
    if not at.size:
        return 0, 0, 0, 0
    names = list(dict.fromkeys(c.accelerator for c in observed))
    best_observed, best_predicted = (_best(curves, names, at) for curves in (observed, predicted))
    missing = np.isnan(best_observed) | np.isnan(best_predicted)
    best_observed[missing] = best_predicted[missing] = np.nan
    return *_pairs(np.log(best_observed), np.log(best_predicted)), *_winners(
        np.nan_to_num(best_observed), np.nan_to_num(best_predicted)
    )


def _latencies(observed: Sequence[Curve]) -> Floats:
    """Where to read a panel, s; empty where no two accelerators were observed at one latency."""
    ranges: dict[str, list[tuple[float, float]]] = {}
    for curve in observed:
        ranges.setdefault(curve.accelerator, []).append(curve.range_s)
    if len(ranges) < 2:
        return np.empty(0)
    low = sorted(min(a for a, _ in curves) for curves in ranges.values())[1]
    high = sorted(max(b for _, b in curves) for curves in ranges.values())[-2]
    return np.unique(np.clip(np.geomspace(low, high, LATENCIES), low, high)) if low <= high else np.empty(0)


def _best(curves: Sequence[Curve], names: Sequence[str], at: Floats) -> Floats:
    """The best throughput of each accelerator, shape (accelerators, latencies), NaN where none of its curves is."""
    return np.array([np.fmax.reduce([c.at(at) for c in curves if c.accelerator == name]) for name in names])


def _pairs(observed: Floats, predicted: Floats) -> tuple[int, int]:
    """(in the same order, all) of the pairs that differ enough, from ln of throughput."""
    one, other = np.triu_indices(len(observed), 1)
    gap, predicted_gap = observed[one] - observed[other], predicted[one] - predicted[other]
    apart = np.abs(gap) > np.log(MARGIN)
    return (apart & (np.sign(gap) == np.sign(predicted_gap))).sum(), apart.sum()


def _winners(observed: Floats, predicted: Floats) -> tuple[int, int]:
    """(with the same best, all) of the latencies whose best leads enough, from throughput, 0 where not read."""
    second, first = np.sort(observed, axis=0)[-2:]
    led = (second > 0) & (first > MARGIN * second)
    return (led & (observed.argmax(axis=0) == predicted.argmax(axis=0))).sum(), led.sum()


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
