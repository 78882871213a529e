"""The sessions of a measured level as lines: how they ended, how long they took and why, and what was cached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paretoken.cli.cells import share
from paretoken.plural import counted, quantity
from paretoken.report.numbers import share_percent, shown

if TYPE_CHECKING:
    from paretoken.bench.stats.level_summary import LevelSummary
    from paretoken.bench.stats.scrape import CounterDeltas
    from paretoken.bench.stats.sessions.path import PathPart
    from paretoken.bench.stats.sessions.reuse import TokenReuse
    from paretoken.bench.stats.sessions.summary import LevelSessions, SessionCounts
    from paretoken.bench.stats.sweep_summary import SweepSummary

PARTS: tuple[tuple[str, PathPart], ...] = (
    ("queue and prefill", "ttft"),
    ("decode", "decode"),
    ("calls not split", "unsplit"),
    ("tools", "tool"),
    ("waiting", "wait"),
)
"""The words for the parts of a critical path, in order of time."""


def session_lines(s: LevelSummary) -> Iterator[tuple[str, str]]:
    """(label, text) of each figure of the sessions; none for a load without any."""
    if (sessions := s.sessions) is None:
        return
    yield "Sessions", _counts(sessions.counts)
    times = sessions.time_s
    where = "in the steady window" if sessions.span == "window" else "in the whole run"
    if sessions.done:
        p90 = f", p90 {shown(times.p90)} s" if times.p90 is not None else ""
        calls = f"{quantity(sessions.calls or 0, 'call')} each"
        yield "Session time", f"p50 {shown(times.p50)} s{p90}, of {counted(sessions.done, 'session')} {where}, {calls}"
        yield "Critical path", _path(sessions)
        yield "Sessions/h", _rate(sessions)
        if cost := _cost(s):
            yield "Cost", cost
    if s.goodput and (goodput := s.goodput.sessions):
        slos = ", ".join(o.slo.text for o in s.goodput.objectives if o.slo.of_sessions)
        rate = f"{shown(goodput.per_hour)} sessions/h ({goodput.share:.1%} of {counted(goodput.tried, 'session')})"
        yield "Good sessions", f"{rate} within {slos}"
    first, later = sessions.ttft.first.p50, sessions.ttft.later.p50
    yield "TTFT by turn", f"p50 {ms(first)} of first calls, {ms(later)} of later ones"
    yield "Cache hits", _hits(sessions.reuse)
    if sessions.why_unknown:
        yield "", f"({sessions.why_unknown})"
    if s.server and (counters := _counters(s.server.delta)):
        yield "Server cache", counters


def session_cells(sessions: LevelSessions | None) -> dict[str, object]:
    """The cells of a level in the table of several."""
    return {
        "sessions/h": sessions.per_hour if sessions else None,
        "session p50 s": sessions.time_s.p50 if sessions else None,
        "session p90 s": sessions.time_s.p90 if sessions else None,
        "hits": share(sessions.reuse.found_share, ".1%") if sessions else None,
    }


def _counts(counts: SessionCounts) -> str:
    """`38 done, 1 failed, 2 cut (1 http_5xx, 2 not sent)`."""
    parts = [f"{counts.done:,} done", f"{counts.failed:,} failed" if counts.failed else "none failed"]
    parts += [f"{counts.cut:,} cut by the end"] if counts.cut else []
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in counts.reasons.items())
    return ", ".join(parts) + (f" ({reasons})" if reasons else "")


def _rate(sessions: LevelSessions) -> str:
    """`1,808 (95 % interval 1,690 to 1,930), 4.0 in flight on average`."""
    interval = sessions.intervals.get("sessions_per_hour")
    between = f" (95 % interval {shown(interval.low)} to {shown(interval.high)})" if interval else ""
    return f"{shown(sessions.per_hour)}{between}, {shown(sessions.mean_in_flight)} in flight on average"


def _path(sessions: LevelSessions) -> str:
    """The shares of the critical path that are not 0, in order of time."""
    shares = [(words, sessions.path.get(part, 0.0)) for words, part in PARTS]
    return ", ".join(f"{words} {share_percent(value)}" for words, value in shares if value)


def _hits(reuse: TokenReuse) -> str:
    """`62 % of prompt tokens; possible 67 %, so 93 % of it found`."""
    possible = "" if reuse.possible_share is None else f"possible {share_percent(reuse.possible_share)}"
    if reuse.found_share is None:
        return f"unknown{f'; {possible} of prompt tokens' if possible else ''}"
    hits = f"{share_percent(reuse.found_share)} of prompt tokens"
    if reuse.found_of_possible is None:
        return hits
    return f"{hits}; {possible}, so {share_percent(reuse.found_of_possible)} of it found"


def _counters(delta: CounterDeltas) -> str:
    """What the servers counted of evictions and of the tiers below GPU memory, as far as they do."""
    counts = (
        (delta.evicted_tokens, "tokens evicted from GPU memory"),
        (delta.offload_hits, "tokens found in lower tiers"),
        (delta.loaded_tokens, "tokens brought back"),
    )
    return ", ".join(f"{count:,.0f} {what}" for count, what in counts if count is not None)


def _cost(s: LevelSummary) -> str:
    """What a session costs; empty if the catalog has no price of the accelerator."""
    from paretoken.report.run.session_table import cost_at_level

    cost = cost_at_level(s)
    return f"${shown(cost.usd)} per session at ${shown(cost.usd_per_gpu_h)} per GPU-hour ({cost.basis})" if cost else ""


def with_costs(sweep: SweepSummary | None) -> object:
    """The summary of a run for `--json`, with the cost of a session beside the other figures of sessions."""
    from paretoken.bench.documents import to_json
    from paretoken.report.run.session_table import cost_at_level

    document = to_json(sweep)
    if sweep is not None and isinstance(document, dict):
        for level, printed in zip(sweep.levels, document["levels"], strict=True):
            if cost := cost_at_level(level):
                printed["sessions"]["cost"] = to_json(cost)
    return document


def ms(seconds: float | None) -> str:
    """Seconds as `1,250.0 ms`."""
    return "–" if seconds is None else f"{seconds * 1000:,.1f} ms"
