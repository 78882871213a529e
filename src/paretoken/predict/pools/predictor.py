"""Predictions for disaggregated deployments: TPOT, TTFT, E2E and throughput of a closed loop, with 90 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.effects import FACTORS, PACE
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.calibration.sample import case_columns, within_slots
from paretoken.predict.deployment import Case, Deployment
from paretoken.predict.multipliers import log_multipliers
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.steady import PoolColumns, PooledState, pooled_steady
from paretoken.predict.pools.transfer import transfer_seconds

OUTCOMES = ("tpot", "e2e", "ttft")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PoolPredictions:
    """Arrays of shape (n,); throughputs are per GPU of both pools; `log_band` (n, 3, 2) is added to ln of OUTCOMES.

    `prefill_busy` is the share of the prefill pool's time in use, `batch` the sequences that decode in one worker.
    """

    cases: Sequence[PooledCase]
    state: PooledState
    total_tput_per_gpu: Floats
    output_tput_per_gpu: Floats
    novelty: list[tuple[str, ...]]
    log_band: Floats

    def band(self, outcome: str) -> tuple[Floats, Floats]:
        """Lower and upper end of the 90 % interval of tpot, e2e, ttft (seconds) or tput (tokens/s per GPU)."""
        i = OUTCOMES.index("e2e" if outcome == "tput" else outcome)
        low, high = np.exp(self.log_band[:, i, 0]), np.exp(self.log_band[:, i, 1])
        if outcome == "tput":
            return self.total_tput_per_gpu / high, self.total_tput_per_gpu / low
        middle = getattr(self.state, f"{outcome}_s")
        return middle * low, middle * high


def predict_pools(
    cases: Sequence[PooledCase], *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> PoolPredictions:
    """Predict checked cases; the TPOT of single tokens is NaN."""
    catalog, calibration = catalog or load_catalog(), calibration or shipped_calibration()
    columns = pool_columns(cases, calibration, catalog)
    s = pooled_steady(columns)
    gpus = np.array([c.pools.gpus for c in cases], dtype=float)
    osl = columns.decode_load.osl
    return PoolPredictions(
        cases=cases,
        state=s,
        total_tput_per_gpu=s.requests_per_s * (columns.decode_load.isl + osl) / gpus,
        output_tput_per_gpu=s.requests_per_s * osl / gpus,
        novelty=[("configuration",)] * len(cases),
        log_band=np.tile(np.log([0.7, 1.4]), (len(cases), len(OUTCOMES), 1)),
    )


def pool_columns(cases: Sequence[PooledCase], calibration: Calibration, catalog: Catalog) -> PoolColumns:
    """Columns, loads and calibrated multipliers of the cases."""
    prefill = [_worker_case(c, c.pools.prefill, c.pools.prefill_workers) for c in cases]
    decode = [_worker_case(c, c.pools.decode, c.pools.decode_workers) for c in cases]
    sides = []
    for of_pool in (prefill, decode):
        log_terms, factors = log_multipliers(within_slots(of_pool, catalog), calibration, catalog)
        pace = np.exp(factors[:, FACTORS.index(PACE)])
        sides.append((*case_columns(of_pool, catalog), np.exp(log_terms), pace))
    (p, p_load, p_terms, p_pace), (d, d_load, d_terms, d_pace) = sides
    return PoolColumns(
        prefill=p,
        decode=d,
        prefill_load=p_load,
        decode_load=d_load,
        prefill_multipliers=p_terms,
        decode_multipliers=d_terms,
        prefill_pace=p_pace,
        decode_pace=d_pace,
        prefill_workers=np.array([c.pools.prefill_workers for c in cases], dtype=float),
        decode_workers=np.array([c.pools.decode_workers for c in cases], dtype=float),
        transfer_s=np.array([transfer_seconds(c.pools, c.lengths, catalog) for c in cases]),
        users=np.array([c.concurrency for c in cases], dtype=float),
    )


def _worker_case(c: PooledCase, worker: Deployment, workers: int) -> Case:
    """One worker with its share of the users."""
    return Case(deployment=worker, lengths=c.lengths, concurrency=max(c.concurrency / workers, 1.0), period=c.period)
