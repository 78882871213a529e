"""Level summaries with chosen figures, for what is decided on summaries."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from paretoken.bench.plan import Closed, describe_load
from paretoken.bench.stats.goodput import Attainment, wilson
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.scrape import CounterDeltas, Gauges, GaugeStatistics, ServerMetrics
from paretoken.bench.stats.summary import LevelContext, summarise
from paretoken.slo import parse_slos
from tests.support.levels import closed
from tests.support.runs import proof


@cache
def _sound() -> LevelSummary:
    context = LevelContext(columns={"model": "m"}, slos=parse_slos("ttft_p50=1s"))
    return replace(summarise(closed(2, 30.0), Closed(2), context, fidelity=proof(2)), warnings=())


def summary(
    users: int,
    tok_s: float,
    *,
    ttft_s: float = 0.1,
    tpot_s: float = 0.02,
    e2e_s: float = 1.0,
    met: bool = True,
    **more: object,
) -> LevelSummary:
    """A sound closed level with these medians; `more` replaces whole fields."""
    s = _sound()
    latency = replace(
        s.latency,
        ttft_s=replace(s.latency.ttft_s, p50=ttft_s),
        tpot_s=replace(s.latency.tpot_s, p50=tpot_s),
        e2e_s=replace(s.latency.e2e_s, p50=e2e_s),
    )
    throughput = replace(s.throughput, window=replace(s.throughput.window, output_tok_s=tok_s))
    objectives = tuple(
        o if met else replace(o, met=False, share=0.0, low=0.0, high=0.1, value_s=1.1 * o.slo.bound_s)
        for o in s.goodput.objectives
    )
    kept = replace(
        s,
        load=describe_load(Closed(users)),
        latency=latency,
        throughput=throughput,
        goodput=replace(s.goodput, met=met, objectives=objectives),
    )
    return replace(kept, **more)


def judged(
    users: int, *objectives: tuple[str, bool, int], tried: int, value: float = 2.0, **more: object
) -> LevelSummary:
    """A level of `tried` requests, judged by SLOs: each as (text, met, requests beyond its limit).

    A missed one has `value` times its limit.
    """
    s = summary(users, 50.0 * users, **more)
    attained = []
    for text, met, beyond in objectives:
        (slo,) = parse_slos(text)
        low, high = wilson(tried - beyond, tried)
        value_s = slo.bound_s * (0.5 if met else value)
        share = 1 - beyond / tried if tried else 0.0
        attained.append(Attainment(slo=slo, value_s=value_s, share=share, low=low, high=high, met=met))
    met = all(met for _, met, _ in objectives)
    return replace(s, goodput=replace(s.goodput, tried=tried, met=met, objectives=tuple(attained)))


def limited(*reasons: str) -> dict[str, object]:
    """The fields of a level at which the client was the limit."""
    return {"fidelity": replace(proof(2), client_limited=True, reasons=reasons)}


def not_steady(reason: str, *, enough: bool) -> dict[str, object]:
    """The fields of a level that drifted, or was too short to tell."""
    return {"window": replace(_sound().window, steady=False, enough=enough, reason=reason, trends=())}


def counters(
    waiting: float = 0.0, running: float = 8.0, kv: float = 0.2, preemptions: float = 0.0
) -> dict[str, object]:
    """The fields of a level whose server exports metrics."""
    gauges = Gauges(
        waiting=GaugeStatistics(waiting, waiting),
        running=GaugeStatistics(running, running),
        kv_cache_usage=GaugeStatistics(kv, kv),
    )
    return {"server": ServerMetrics(engine="vllm", delta=CounterDeltas(preemptions=preemptions), gauges=gauges)}
