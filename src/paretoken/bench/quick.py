"""The quick answer: find a local server, climb for about a minute, say what limits it and what to change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from paretoken.bench.plan import Load
from paretoken.bench.probe import Server, probe
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.schedule import holds, meets
from paretoken.bench.setup import Setup
from paretoken.bench.stats.doubts import TOO_MANY_ERRORS, doubts
from paretoken.catalog.engine_files import usual_ports
from paretoken.errors import ParetokenError

PORTS = {**usual_ports(), 11434: "Ollama", 1234: "LM Studio"}
BUDGET_S = 60.0
LEVEL = "6s"
SLO = "ttft_p95=2s,tpot_p50=50ms"
MOST_USERS = 256
SATURATED = 1.10
KV_FULL = 0.90

_CHANGES = {
    "client": "measure from another machine, or with more --workers: the server may be faster than this says",
    "queue": "raise the server's limit of concurrent sequences (--max-num-seqs in vLLM, --max-running-requests in "
    "SGLang, --parallel in llama.cpp), as long as the KV cache has room",
    "kv": "give the KV cache room: an fp8 KV cache, a shorter maximum context, more GPUs, or a larger memory share",
    "compute": "the hardware is at work all the time: more or faster GPUs, a smaller precision, or another engine",
    "errors": "look into the server's log: it fails requests under load",
    "none": "no limit was reached; go higher with paretoken bench --concurrency or --search",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a minute tells. Speeds in tok/s; `users` is the most within the objectives, None if not even one was."""

    single_user_tok_s: float | None
    single_user_ttft_s: float | None
    users: int | None
    best_output_tok_s: float | None
    best_at_users: int | None
    limit: str
    why: str
    change: str
    slo: str
    doubts: tuple[str, ...] = ()  # about the level with so many users


@dataclass(slots=True)
class Climb:
    """Users doubled while the objectives hold, throughput grows and time is left; then once between the last two."""

    setup: Setup
    budget_s: float = BUDGET_S
    clock: Callable[[], float] = time.monotonic
    started_s: float | None = None
    seen: dict[int, bool] = field(default_factory=dict)

    def next_load(self) -> Load | None:
        """The next number of users; None when the time is up or the answer stands."""
        self.started_s = self.clock() if self.started_s is None else self.started_s
        users = self._next()
        late = self.seen and self.clock() - self.started_s > self.budget_s * len(self.seen) / (len(self.seen) + 1)
        return None if users is None or late else self.setup.closed_load(users)

    def observe(self, load: Load, level: LevelOnDisk) -> None:
        self.seen[load.users] = _within(level.summary)

    @property
    def levels(self) -> int | None:
        return None

    def answer(self) -> dict[str, Any]:
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


def find_servers(ports: Iterable[int] | None = None, host: str = "127.0.0.1") -> list[Server]:
    """The OpenAI-compatible servers that answer on these local ports, by default on the usual ones."""

    def look(port: int) -> Server | None:
        try:
            return probe(f"http://{host}:{port}")
        except ParetokenError:
            return None

    with ThreadPoolExecutor(8) as pool:
        return [s for s in pool.map(look, PORTS if ports is None else ports) if s is not None]


def diagnose(summaries: Sequence[Mapping[str, Any]], slo: str = SLO) -> Answer:
    """What the levels of a closed loop say, by rising users. Needs at least one level."""
    levels = sorted(summaries, key=lambda s: s["load"]["users"])
    rates = {s["load"]["users"]: s["throughput"]["window"]["output_tok_s"] or 0.0 for s in levels}
    best = max(rates, key=lambda u: rates[u])
    first = levels[0]
    limit, why = _limit(levels, rates)
    tpot = first["latency"]["tpot_s"]["p50"] if first["load"]["users"] == 1 else None
    most = max((s for s in levels if _within(s)), key=lambda s: s["load"]["users"], default=None)
    return Answer(
        1 / tpot if tpot else None,
        first["latency"]["ttft_s"]["p50"] if first["load"]["users"] == 1 else None,
        most and most["load"]["users"],
        rates[best] or None,
        best,
        limit,
        why,
        _CHANGES[limit],
        slo,
        tuple(doubts(most)) if most else (),
    )


def _within(summary: Mapping[str, Any]) -> bool:
    return meets(summary) and holds(summary)


def _limit(levels: Sequence[Mapping[str, Any]], rates: Mapping[int, float]) -> tuple[str, str]:
    """What bounds the highest load measured: the client first, then what the server's counters show."""
    top = levels[-1]
    users = top["load"]["users"]
    proof = top.get("fidelity") or {}
    if proof.get("client_limited"):
        return "client", "; ".join(proof["reasons"])
    if TOO_MANY_ERRORS in top:
        return "errors", top[TOO_MANY_ERRORS]
    server = top.get("server") or {}
    found = _by_counters(server, users)
    if found:
        return found
    return _by_growth(levels, rates, users)


def _by_counters(server: Mapping[str, Any], users: int) -> tuple[str, str] | None:
    gauges, delta = server.get("gauges") or {}, server.get("delta") or {}
    waiting, running, kv = (gauges.get(k) or {} for k in ("waiting", "running", "kv_cache_usage"))
    if delta.get("preemptions"):
        return "kv", f"{delta['preemptions']:.0f} requests were preempted for want of KV cache"
    if waiting.get("mean", 0) >= 1:
        if kv.get("max", 0) >= KV_FULL:
            return "kv", f"the KV cache was {kv['max']:.0%} full while {waiting['mean']:.0f} requests waited"
        ran = running.get("mean", 0)
        return "queue", f"{waiting['mean']:.0f} requests waited while {ran:.0f} ran, at {users} users"
    return None


def _by_growth(levels: Sequence[Mapping[str, Any]], rates: Mapping[int, float], users: int) -> tuple[str, str]:
    if len(levels) < 2:
        return "none", f"only {users} users were measured"
    before = levels[-2]["load"]["users"]
    growth = rates[users] / rates[before] if rates[before] else float("inf")
    if growth > 1 + (SATURATED - 1) * (users / before - 1):
        return "none", f"throughput still grew by {growth - 1:.0%} from {before} to {users} users"
    ttft, tpot = (levels[-1]["latency"][k]["p50"] or 0.0 for k in ("ttft_s", "tpot_s"))
    ttft0, tpot0 = (levels[-2]["latency"][k]["p50"] or 0.0 for k in ("ttft_s", "tpot_s"))
    if ttft > 1.5 * ttft0 and tpot < 1.1 * tpot0:
        return "queue", f"from {before} to {users} users only the wait for the first token grew: requests queue"
    return "compute", f"throughput grew by only {growth - 1:.0%} from {before} to {users} users"
