"""What `bench` prints of sessions."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from paretoken.bench.client.counters import Progress
from paretoken.bench.plan import Closed, Stop
from paretoken.bench.stats.scrape import CounterDeltas, ServerMetrics
from paretoken.bench.stats.sessions.reuse import NEITHER
from paretoken.cli.measure.levels import show_levels
from paretoken.cli.measure.live import LiveView
from paretoken.cli.output import console
from paretoken.prices.cost import usd_per_session
from tests.bench.test_session_summary import agents, judged, summary_of
from tests.support.session_levels import simulated


@pytest.fixture(scope="module")
def chatty():
    return summary_of(*simulated(agents(40), 4, found=0.9)[:2], slos="session_p90=10s,ttft_p90=2s")


def output(capsys, *summaries) -> str:
    show_levels([SimpleNamespace(summary=s) for s in summaries])
    return capsys.readouterr().out


def lines(capsys, *summaries) -> dict[str, str]:
    """The lines of a level in full, by their label."""
    printed = output(capsys, *summaries).splitlines()
    return {line[:15].strip(): line[15:] for line in printed if line[:15].strip()}


def test_the_block_of_sessions(capsys, chatty):
    shown = lines(capsys, chatty)
    assert shown["Sessions"] == "40 done, none failed"
    assert shown["Session time"] == "p50 4.28 s, p90 4.58 s, of 34 sessions in the steady window, 4 calls each"
    assert shown["Critical path"].startswith("queue and prefill ") and ", tools 53\u00a0%, " in shown["Critical path"]
    assert shown["Cache hits"] == "63\u00a0% of prompt tokens; possible 70\u00a0%, so 90\u00a0% of it found"
    assert shown["Good sessions"].endswith("(100.0% of 34 sessions) within session_p90=10s")
    assert shown["Goodput"].endswith("within ttft_p90=2s")
    assert shown["TTFT by turn"].startswith("p50 ") and " of first calls, " in shown["TTFT by turn"]


def test_the_cost_of_a_session_is_that_of_its_share_of_an_hour(capsys, chatty):
    """Two GPUs: their price over the sessions of an hour."""
    cost = float(lines(capsys, chatty)["Cost"].split()[0].removeprefix("$"))
    price = float(lines(capsys, chatty)["Cost"].split("at $")[1].split()[0])
    assert cost == pytest.approx(2 * price / chatty.sessions.per_hour, rel=5e-3)
    assert usd_per_session(2.0, 10.0) == 0.2
    unknown = replace(chatty, columns={**chatty.columns, "accelerator": "unknown"})
    assert "Cost" not in lines(capsys, unknown)


def test_failed_and_cut_sessions_have_reasons(capsys):
    shown = lines(capsys, judged(40, 3, "session_p90=5s", failed=2, cut_s=4.0))
    assert shown["Sessions"] == "38 done, 2 failed, 1 cut by the end (1 cancelled, 2 http_5xx)"
    assert shown["Cache hits"] == "unknown"
    assert NEITHER in " ".join(output(capsys, judged(40, 0, "")).split())
    assert "Goodput" not in shown


def test_counters_of_the_servers_cache_are_beside(capsys, chatty):
    delta = CounterDeltas(evicted_tokens=4200.0, offload_hits=500.0)
    shown = lines(capsys, replace(chatty, server=ServerMetrics(delta=delta)))
    assert shown["Server cache"] == "4,200 tokens evicted from GPU memory, 500 tokens found in lower tiers"
    assert "Server cache" not in lines(capsys, replace(chatty, server=ServerMetrics()))


def test_a_table_of_levels_has_columns_for_sessions_only_if_there_are_any(capsys, chatty):
    plain = replace(chatty, sessions=None)
    assert "sessions/h" in output(capsys, chatty, plain)
    assert "sessions/h" not in output(capsys, plain, plain)


def test_the_live_view_counts_sessions_apart_from_requests():
    view = LiveView()
    view.begins(1, Closed(4), 1, Stop())
    now = Progress(
        elapsed_s=5.0,
        running=3,
        sent=20,
        finished=17,
        ok=17,
        errors=0,
        tokens=900,
        ttft_sum_s=1.0,
        ttft_count=17,
        tpot_sum_s=0.1,
        tpot_count=17,
        sending=True,
        sessions_begun=9,
        sessions_ended=5,
    )
    view.recent.append(now)
    out = console()
    with out.capture() as capture:
        out.print(view._picture(now))
    assert "sessions 4   requests in flight 3" in capture.get()
