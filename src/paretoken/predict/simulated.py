"""A deployment simulated request by request, where medians of a closed loop are not enough: rates, tails, limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, isfinite

import numpy as np

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.first_token import EVEN, FEWEST, START
from paretoken.predict.serving import served
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import ClosedLoop, OpenLoop, closed_loop, poisson_loop

ROUNDS = 10
"""Requests for each user of a closed loop, as public harnesses send; see `first_token.FEWEST`."""
LIFETIMES, FEWEST_ARRIVALS, MOST_ARRIVALS = 20, 2_000, 50_000
"""Poisson arrivals: requests for each that is in service, and the bounds of their number."""
STEADY = (0.25, 0.9)
"""The part of the requests that figures count: a batch fills before it, and runs empty after it."""
GROWTH, HOPELESS = 0.01, 0.05
"""Seconds that answers come later, for each second of arrivals, above which a load is too much; or plainly so."""
CLIENT_S = 0.0005
"""From the end of one answer to the user's next request, as of a client that does not dawdle."""
AT_ONCE_S = 1e-9
"""Ends that are closer together count as one."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SimulatedLoad:
    """The figures of a simulated load: quantiles in seconds by metric, tokens per second per GPU.

    Quantiles are of the steady part. The mean TTFT of a closed loop is that of its whole run, which includes
    the start, when all users come at once; that of arrivals is of the steady part.

    A TPOT that is not defined, of single tokens, is NaN. `overloaded` says that answers come ever later: then TTFT and
    E2E would be longer, had there been more requests.
    """

    run: SimulationResult
    quantiles: dict[str, dict[str, float]]
    mean_ttft_s: float
    total_tput_per_gpu: float
    output_tput_per_gpu: float
    preemptions: int
    overloaded: bool = False


def simulate_users(
    deployment: Deployment,
    lengths: Lengths,
    users: int,
    *,
    requests: int | None = None,
    seed: int = 0,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> SimulatedLoad:
    """Simulate a closed loop of `users`; without `requests` there are as many as a steady state needs."""
    s = served(deployment, lengths, calibration=calibration, catalog=catalog)
    source = users_source(users, requests, lengths, s.limits, seed)
    run = simulate(s.step_time, s.limits, source, s.serving)
    return replace(summarise(run, deployment.gpus), mean_ttft_s=_whole_run(run.ttft_s, users, s.start_s))


def _whole_run(ttft_s: Floats, users: int, start_s: float) -> float:
    """The mean of a run of ten requests for each user, of which the first come at once."""
    first, rest = ttft_s[:users] + start_s, ttft_s[users:]
    return float(START * first.mean() + (1 - START) * rest.mean()) if rest.size else float(first.mean())


def users_source(users: int, requests: int | None, lengths: Lengths, limits: SchedulerLimits, seed: int) -> ClosedLoop:
    """A closed loop of `requests`, by default as many as a steady state needs.

    Output lengths are never all alike; input and output fit into the KV cache of `limits`.
    """
    n = requests or max(ROUNDS * users, FEWEST)
    source = closed_loop(users, n, lengths.isl, lengths.osl, ratio=lengths.ratio, think_s=CLIENT_S, seed=seed)
    if lengths.ratio <= 1 - 2 * EVEN:
        return source
    mean = lengths.mean_osl
    drawn = np.random.default_rng(seed).uniform(mean * (1 - EVEN), mean * (1 + EVEN), n)
    outputs = np.maximum(np.minimum(np.rint(drawn), limits.kv_tokens - source.input_tokens), 1).astype(np.int64)
    return replace(source, output_tokens=outputs)


def simulate_rate(
    deployment: Deployment,
    lengths: Lengths,
    rate_s: float,
    *,
    requests: int | None = None,
    seed: int = 0,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> SimulatedLoad:
    """Simulate Poisson arrivals at `rate_s` requests per second; without `requests` as many as a steady state needs."""
    s = served(deployment, lengths, calibration=calibration, catalog=catalog)
    run = partial(simulate, s.step_time, s.limits, serving=s.serving)
    return arrivals(run, lengths, rate_s, deployment.gpus, requests=requests, seed=seed)


def arrivals(
    run: Callable[[OpenLoop], SimulationResult],
    lengths: Lengths,
    rate_s: float,
    gpus: int,
    *,
    requests: int | None,
    seed: int,
) -> SimulatedLoad:
    """Run Poisson arrivals of as many requests as a steady state needs, or of `requests`."""
    if not (rate_s > 0 and isfinite(rate_s)):
        raise BadConfig(f"rate is {rate_s:g} requests/s; it must be a finite number above 0")
    n = requests or FEWEST_ARRIVALS
    while True:
        result = run(poisson_loop(rate_s, n, lengths.isl, lengths.osl, ratio=lengths.ratio, seed=seed))
        summary, needed, growth = summarise(result, gpus), LIFETIMES * in_service(result), growth_of(result)
        if requests or n >= MOST_ARRIVALS or (n >= needed and not GROWTH < growth < HOPELESS):
            return _all_served(summary, rate_s, lengths, gpus, overloaded=growth > GROWTH)
        n = min(max(2 * n, ceil(needed)), MOST_ARRIVALS)


def _all_served(load: SimulatedLoad, rate_s: float, lengths: Lengths, gpus: int, *, overloaded: bool) -> SimulatedLoad:
    """The throughput of arrivals: all that arrives is served, unless that is too much."""
    output = rate_s * lengths.mean_osl / gpus
    total = output + rate_s * lengths.mean_isl / gpus
    if overloaded:
        total, output = min(total, load.total_tput_per_gpu), min(output, load.output_tput_per_gpu)
    return replace(load, total_tput_per_gpu=total, output_tput_per_gpu=output, overloaded=overloaded)


def summarise(run: SimulationResult, gpus: int) -> SimulatedLoad:
    """The figures of a run's steady part: quantiles, and throughput between its first end and its last."""
    counted = _steady(run)
    metrics = {"ttft": run.ttft_s[counted], "tpot": run.tpot_s[counted], "e2e": run.e2e_s[counted]}
    start_s, stop_s = _steady_span(run)
    inside = (run.last_s > start_s) & (run.last_s <= stop_s)
    span = max(stop_s - start_s, AT_ONCE_S) * gpus
    return SimulatedLoad(
        run=run,
        quantiles={k: {q: _quantile(v, at) for q, at in QUANTILES.items()} for k, v in metrics.items()},
        mean_ttft_s=float(metrics["ttft"].mean()),
        total_tput_per_gpu=float((run.input_tokens + run.output_tokens)[inside].sum() / span),
        output_tput_per_gpu=float(run.output_tokens[inside].sum() / span),
        preemptions=run.preemptions,
    )


def in_service(run: SimulationResult) -> float:
    """Mean number of requests between their first and last token, by Little's law over the steady part."""
    start_s, stop_s = _steady_span(run)
    return float((run.last_s - run.first_s)[_steady(run)].sum() / max(stop_s - start_s, AT_ONCE_S))


def growth_of(run: SimulationResult) -> float:
    """Seconds by which the n-th answer comes later after the n-th arrival, for each second of the steady part."""
    counted = _steady(run)
    due, ends = run.due_s[counted], np.sort(run.last_s)[counted]
    return float((ends[-1] - ends[0]) / max(due[-1] - due[0], 1e-9) - 1)


def _steady_span(run: SimulationResult) -> tuple[float, float]:
    """The first and the last end of the steady part, s; where all end at once, from when the first request was due."""
    ends = np.sort(run.last_s)[_steady(run)]
    start_s, stop_s = float(ends[0]), float(ends[-1])
    return (start_s, stop_s) if stop_s - start_s > AT_ONCE_S else (float(run.due_s.min()), stop_s)


def _steady(run: SimulationResult) -> slice:
    n = len(run.due_s)
    return slice(int(n * STEADY[0]), int(n * STEADY[1]) + 1)


def _quantile(values: Floats, at: float) -> float:
    values = values[~np.isnan(values)]
    return float(np.quantile(values, at)) if values.size else float("nan")
