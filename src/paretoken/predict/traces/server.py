"""Replicas of a deployment with a prefix cache, which sessions are replayed against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from paretoken.catalog.loader import Catalog
from paretoken.predict.calibration.file import Calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.longest import attention_ranks, context_limit, kv_room
from paretoken.predict.serving import Served, served
from paretoken.predict.simulation.cache.options import CacheOptions, CacheTier, Policy
from paretoken.predict.simulation.pools import Worker
from paretoken.predict.simulation.replicas import simulate_replicas
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import SessionLoad
from paretoken.predict.traces.figures import ALL, SessionFigures, session_figures
from paretoken.predict.traces.metered import MeteredStep, busy_s

CacheRouting = Literal["prefix", "least", "round-robin"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TraceServer:
    """`replicas` engines behind a router; `cache` is None where every prompt is computed in full."""

    served: Served
    gpus: int
    most_tokens: int
    replicas: int = 1
    routing: CacheRouting = "prefix"
    cache: CacheOptions | None = None

    @property
    def room_tokens(self) -> int:
        """Tokens that the KV cache of a replica holds."""
        return kv_room(self.served.limits, self.served.serving)

    def run(self, load: SessionLoad, step_time: MeteredStep | None = None) -> SimulationResult:
        """Serve all sessions to their end."""
        s, step = self.served, step_time or self.served.step_time
        if self.replicas == 1:
            return simulate(step, s.limits, load, s.serving, self.cache)
        workers = [Worker(step, s.limits)] * self.replicas
        return simulate_replicas(workers, load, s.serving, self.cache, routing=self.routing)

    def figures(self, load: SessionLoad, counted: slice = ALL) -> SessionFigures:
        """What the sessions of a load get; `counted` are those that count."""
        step = MeteredStep(self.served.step_time)
        run = self.run(load, step)
        return session_figures(
            run,
            load,
            self.gpus * self.replicas,
            prefill_share=step.prompt_s / max(busy_s(run), 1e-12),
            block_tokens=self.served.limits.block_tokens,
            counted=counted,
        )


def trace_server(
    deployment: Deployment,
    lengths: Lengths,
    *,
    replicas: int = 1,
    routing: CacheRouting = "prefix",
    prefix_cache: bool = True,
    tiers: Sequence[CacheTier] = (),
    calibration: Calibration | None = None,
    catalog: Catalog,
) -> TraceServer:
    """The server of a checked deployment, with the pace of calls of the mean `lengths`."""
    s = served(deployment, lengths, calibration=calibration, catalog=catalog)
    room = kv_room(s.limits, s.serving) // attention_ranks(deployment)
    context = context_limit(deployment, catalog)
    policy = cache_policy(deployment.engine, catalog)
    return TraceServer(
        served=s,
        gpus=deployment.gpus,
        most_tokens=room if context is None else min(room, context),
        replicas=replicas,
        routing=routing,
        cache=CacheOptions(policy=policy, tiers=tuple(tiers)) if prefix_cache else None,
    )


def cache_policy(engine: str, catalog: Catalog) -> Policy:
    """How an engine orders the blocks of its prefix cache; engines of another core than SGLang's as vLLM does."""
    return "sglang" if catalog.engines[engine].core == "sglang" else "vllm"
