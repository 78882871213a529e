"""The quick answer: find a local server, climb for about a minute, say what limits it and what to change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paretoken.bench.plan import Closed, Load
from paretoken.bench.probe import ProbedServer, probe
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.setup import Setup
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.catalog.engine_files import usual_ports
from paretoken.errors import ParetokenError
from paretoken.plural import counted

if TYPE_CHECKING:
    from paretoken.bench.stats.sweep_summary import SearchAnswer

PORTS = {**usual_ports(), 11434: "Ollama", 1234: "LM Studio"}
BUDGET_S = 60.0
LEVEL = "6s"
SLO = "ttft_p95=2s,tpot_p50=50ms"
MOST_USERS = 256
SATURATED = 1.10
KV_FULL = 0.90

_CHANGES = {
    "client": "measure from another machine or with more --workers; the server may be faster than these figures",
    "queue": "raise the server's limit of concurrent sequences (--max-num-seqs in vLLM, --max-running-requests in "
    "SGLang, --parallel in llama.cpp), as long as the KV cache has room",
    "kv": "enlarge the KV cache: fp8 KV cache, a shorter maximum context, more GPUs, or a larger memory share",
    "compute": "the hardware is fully used: more or faster GPUs, a lower precision, or another engine",
    "errors": "check the server's log: requests fail under load",
    "none": "no limit was reached; go higher with paretoken bench --concurrency or --search",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickAnswer:
    """What a minute shows. Speeds in tok/s; `users` is the most within the SLOs, None if not even one was."""

    single_user_tok_s: float | None
    single_user_ttft_s: float | None
    users: int | None
    best_output_tok_s: float | None
    best_at_users: int | None
    limit: str
    why: str
    change: str
    slo: str
    origin: str = "measured"
    doubts: tuple[str, ...] = ()  # about the level with that number of users


@dataclass(slots=True)
class DoublingSchedule:
    """Users doubled while the SLOs hold and time is left; then once between the last two."""

    setup: Setup
    budget_s: float = BUDGET_S
    clock: Callable[[], float] = time.monotonic
    started_s: float | None = None
    seen: dict[int, bool] = field(default_factory=dict)

    def next_load(self) -> Load | None:
        """The next number of users; None when the time is up or the answer is final."""
        self.started_s = self.clock() if self.started_s is None else self.started_s
        users = self._next()
        late = self.seen and self.clock() - self.started_s > self.budget_s * len(self.seen) / (len(self.seen) + 1)
        return None if users is None or late else self.setup.closed_load(users)

    def observe(self, load: Load, level: LevelOnDisk) -> None:
        if isinstance(load, Closed):
            self.seen[load.users] = _within(level.summary)

    @property
    def levels(self) -> int | None:
        return None

    def answer(self) -> SearchAnswer:
        return {"kind": "slo", "users": self._most(), "steps": len(self.seen), "slo": self.setup.config.slo}

    def _most(self) -> int | None:
        return max((u for u, met in self.seen.items() if met), default=None)

    def _next(self) -> int | None:
        if not self.seen:
            return 1
        failed = [u for u, met in self.seen.items() if not met]
        most = self._most() or 0
        if not failed:
            return most * 2 if most < MOST_USERS else None
        between = (most + min(failed)) // 2
        return between if most < between < min(failed) and min(failed) - most > max(1, most // 4) else None


def find_servers(ports: Iterable[int] | None = None, host: str = "127.0.0.1") -> list[ProbedServer]:
    """The OpenAI-compatible servers on these local ports, by default on the usual ones."""

    def look(port: int) -> ProbedServer | None:
        try:
            return probe(f"http://{host}:{port}")
        except ParetokenError:
            return None

    with ThreadPoolExecutor(8) as pool:
        return [s for s in pool.map(look, PORTS if ports is None else ports) if s is not None]


def diagnose(summaries: Sequence[LevelSummary], slo: str = SLO) -> QuickAnswer:
    """The answer of the levels of a closed loop. Needs at least one level."""
    levels = sorted(summaries, key=lambda s: s.load.size)
    rates = {_users(s): s.throughput.window.output_tok_s or 0.0 for s in levels}
    best = max(rates, key=lambda u: rates[u])
    single = levels[0].latency if _users(levels[0]) == 1 else None
    limit, why = _limit(levels, rates)
    most = max((s for s in levels if _within(s)), key=lambda s: s.load.size, default=None)
    tpot_s = single.tpot_s.p50 if single else None
    return QuickAnswer(
        single_user_tok_s=1 / tpot_s if tpot_s else None,
        single_user_ttft_s=single.ttft_s.p50 if single else None,
        users=_users(most) if most else None,
        best_output_tok_s=rates[best] or None,
        best_at_users=best,
        limit=limit,
        why=why,
        change=_CHANGES[limit],
        slo=slo,
        origin=levels[0].origin,
        doubts=most.doubts if most else (),
    )


def _users(summary: LevelSummary) -> int:
    return summary.load.users or 0


def _within(summary: LevelSummary) -> bool:
    return summary.meets_slos and summary.counts_in_search


def _limit(levels: Sequence[LevelSummary], rates: Mapping[int, float]) -> tuple[str, str]:
    """What limits the highest load measured: the client first, then what the server's metrics show."""
    top = levels[-1]
    if top.fidelity and top.fidelity.client_limited:
        return "client", "; ".join(top.fidelity.reasons)
    if top.failed:
        return "errors", top.failed
    by_metrics = _by_metrics(top.server, _users(top)) if top.server else None
    return by_metrics or _by_growth(levels, rates)


def _by_metrics(server: ServerMetrics, users: int) -> tuple[str, str] | None:
    waiting, running, kv = server.gauges.waiting, server.gauges.running, server.gauges.kv_cache_usage
    if server.delta.preemptions:
        return "kv", f"the server preempted {counted(server.delta.preemptions, 'request')}: the KV cache was full"
    if waiting is None or waiting.mean < 1:
        return None
    if kv and kv.max >= KV_FULL:
        return "kv", f"the KV cache was {kv.max:.0%} full while {counted(waiting.mean, 'request')} waited"
    ran = running.mean if running else 0
    return "queue", f"{counted(waiting.mean, 'request')} waited while {ran:.0f} ran, at {counted(users, 'user')}"


def _by_growth(levels: Sequence[LevelSummary], rates: Mapping[int, float]) -> tuple[str, str]:
    users = _users(levels[-1])
    if len(levels) < 2:
        return "none", f"only {levels[-1].load.name} measured"
    before = _users(levels[-2])
    growth = rates[users] / rates[before] if rates[before] else float("inf")
    if growth > 1 + (SATURATED - 1) * (users / before - 1):
        return "none", f"throughput still grew by {growth - 1:.0%} from {before} to {users} users"
    (ttft, tpot), (ttft_before, tpot_before) = (
        (s.latency.ttft_s.p50 or 0.0, s.latency.tpot_s.p50 or 0.0) for s in (levels[-1], levels[-2])
    )
    if ttft > 1.5 * ttft_before and tpot < 1.1 * tpot_before:
        return "queue", f"from {before} to {users} users only TTFT grew: requests queue"
    return "compute", f"throughput grew by only {growth - 1:.0%} from {before} to {users} users"
