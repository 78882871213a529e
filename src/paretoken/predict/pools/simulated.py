"""A disaggregated deployment simulated request by request, on the step times of the closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import ceil

import numpy as np

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.predict.arrays import Floats
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.deployment import Lengths
from paretoken.predict.pace import ANCHORS
from paretoken.predict.pools.layout import PooledCase, Pools, pooled_case
from paretoken.predict.pools.predictor import pool_columns
from paretoken.predict.pools.steady import PoolColumns, prefill_times
from paretoken.predict.pools.transfer import LATENCY_S
from paretoken.predict.serving import Served, served_with
from paretoken.predict.simulated import SimulatedLoad, arrivals, summarise, users_source
from paretoken.predict.simulation.pools import Worker, WorkerPools, simulate_pools
from paretoken.predict.simulation.router import LEAST, KvTransfer
from paretoken.predict.simulation.run import ServingOptions


@dataclass(frozen=True, slots=True, eq=False)
class ServedPools:
    """Pools ready to be simulated or emulated: workers, links and routers, and the options of both pools."""

    workers: WorkerPools
    serving: ServingOptions


def simulate_pooled_users(
    pools: Pools,
    lengths: Lengths,
    users: int,
    *,
    requests: int | None = None,
    seed: int = 0,
    router: str = LEAST,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> SimulatedLoad:
    """Simulate a closed loop of `users`; without `requests` there are as many as a steady state needs.

    The mean TTFT is that of the steady part. `router` is the policy of both pools (`simulation.router.POLICIES`).
    """
    s = served_pools(pools, lengths, users, router=router, calibration=calibration, catalog=catalog)
    source = users_source(users, requests, lengths, s.workers.decode[0].limits, seed)
    return summarise(simulate_pools(s.workers, source, s.serving), pools.gpus)


def simulate_pooled_rate(
    pools: Pools,
    lengths: Lengths,
    rate_s: float,
    *,
    requests: int | None = None,
    seed: int = 0,
    router: str = LEAST,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> SimulatedLoad:
    """Simulate Poisson arrivals at `rate_s` requests per second; without `requests` as many as a steady state needs."""
    s = served_pools(pools, lengths, 1, router=router, calibration=calibration, catalog=catalog)
    run = partial(simulate_pools, s.workers, serving=s.serving)
    return arrivals(run, lengths, rate_s, pools.gpus, requests=requests, seed=seed)


def served_pools(
    pools: Pools,
    lengths: Lengths,
    users: float,
    *,
    router: str = LEAST,
    calibration: Calibration | None = None,
    catalog: Catalog | None = None,
) -> ServedPools:
    """Step times, limits and transfer with the multipliers of the closed form for these users.

    Raises UnknownName or BadConfig as `pooled_case` does.
    """
    catalog = catalog or load_catalog()
    case = pooled_case(pools, lengths, users, catalog=catalog)
    return _served(case, router, calibration or shipped_calibration(), catalog)


def _served(case: PooledCase, router: str, calibration: Calibration, catalog: Catalog) -> ServedPools:
    pools, lengths = case.pools, case.lengths
    x = pool_columns([case], calibration, catalog)
    prompts, (prefill_pace, decode_pace) = replace(lengths, osl=1), _log_paces(x)
    prefill = served_with(pools.prefill, prompts, x.prefill, x.prefill_multipliers, prefill_pace, catalog=catalog)
    decode = served_with(pools.decode, lengths, x.decode, x.decode_multipliers, decode_pace, catalog=catalog)
    times = prefill_times(x.prefill, x.prefill_multipliers, x.prefill_load)
    prompt_s = float(times.alone_s[0] * np.exp(prefill_pace[1]))
    tokens = float(x.prefill_load.computed[0])
    own_s = _own_rank_seconds(prefill, prompt_s, tokens, lengths.mean_isl) if pools.prefill.dp_attention else 0.0
    workers = WorkerPools(
        prefill=[Worker(prefill.step_time, replace(prefill.limits, drafted_tokens=0))] * pools.prefill_workers,
        decode=[Worker(decode.step_time, replace(decode.limits, batch_wait=0))] * pools.decode_workers,
        transfer=_transfer(pools, lengths, float(x.transfer_s[0])),
        prefill_router=router,
        decode_router=router,
    )
    prompt_options = prefill.serving
    serving = replace(
        decode.serving,
        prefix_hit_rate=prompt_options.prefix_hit_rate,
        frontend_s=prompt_options.frontend_s * float(np.exp(x.lead[0])),
        stages=prompt_options.stages,
        own_rank_s=own_s,
    )
    return ServedPools(workers, serving)


def _log_paces(x: PoolColumns) -> tuple[Floats, Floats]:
    """ln of the pace of each pool at the anchors, shape (3,)."""
    return np.repeat(x.prefill_pace, len(ANCHORS)), x.decode_pace[0]


def _transfer(pools: Pools, lengths: Lengths, seconds: float) -> KvTransfer:
    """The links of a prefill worker; the transfer of a mean prompt takes `seconds` on one of them."""
    latency_s = min(LATENCY_S, seconds)
    senders = min(pools.prefill.attention_tp, pools.decode.attention_tp)
    return KvTransfer(
        latency_s=latency_s,
        s_per_token=(seconds - latency_s) / lengths.mean_isl,
        links=max(pools.prefill.gpus // senders, 1),
    )


def _own_rank_seconds(prefill: Served, prompt_s: float, tokens: float, mean_isl: float) -> float:
    """Seconds for each computed token that a prompt takes on its own rank of attention DP, beyond the engine's steps.

    `prompt_s` is the time of a prompt alone in the closed form.
    """
    step, budget = prefill.step_time, prefill.limits.max_batched_tokens
    chunks = ceil(tokens / budget)
    pairs = (mean_isl**2 - (mean_isl - tokens) ** 2) / 2
    in_steps_s = (chunks - 1) * step.step(0, 0.0, 1, 0.0) + step.step(0, 0.0, round(tokens), pairs)
    return max(prompt_s - in_steps_s, 0.0) / tokens
