"""The steady window of a load level: where the headline is measured, and whether it is a steady state at all.

Closed loop: the window begins when 95 % of the users have begun their second request and the load has
reached 95 % of its level, so neither the ramp nor the start burst is inside; it ends when the last
request was started, since from then on users leave without being replaced. Both ends are starts of
requests, so a loop whose users run in step is cut into whole rounds.
Closed loop of sessions: it begins when as many sessions have begun anew as 95 % of the users, for until then all
contexts are young together. Where the level ends after a number of sessions, it ends as soon as more than 5 % of
the users have no session any more. A level with too few sessions for that has no window, and says so.
Open loop: it begins one median E2E after the first arrival, when the system has filled, and ends at the last
arrival. Warm-up (seconds and requests) is before the window in both.

Latency is sampled from the requests that end in the window (closed loop: every one of them lived under
full load), or are due in it (open loop: whoever waits long is counted).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from paretoken.bench.plan import Closed, Load, Stop
from paretoken.bench.stats.arrays import Mask
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.generations import first_starts, last_ends, of_sessions, renewals, session_ns
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.throughput import in_flight, inside, mean_in_flight, output_rates
from paretoken.bench.stats.trend import IN_FLIGHT, MAX_DRIFT, SIGNIFICANT, Drift, trend
from paretoken.plural import counted
from paretoken.significant import significant

SHARE_OF_USERS = 0.95
MIN_REQUESTS = 10
MIN_LIVES = 2.0
BATCHES = 12
MIN_SESSIONS = 0.5
SESSIONS_EACH = 3
"""Sessions of each user with which a level has a window as long as one of them: one before it, and one after."""
_TOO_FEW_SESSIONS = f"the run has too few sessions; use --until with {SESSIONS_EACH} or more for each user"
_TOO_EARLY = "the last request began before warm-up and the first round of requests were over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The span (start, end] of the headline, the verdict `steady`, and the reason in words where it is not.

    `enough` is false where the level was too short to judge; then the span is the whole run.
    `needs_s` is how long the level must last at least, where that is predictable.
    """

    start_ns: int
    end_ns: int
    steady: bool
    reason: str
    enough: bool = True
    needs_s: float | None = None
    trends: tuple[Drift, ...] = ()
    mean_in_flight: float = 0.0
    mean_active: float = 0.0

    @property
    def seconds(self) -> float:
        return max(self.end_ns - self.start_ns, 0) * NS


def find_window(samples: Samples, load: Load, stop: Stop | None = None, until_ns: int | None = None) -> Window:
    """The steady window of a level; where there is none, the whole run, and why.

    `until_ns` cuts the window of a level that still runs to where its records are complete.
    """
    if not np.isfinite(samples.e2e_s).any():
        return Window(start_ns=0, end_ns=0, steady=False, reason="no steady state: no request succeeded", enough=False)
    life_ns = float(np.nanmedian(samples.e2e_s)) / NS
    warm = _warm_ns(samples, stop or Stop())
    if isinstance(load, Closed):
        start, why = _closed_start(samples, load, warm)
    else:
        start, why = max(warm, int(samples.due_ns.min() + life_ns)), ""
    end = _end(samples, load, stop or Stop()) if until_ns is None else min(until_ns, int(samples.due_ns.max()))
    if start is None or end <= start:
        needs_ns = SESSIONS_EACH * session_ns(samples) if _closed_sessions(samples, load) else (2 + MIN_LIVES) * life_ns
        return _whole(samples, f"no steady state: {why or _too_early(samples, load)}", load, needs_ns)
    in_flight_mean = mean_in_flight(samples, start, end)
    span = Window(start_ns=start, end_ns=end, steady=True, reason="", mean_in_flight=in_flight_mean)
    short = _too_short(span, int(latency_mask(samples, span, load).sum()), life_ns)
    if not short and _closed_sessions(samples, load) and span.seconds < MIN_SESSIONS * session_ns(samples) * NS:
        short = f"no steady state: the window is shorter than half a median session; {_TOO_FEW_SESSIONS}"
    if short:
        return _whole(samples, short, load, (start - samples.due_ns.min() + MIN_LIVES * life_ns) * 1.5)
    trends = _trends(samples, span, load)
    active = mean_active(samples, start, end) if isinstance(load, Closed) else span.mean_in_flight
    reason = _drift(trends) or _too_few_active(active, load)
    return replace(span, steady=not reason, reason=reason, trends=trends, mean_active=active)


def complete_until(samples: Samples) -> int:
    """Up to when the records of a level that still runs are complete: no request in flight was due before.

    A closed loop's first user's last end: after it, that user's request in flight has given tokens that no
    record holds yet. In an open loop the longest life seen before the last end, by which time all had ended.
    """
    if (samples.slot < 0).all():
        return int(samples.end_ns.max() - (samples.end_ns - samples.due_ns).max())
    slots, index = np.unique(samples.slot, return_inverse=True)
    last = np.full(len(slots), -1, dtype=np.int64)
    np.maximum.at(last, index, samples.end_ns)
    return int(last.min())


def latency_mask(samples: Samples, window: Window, load: Load) -> Mask:
    """The requests that belong to the window, failed ones included.

    Closed loop: ended in it, but for those we cut. Open loop: due in it, whenever and however they ended.
    """
    if isinstance(load, Closed):
        ended = np.where(samples.ok, samples.last_ns, samples.end_ns)
        running: Mask = samples.status != "cancelled"
        return inside(ended, window.start_ns, window.end_ns) & running
    return inside(samples.due_ns, window.start_ns, window.end_ns)


def _warm_ns(samples: Samples, stop: Stop) -> int:
    """When warm-up is over: its seconds have passed and its requests have ended."""
    first = int(samples.due_ns.min())
    at = first + int(stop.warmup_s / NS) if stop.warmup_s > 0 else first
    if stop.warmup_requests > 0:
        ends = np.sort(samples.end_ns)
        at = max(at, int(ends[min(stop.warmup_requests, len(ends)) - 1]))
    return at


def _closed_start(samples: Samples, load: Closed, warm: int) -> tuple[int | None, str]:
    """When the load is up and the first generation has been replaced; None and why, if that never happened."""
    enough_users = math.ceil(SHARE_OF_USERS * load.users)
    renewed_ns = renewals(samples)
    if len(renewed_ns) < enough_users and of_sessions(samples):
        began = f"{counted(len(renewed_ns), 'session')} followed the first of {counted(load.users, 'user')}"
        return None, f"run too short: {began}, of {enough_users} needed"
    if len(renewed_ns) < enough_users:
        began = f"only {len(renewed_ns)} of {counted(load.users, 'user')}" if len(renewed_ns) else "no user"
        return None, f"run too short: {began} began a second request"
    reached = _reached(samples, load, enough_users)
    if reached is None:
        return None, f"the load never reached {enough_users} of {counted(load.users, 'user')}"
    if load.think_s > 0:
        warm = _next_start(samples, warm)
    return max(warm, int(renewed_ns[enough_users - 1]), reached), ""


def _next_start(samples: Samples, at_ns: int) -> int:
    """When the next request began: a window that opened with users thinking would hold one pause too many."""
    later = samples.due_ns[samples.due_ns >= at_ns]
    return int(later.min()) if len(later) else at_ns


def _end(samples: Samples, load: Load, stop: Stop) -> int:
    """When users begin to leave without being replaced, or no request begins any more."""
    end = int(samples.due_ns.max())
    if not isinstance(load, Closed) or not _closed_sessions(samples, load) or stop.sessions is None:
        return end
    ends = last_ends(samples)
    return min(end, int(ends[min(load.users - math.ceil(SHARE_OF_USERS * load.users), len(ends) - 1)]))


def _closed_sessions(samples: Samples, load: Load) -> bool:
    return isinstance(load, Closed) and of_sessions(samples)


def _too_early(samples: Samples, load: Load) -> str:
    return _TOO_FEW_SESSIONS if _closed_sessions(samples, load) else _TOO_EARLY


def _reached(samples: Samples, load: Closed, users: int) -> int | None:
    """When this number of users was first active; thought and tools between requests count as active."""
    if load.think_s > 0 or of_sessions(samples):
        firsts = np.sort(first_starts(samples))
        return int(firsts[users - 1]) if len(firsts) >= users else None
    starts = np.sort(samples.due_ns)
    up = in_flight(samples, starts) >= users
    return int(starts[np.argmax(up)]) if up.any() else None


def mean_active(samples: Samples, start_ns: int, end_ns: int) -> float:
    """Mean number of users between their first start and their last end, thinking ones included."""
    slots, index = np.unique(samples.slot, return_inverse=True)
    first = np.full(len(slots), np.iinfo(np.int64).max)
    last = np.zeros(len(slots), dtype=np.int64)
    np.minimum.at(first, index, samples.due_ns)
    np.maximum.at(last, index, samples.end_ns)
    spent = np.clip(last, start_ns, end_ns) - np.clip(first, start_ns, end_ns)
    return float(spent.sum()) / max(end_ns - start_ns, 1)


def _whole(samples: Samples, reason: str, load: Load, needs_ns: float) -> Window:
    """The whole run in place of a window, with the reason and how long the level must last at least."""
    start, end = int(samples.due_ns.min()) - 1, int(samples.last_ns[samples.ok].max())
    mean = mean_in_flight(samples, start, end)
    active = mean_active(samples, start, end) if isinstance(load, Closed) else mean
    return Window(
        start_ns=start,
        end_ns=end,
        steady=False,
        reason=reason,
        enough=False,
        needs_s=float(needs_ns) * NS,
        mean_in_flight=mean,
        mean_active=active,
    )


def _too_short(span: Window, requests: int, life_ns: float) -> str:
    lives = span.seconds / (life_ns * NS) if life_ns > 0 else math.inf
    if lives < MIN_LIVES:
        return (
            f"no steady state: the level is too short. Its steady window of {significant(span.seconds, 3)} s must hold "
            f"at least {MIN_LIVES:g} median requests of {significant(life_ns * NS, 3)} s; run it longer"
        )
    if requests < MIN_REQUESTS:
        return f"no steady state: {counted(requests, 'request')} in the window of {MIN_REQUESTS} needed; run it longer"
    return ""


def _trends(samples: Samples, span: Window, load: Load) -> tuple[Drift, ...]:
    """The drift of throughput and TPOT in equal batches, and in an open loop of the requests in flight."""
    edges = np.linspace(span.start_ns, span.end_ns, BATCHES + 1).astype(np.int64)
    chosen = samples.ok & inside(samples.last_ns, span.start_ns, span.end_ns) & ~np.isnan(samples.tpot_s)
    batch = np.searchsorted(edges, samples.last_ns[chosen], side="left") - 1
    count = np.bincount(batch, minlength=BATCHES)
    total = np.bincount(batch, weights=samples.tpot_s[chosen], minlength=BATCHES)
    tpot = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    drifts = [
        trend("throughput", output_rates(samples, span.start_ns, span.end_ns, BATCHES)),
        trend("TPOT", tpot),
    ]
    if not isinstance(load, Closed):
        means = [mean_in_flight(samples, a, b) for a, b in pairwise(edges)]
        drifts.append(trend(IN_FLIGHT, np.array(means)))
    return tuple(drifts)


def _drift(trends: tuple[Drift, ...]) -> str:
    """The largest drift that is both beyond 5 % and beyond chance, in words."""
    drifting = [t for t in trends if abs(t.change) > MAX_DRIFT and t.p_value < SIGNIFICANT]
    if not drifting:
        return ""
    worst = max(drifting, key=lambda t: abs(t.change))
    return f"no steady state: {worst.name} still {worst.direction} {abs(worst.change):.0%} per window"


def _too_few_active(active: float, load: Load) -> str:
    if isinstance(load, Closed) and active < SHARE_OF_USERS * load.users:
        return f"no steady state: {active:.1f} of {load.users} users were active on average"
    return ""
