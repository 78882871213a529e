"""The gate of a benchmark: which levels keep it shut, and why."""

from __future__ import annotations

from dataclasses import replace

from paretoken.bench.gate import gate_failures
from paretoken.bench.stats.goodput import Attainment
from paretoken.slo import parse_slos
from tests.support.summaries import limited, not_steady, summary

LIMITED = limited("a worker used 99 % of its core")
SHORT = not_steady("no steady state: 6 requests", enough=False)


def test_a_gate_stays_shut_where_slos_cannot_be_judged():
    levels = [summary(n, 1.0, **more) for n, more in ((1, {}), (2, LIMITED), (4, SHORT))]
    assert gate_failures(levels, "ttft_p50=1s") == [
        "2 users can't be judged against ttft_p50=1s: client-limited",
        "4 users can't be judged against ttft_p50=1s: no steady state: 6 requests",
    ]


def test_a_gate_names_the_loads_that_missed():
    levels = [summary(1, 1.0), summary(2, 1.0, met=False), summary(4, 1.0, met=False)]
    assert gate_failures(levels, "ttft_p50=1s") == ["2 users, 4 users missed ttft_p50=1s"]
    assert gate_failures(levels[:1], "ttft_p50=1s") == []


def test_a_miss_that_more_requests_could_undo_is_not_judged():
    (slo,) = parse_slos("ttft_p99=1s")
    s = summary(4, 1.0, met=False)

    def level(share: float, high: float, tried: int):
        one = Attainment(slo=slo, value_s=2.0, share=share, low=0.0, high=high, met=False)
        return replace(s, goodput=replace(s.goodput, tried=tried, met=False, objectives=(one,)))

    assert gate_failures([level(0.98, 0.996, 60)], "ttft_p99=1s") == [
        "4 users can't be judged against ttft_p99=1s: "
        "ttft_p99=1s can't be judged: p99 needs 299 requests in the window, has 60"
    ]
    assert gate_failures([level(0.5, 0.6, 60)], "ttft_p99=1s") == ["4 users missed ttft_p99=1s"]
    assert gate_failures([level(0.98, 0.996, 400)], "ttft_p99=1s") == ["4 users missed ttft_p99=1s"]
