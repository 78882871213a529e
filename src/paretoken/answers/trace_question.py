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
    """Sessions on a deployment, recorded ones or those of a workload: at each concurrency, or within `slo`.

    With neither, recorded sessions begin at their times, and those of a workload are as many at once as pay.
    """

    trace: Annotated[
        Path | None, Field(description="Trace of sessions or requests, in any form that bench reads; or a workload")
    ] = None
    workload: Annotated[
        str | None, Field(description="Workload of sessions of the catalog, such as agent-code, instead of a trace")
    ] = None
    sessions: Annotated[
        int | None, Field(description="Sessions of the workload; as many as precise figures need by default", ge=1)
    ] = None
    seed: Annotated[int, Field(description="Seed of the sessions of a workload", ge=0)] = 0
    concurrency: Annotated[
        tuple[int, ...],
        Field(
            description="Concurrent sessions; without any, those of a trace begin at their recorded times, and those "
            "of a workload are climbed until more do not help"
        ),
    ] = ()
    slo: Annotated[
        str | None,
        Field(description="Find the most concurrent sessions within this SLO: ttft_p90=2s,tpot=50ms,session_p90=120s"),
    ] = None
    idle_cap_s: Annotated[
        float | None, Field(description="Longest that a tool call or a wait lasts, s; by default as recorded", ge=0)
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

    @property
    def load_name(self) -> str:
        """The file name of the trace, or the workload."""
        return self.trace.name if self.trace else self.workload or ""

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
        self._check_source()
        for users in self.concurrency:
            check_count("concurrency", users)
        check_count("replicas", self.replicas)
        if self.concurrency and self.slo is not None:
            raise BadConfig(
                "--concurrency and --slo exclude each other; state the concurrent sessions, or an SLO to find them"
            )
        if not self.prefix_cache and (self.host_cache_gb or self.ssd_cache_gb):
            raise BadConfig("host and SSD caches are tiers of the prefix cache; leave them out, or leave the cache on")
        if hits := self.settings.prefix_hits:
            raise BadConfig(f"prefix_hits is {hits:g}, but what a trace finds is simulated; leave it out")

    def _check_source(self) -> None:
        if (self.trace is None) == (self.workload is None):
            raise BadConfig("state a trace, or a workload of sessions such as agent-code, and not both")
        if self.workload is not None:
            if self.keep_going:
                raise BadConfig("--keep-going leaves out sessions of a trace, and a workload has none; leave it out")
            if self.sessions is not None:
                check_count("sessions", self.sessions)
            return
        stray = [name for name, value in (("sessions", self.sessions), ("seed", self.seed)) if value]
        if stray:
            raise BadConfig(f"--{stray[0]} is for a workload of sessions, and this is a trace; leave it out")
