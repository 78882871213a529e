"""The part that all questions about a replay share: a deployment, a trace of sessions, its loads, and the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from paretoken.answers.own_prices import PricesQuestion
from paretoken.answers.prediction import ServedQuestion
from paretoken.errors import BadConfig
from paretoken.predict.configure import check_count
from paretoken.predict.simulated import QUANTILES
from paretoken.predict.traces.server import CacheRouting
from paretoken.slo import Slo
from paretoken.slo import parse_slos as parse

METRICS = ("ttft", "tpot", "e2e", "interactivity", "session")
"""Metrics that an SLO may limit; `session` is the time of a whole session."""


@dataclass(frozen=True, kw_only=True)
class ReplayQuestion(ServedQuestion, PricesQuestion):
    """Recorded sessions on a deployment: at each concurrency, within `slo`, or at their recorded times."""

    trace: Annotated[Path, Field(description="Trace of sessions or requests, in any form that bench reads")]
    concurrency: Annotated[
        tuple[int, ...], Field(description="Concurrent sessions; without any, sessions begin at their recorded times")
    ] = ()
    slo: Annotated[
        str | None,
        Field(description="Find the most concurrent sessions within this SLO: ttft_p90=2s,tpot=50ms,session_p90=120s"),
    ] = None
    idle_cap_s: Annotated[
        float | None, Field(description="Longest that a tool call or a wait lasts, s; None for as recorded", ge=0)
    ] = None
    replicas: Annotated[int, Field(description="Replicas of the deployment behind a router", ge=1)] = 1
    routing: Annotated[CacheRouting, Field(description="How the router chooses: prefix, least or round-robin")] = (
        "prefix"
    )
    prefix_cache: Annotated[bool, Field(description="Keep prompts for later ones with the same beginning")] = True
    host_cache_gb: Annotated[
        float, Field(description="Host memory for the KV cache below that of the GPUs, GB for each replica", ge=0)
    ] = 0.0
    ssd_cache_gb: Annotated[
        float, Field(description="SSD for the KV cache below host memory, GB for each replica", ge=0)
    ] = 0.0
    keep_going: Annotated[
        bool, Field(description="Leave out sessions that cannot be read or served, instead of refusing the trace")
    ] = False

    def limits(self) -> tuple[Slo, ...]:
        """The limits of the SLO, none without one; BadConfig for an SLO without any."""
        if self.slo is None:
            return ()
        limits = parse(self.slo, METRICS, ("mean", *QUANTILES))
        if not limits:
            raise BadConfig(f"SLO {self.slo!r} is empty; write for example ttft_p90=2s,session_p90=120s")
        return limits

    def check(self) -> None:
        """BadConfig for loads and caches that exclude each other."""
        for users in self.concurrency:
            check_count("concurrency", users)
        check_count("replicas", self.replicas)
        if self.concurrency and self.slo is not None:
            raise BadConfig(
                "concurrency and slo exclude each other; state the concurrent sessions, or an SLO to find them"
            )
        if not self.prefix_cache and (self.host_cache_gb or self.ssd_cache_gb):
            raise BadConfig("host and SSD caches are tiers of the prefix cache; leave them out, or leave the cache on")
        if hits := self.settings.prefix_hits:
            raise BadConfig(f"prefix_hits is {hits:g}, but what a trace finds is simulated; leave it out")
