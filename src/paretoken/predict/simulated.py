"""A deployment simulated request by request, where medians of a closed loop are not enough: rates, tails, limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.catalog import Catalog
from paretoken.errors import BadConfig
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.serving import served
from paretoken.predict.simulation import Simulation, closed_loop, poisson_loop, simulate

ROUNDS, FEWEST, WARM_UP = 6, 200, 0.25
"""Requests for each user, at the least so many, and the share at the beginning that no figure counts."""
CLIENT_S = 0.0005
"""From the end of one answer to the user's next request, as of a client that does not dawdle."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """The figures of a simulated load: quantiles in seconds by metric, tokens per second per GPU, queue growth.

    `overloaded` says that requests waited ever longer: the last quarter's TTFT is over twice the second's.
    """

    run: Simulation
    quantiles: dict[str, dict[str, float]]
    total_tput_per_gpu: float
    output_tput_per_gpu: float
    preemptions: int
    overloaded: bool


def simulate_load(
    deployment: Deployment,
    lengths: Lengths,
    *,
    users: int | None = None,
    rate_s: float | None = None,
    requests: int | None = None,
    seed: int = 0,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
    **options: float,
) -> Simulated:
    """Simulate a closed loop of `users`, or Poisson arrivals at `rate_s` requests per second.

    `options` go to `serving.served`: max_num_seqs, max_batched_tokens, prefix_hit_rate, acceptance_length.
    """
    if (users is None) == (rate_s is None):
        raise BadConfig("say either users or a rate of arrivals")
    s = served(deployment, lengths, calibration=calibration, catalog=catalog, **options)
    n = requests or max(ROUNDS * (users or 0), FEWEST)
    shape = {"ratio": lengths.ratio, "seed": seed}
    if users is not None:
        source = closed_loop(users, n, lengths.isl, lengths.osl, think_s=CLIENT_S, **shape)
    else:
        source = poisson_loop(rate_s, n, lengths.isl, lengths.osl, **shape)
    return figures(simulate(s.step_time, s.limits, source, s.serving), deployment.gpus)


def figures(run: Simulation, gpus: int) -> Simulated:
    """The figures of a run: quantiles and throughput of the requests after the warm-up."""
    n = len(run.due_s)
    counted = slice(int(n * WARM_UP), n)
    metrics = {"ttft": run.ttft_s[counted], "tpot": run.tpot_s[counted], "e2e": run.e2e_s[counted]}
    ends = np.sort(run.last_s)
    first, last = ends[int(n * WARM_UP)], ends[int(n * 0.9)]
    inside = (run.last_s > first) & (run.last_s <= last)
    span = max(last - first, 1e-9) * gpus
    quarter = max(n // 4, 1)
    ttft = run.ttft_s
    return Simulated(
        run,
        {k: {q: float(np.nanquantile(v, at)) for q, at in QUANTILES.items()} for k, v in metrics.items()},
        float((run.input_tokens + run.output_tokens)[inside].sum() / span),
        float(run.output_tokens[inside].sum() / span),
        run.preemptions,
        bool(np.median(ttft[-quarter:]) > 2 * np.median(ttft[quarter : 2 * quarter]) + 1e-3),
    )
