"""Predictions for disaggregated deployments: TPOT, TTFT, E2E and throughput of a closed loop, with 90 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.effects import FACTORS, PACE
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.calibration.sample import case_columns
from paretoken.predict.deployment import Case, Deployment
from paretoken.predict.multipliers import log_multipliers
from paretoken.predict.pace import ANCHORS
from paretoken.predict.pools.effects import DECODE, LEAD, PREFILL, RUN, PoolSums, load_weight, pool_sums
from paretoken.predict.pools.intervals import log_ends, pool_novelty
from paretoken.predict.pools.layout import PooledCase
from paretoken.predict.pools.steady import PoolColumns, PooledState, pooled_steady
from paretoken.predict.pools.transfer import transfer_bytes, transfer_seconds, transfers_per_s

OUTCOMES = ("tpot", "e2e", "mean_ttft")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PoolPredictions:
    """Arrays of shape (n,); throughputs are per GPU of both pools; `log_band` (n, 3, 2) is added to ln of OUTCOMES.

    Times are those of the steady part of a run but for the mean TTFT, throughput is that of the whole run.
    """

    cases: Sequence[PooledCase]
    state: PooledState
    total_tput_per_gpu: Floats
    output_tput_per_gpu: Floats
    novelty: list[tuple[str, ...]]
    log_band: Floats

    def band(self, outcome: str) -> tuple[Floats, Floats]:
        """Lower and upper end of the 90 % interval of tpot, e2e, mean_ttft (seconds) or tput (tokens/s per GPU)."""
        i = OUTCOMES.index("e2e" if outcome == "tput" else outcome)
        low, high = np.exp(self.log_band[:, i, 0]), np.exp(self.log_band[:, i, 1])
        if outcome == "tput":
            return self.total_tput_per_gpu / high, self.total_tput_per_gpu / low
        middle = getattr(self.state, f"{outcome}_s")
        return middle * low, middle * high


def predict_pools(
    cases: Sequence[PooledCase], *, calibration: Calibration | None = None, catalog: Catalog | None = None
) -> PoolPredictions:
    """Predict checked cases, of 2 output tokens or more."""
    catalog, calibration = catalog or load_catalog(), calibration or shipped_calibration()
    columns = pool_columns(cases, calibration, catalog)
    s = pooled_steady(columns)
    gpus = np.array([c.pools.gpus for c in cases], dtype=float)
    osl, pools = columns.decode_load.osl, calibration.pools
    novelty = [pool_novelty(c, pools.seen, catalog) for c in cases]
    return PoolPredictions(
        cases=cases,
        state=s,
        total_tput_per_gpu=s.requests_per_s * (columns.decode_load.isl + osl) / gpus,
        output_tput_per_gpu=s.requests_per_s * osl / gpus,
        novelty=novelty,
        log_band=np.array([log_ends(c, n, pools.bands, catalog) for c, n in zip(cases, novelty, strict=True)]),
    )


def pool_columns(cases: Sequence[PooledCase], calibration: Calibration, catalog: Catalog) -> PoolColumns:
    """Columns, loads and calibrated multipliers of the cases: those of single workers, times those of pools."""
    columns = base_columns(cases, calibration, catalog)
    sums = pool_sums(cases, calibration.effects, catalog)
    return with_sums(columns, sums)


def base_columns(cases: Sequence[PooledCase], calibration: Calibration, catalog: Catalog) -> PoolColumns:
    """Columns, loads and multipliers of the cases as the calibration of single deployments has them."""
    prefill = [_worker(c, c.pools.prefill, c.pools.prefill_workers) for c in cases]
    decode = [_worker(c, c.pools.decode, c.pools.decode_workers) for c in cases]
    (p, p_load, p_terms, p_pace), (d, d_load, d_terms, d_pace) = (
        (*case_columns(side, catalog), *_multipliers(side, calibration, catalog)) for side in (prefill, decode)
    )
    zero, (transfer_s, transfers) = np.zeros(len(cases)), _transfers(cases, catalog)
    return PoolColumns(
        prefill=p,
        decode=d,
        prefill_load=p_load,
        decode_load=d_load,
        prefill_multipliers=p_terms,
        decode_multipliers=d_terms,
        prefill_pace=p_pace[:, 1],
        decode_pace=d_pace,
        lead=zero,
        run=zero,
        prefill_workers=np.array([c.pools.prefill_workers for c in cases], dtype=float),
        decode_workers=np.array([c.pools.decode_workers for c in cases], dtype=float),
        transfer_s=transfer_s,
        transfers_per_s=transfers,
        users=np.array([c.concurrency for c in cases], dtype=float),
    )


def _transfers(cases: Sequence[PooledCase], catalog: Catalog) -> tuple[Floats, Floats]:
    """Seconds of the transfer of each case, and transfers per second; bytes are computed once for each worker."""
    prompt_bytes = cache(lambda decode, tokens: transfer_bytes(decode, tokens, catalog))
    figures = [
        (transfer_seconds(c.pools, size, catalog), transfers_per_s(c.pools, size, catalog))
        for c in cases
        for size in (prompt_bytes(c.pools.decode, c.lengths.mean_isl),)
    ]
    seconds, rates = np.array(figures).reshape(-1, 2).T
    return seconds, rates


def _multipliers(cases: Sequence[Case], calibration: Calibration, catalog: Catalog) -> tuple[Floats, Floats]:
    """Multipliers of the terms, and ln of the pace at ANCHORS, shape (n, anchors)."""
    alike = {(c.deployment, c.lengths, c.period): c for c in cases}
    at = [replace(c, concurrency=users) for c in alike.values() for users in ANCHORS]
    log_terms, factors = log_multipliers(at, calibration, catalog)
    pace = factors[:, FACTORS.index(PACE)].reshape(len(alike), len(ANCHORS))
    place = {key: i for i, key in enumerate(alike)}
    places = [place[c.deployment, c.lengths, c.period] for c in cases]
    return np.exp(log_terms[:: len(ANCHORS)])[places], pace[places]


def with_sums(x: PoolColumns, sums: PoolSums) -> PoolColumns:
    """The columns with the effects on pools."""
    slope = sums.slope[:, None] * load_weight(np.array(ANCHORS))
    return replace(
        x,
        prefill_pace=x.prefill_pace + sums.level[PREFILL],
        decode_pace=x.decode_pace + sums.level[DECODE][:, None] + slope,
        lead=x.lead + sums.level[LEAD],
        run=x.run + sums.level[RUN],
    )


def _worker(c: PooledCase, worker: Deployment, workers: int) -> Case:
    """One worker with its share of the users."""
    return Case(deployment=worker, lengths=c.lengths, concurrency=max(c.concurrency / workers, 1.0), period=c.period)
