"""The quick answer: find a local server, climb for some minutes, say what limits it and what to change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from paretoken.bench.probe import ProbedServer, probe
from paretoken.bench.quick_climb import MOST_USERS, SATURATED, grows, verdict
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.scrape import ServerMetrics
from paretoken.bench.stats.warning_kinds import KindOfWarning, kinds_of_warning
from paretoken.catalog.engine_files import usual_ports
from paretoken.errors import ParetokenError
from paretoken.plural import counted

PORTS = {**usual_ports(), 11434: "Ollama", 1234: "LM Studio"}
SLO = "ttft_p95=2s,tpot_p50=50ms"
KV_FULL = 0.90

_CHANGES = {
    "client": "measure from another machine or with more --workers; the server may be faster than these figures",
    "queue": "raise the server's limit of concurrent sequences (--max-num-seqs in vLLM, --max-running-requests in "
    "SGLang, --parallel in llama.cpp), as long as the KV cache has room",
    "kv": "enlarge the KV cache: fp8 KV cache, a shorter maximum context, more GPUs, or a larger memory share",
    "compute": "the hardware is fully used: more or faster GPUs, a lower precision, or another engine",
    "errors": "check the server's log: requests fail under load",
    "slo": "more or faster GPUs, fewer tokens a request, or looser SLOs; throughput still grows with more users",
    "none": "no limit was reached; go higher with paretoken bench --concurrency or --search",
}


_IN_OTHER_FIELDS = ("client_limited", "no_steady_state")
"""Codes of warnings that the limit, the doubts and the open question cover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickAnswer:
    """What a climb shows. Speeds in tok/s; `users` is the most within the SLOs, None if no load was.

    `at_least` is whether the server may serve more than `users`, `missed_at` the lowest load that missed the SLOs, and
    `unknown` why no load could be judged. `doubts` are about the level of `users`, or else of `missed_at`;
    `needs` is what would settle what is open. `warnings` are those of all levels beside what the other fields say.
    """

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
    at_least: bool = False
    missed_at: int | None = None
    missed: str = ""
    unknown: str = ""
    doubts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    warnings: tuple[KindOfWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalServers:
    """The servers on local ports, and why others that answer there are none that can be measured."""

    servers: tuple[ProbedServer, ...]
    refusals: tuple[str, ...]


def find_servers(
    ports: Iterable[int] | None = None, headers: Mapping[str, str] | None = None, has_key: bool = False
) -> LocalServers:
    """What answers on these ports of this machine, by default on the usual ones. `headers` may hold a key."""

    def look(port: int) -> ProbedServer | str:
        try:
            return probe(f"http://127.0.0.1:{port}", headers=headers, has_key=has_key)
        except ParetokenError as error:
            return "" if isinstance(error.__cause__, OSError) else str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(look, PORTS if ports is None else ports))
    servers = tuple(a for a in answers if isinstance(a, ProbedServer))
    return LocalServers(servers, tuple(a for a in answers if isinstance(a, str) and a))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClimbEnd:
    """How a climb ended: `minutes` is what it would have taken to go on, None if it came to its end."""

    minutes: float | None = None
    workers: int = 1
    most_users: int = MOST_USERS


def diagnose(summaries: Sequence[LevelSummary], slo: str = SLO, end: ClimbEnd | None = None) -> QuickAnswer:
    """The answer of the levels of a closed loop, of which the last of each load counts. Needs at least one level."""
    levels = sorted({_users(s): s for s in summaries}.values(), key=_users)
    rates = {_users(s): s.throughput.window.output_tok_s or 0.0 for s in levels}
    best = max(rates, key=lambda u: rates[u])
    single = levels[0].latency if _users(levels[0]) == 1 else None
    most = next((s for s in reversed(levels) if verdict(s) == "met"), None)
    above = [s for s in levels if most is None or _users(s) > _users(most)]
    missed = next((s for s in above if verdict(s) == "missed"), None)
    hidden = next((s for s in above if verdict(s) == "unclear"), None)
    limit, why = _limit(levels, rates, missed)
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
        at_least=most is not None and (hidden is not None or missed is None),
        missed_at=_users(missed) if missed else None,
        missed=_what_missed(missed) if missed else "",
        unknown="" if most or missed or not hidden else _why_hidden(hidden),
        doubts=_doubts(decisive, limit) if (decisive := most or missed) else (),
        needs=tuple(_needs(levels, most, hidden, missed, end or ClimbEnd())),
        warnings=tuple(kinds_of_warning([(s.load.name, s) for s in levels], without=_IN_OTHER_FIELDS)),
    )


def _users(summary: LevelSummary) -> int:
    return summary.load.users or 0


def _what_missed(missed: LevelSummary) -> str:
    """The SLOs that a level missed, with its figures."""
    if missed.failed or missed.goodput is None:
        return missed.failed or ""
    figures = [(o.slo, o.value_s) for o in missed.settled_misses if o.value_s is not None]
    return ", ".join(f"{slo.metric.upper()} {slo.statistic} {slo.figure(value_s)}" for slo, value_s in figures)


def _why_hidden(s: LevelSummary) -> str:
    """Why a level could not be judged."""
    if s.verdict == "unseen":
        return s.why_unseen
    if s.client_limited and s.fidelity:
        return "; ".join(s.fidelity.reasons)
    return "; ".join(s.unsettled) or s.window.reason


def _doubts(decisive: LevelSummary, limit: str) -> tuple[str, ...]:
    """What to know of the level that is the answer; why the client was busy is spelled out unless the limit says it."""
    reasons = decisive.fidelity.reasons if decisive.fidelity and limit != "client" else ()
    if decisive.failed:
        return ()
    return tuple("; ".join((d, *reasons)) if d == "client-limited" else d for d in decisive.doubts)


def _needs(
    levels: Sequence[LevelSummary],
    most: LevelSummary | None,
    hidden: LevelSummary | None,
    missed: LevelSummary | None,
    end: ClimbEnd,
) -> Iterable[str]:
    """What would settle what the climb left open; without a load that missed, nobody knows how far it would go on."""
    top = levels[-1]
    if end.minutes is not None:
        yield f"more time: --minutes {math.ceil(end.minutes * (1.2 if missed else 2))}"
    if hidden and hidden.verdict == "unseen":
        streams = "a stream that arrives token by token: measure the server directly, not through a proxy"
        yield streams if any(w.code == "buffered" for w in hidden.warnings) else "longer answers: a larger --osl"
    elif (hidden and hidden.client_limited) or (top.client_limited and not missed):
        yield f"more clients: --workers {2 * end.workers}, a machine with more free cores, or paretoken bench --nodes"
    if most is top and end.minutes is None and not hidden:
        yield f"more load: paretoken bench --search slo --concurrency {_users(top)}:{max(16 * end.most_users, 4096)}:x2"


def _limit(levels: Sequence[LevelSummary], rates: Mapping[int, float], missed: LevelSummary | None) -> tuple[str, str]:
    """What limits the highest load measured: the client, unless the server's limit showed before it was busy; then what
    the server's metrics show, then the SLOs."""
    top = levels[-1]
    if top.fidelity and top.fidelity.client_limited:
        sound = [s for s in levels if not s.client_limited]
        flat = len(sound) > 1 and grows(sound[-2], sound[-1]) is None
        if not flat and missed is None:
            return "client", "; ".join(top.fidelity.reasons)
        if flat:
            return _limit(sound, rates, missed)
    if top.failed:
        return "errors", top.failed
    by_metrics = _by_metrics(top.server, _users(top)) if top.server else None
    limit, why = by_metrics or _by_growth(levels, rates)
    if limit == "none" and missed:
        return "slo", f"{counted(_users(missed), 'user')} {'misses' if _users(missed) == 1 else 'miss'} them, and {why}"
    return limit, why


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
    top, below = levels[-1], levels[-2]
    growth = rates[users] / rates[_users(below)] if rates[_users(below)] else math.inf
    if grows(below, top) is not None:
        return "none", f"throughput still grew by {growth - 1:.0%} from {_users(below)} to {users} users"
    # Against the lowest load that had that throughput, what queues shows; neighbours differ too little.
    knee = next(s for s in levels if rates[_users(s)] * SATURATED >= rates[users])
    before = below if knee is top else knee
    (ttft, tpot), (ttft_before, tpot_before) = (
        (s.latency.ttft_s.p50 or 0.0, s.latency.tpot_s.p50 or 0.0) for s in (top, before)
    )
    span = f"from {_users(before)} to {users} users"
    if ttft > 1.5 * ttft_before and tpot < 1.1 * tpot_before:
        return "queue", f"{span} only TTFT grew: requests queue"
    growth = rates[users] / rates[_users(before)] if rates[_users(before)] else math.inf
    return "compute", f"throughput grew by only {max(growth - 1, 0.0):.0%} {span}"
