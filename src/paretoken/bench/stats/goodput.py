"""SLOs judged for a load level, and counted as goodput.

A level meets an SLO on a quantile if that share of its requests is within the limit; a failed request is not.
Goodput is the requests per second that are complete and within every limit, whatever the statistic. SLOs on sessions
are judged by sessions in the same way, and have a goodput of their own: sessions that are done within every limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from paretoken.bench.documents import OMIT_NONE
from paretoken.bench.stats.arrays import Floats, Mask
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.quantiles import CONFIDENCE, QUANTILES, label, needed, supported
from paretoken.bench.stats.sessions.judged import JudgedSessions
from paretoken.plural import counted
from paretoken.slo import Slo


@dataclass(frozen=True, slots=True, kw_only=True)
class Attainment:
    """How far a level meets an SLO: its value, the share within the limit with Wilson's interval, the verdict.

    `sessions` is how many were judged of an SLO on sessions.
    """

    slo: Slo
    value_s: float | None
    share: float
    low: float
    high: float
    met: bool
    sessions: int | None = field(default=None, metadata=OMIT_NONE)

    def too_few(self, requests: int) -> str:
        """Why that number of requests, all that were tried, cannot settle the verdict; empty where it can.

        A miss is settled by fewer requests if a level within the limit would have as many beyond it in less than one
        case of twenty. An SLO on sessions is settled by its sessions.
        """
        tried = requests if self.sessions is None else self.sessions
        q = QUANTILES.get(self.slo.statistic, 0.0)
        beyond = round((1 - self.share) * tried)
        if supported(tried, q) or (not self.met and chance_of(beyond, tried, 1 - q) < 1 - CONFIDENCE):
            return ""
        statistic = label(self.slo.statistic)
        needs = counted(needed(q), "request" if self.sessions is None else "session")
        where = "in the window" if self.sessions is None else "that ended"
        return f"{self.slo.text} can't be judged: {statistic} needs {needs} {where}, has {tried:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGoodput:
    """Sessions per hour that are done within every limit on sessions, and their share of those tried, with Wilson's
    interval."""

    per_hour: float | None
    share: float
    low: float
    high: float
    tried: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """Requests per second within every limit, and their share of all that were tried with Wilson's interval.

    The rate is None without an SLO on requests. `sessions` is None without one on sessions.
    """

    requests_s: float | None
    share: float
    low: float
    high: float
    tried: int
    met: bool
    objectives: tuple[Attainment, ...]
    sessions: SessionGoodput | None = field(default=None, metadata=OMIT_NONE)


def per_request(slo: Slo, samples: Samples) -> Floats:
    """The SLO's metric of each request in seconds, NaN where it has none."""
    if slo.metric == "itl":
        return samples.chunks.mean_gaps()
    return {"ttft": samples.ttft_s, "tpot": samples.tpot_s, "e2e": samples.e2e_s}[slo.metric]


def within(slo: Slo, samples: Samples) -> Mask:
    """Whether each request is complete and within the limit.

    A single token has no TPOT and exceeds no limit on it; a TTFT or a pace that nobody saw is within none.
    """
    values = per_request(slo, samples)
    unseen = samples.unpaced if slo.metric != "e2e" else np.False_
    if slo.metric == "ttft":
        unseen = np.isnan(values)
    return samples.ok & ~unseen & ~(np.nan_to_num(values, nan=0.0) > slo.bound_s)


def attained(slo: Slo, samples: Samples, chosen: Mask) -> float | None:
    """The SLO's statistic over the chosen requests in seconds: for quantiles a failed one never ends."""
    values = per_request(slo, samples)[chosen]
    if slo.statistic == "mean":
        return float(np.nanmean(values)) if np.isfinite(values).any() else None
    values = np.where(samples.ok[chosen], values, np.inf)
    return quantile_of(values[~np.isnan(values)], QUANTILES[slo.statistic])


def quantile_of(values: Floats, q: float) -> float | None:
    """The lowest value that the share q of the values does not exceed; None without any."""
    if not len(values):
        return None
    return float(np.sort(values)[min(math.ceil(q * len(values)), len(values)) - 1])


def goodput(
    samples: Samples,
    slos: Sequence[Slo],
    chosen: Mask,
    seconds: float,
    sessions: JudgedSessions | None = None,
) -> Goodput:
    """Goodput of the chosen requests (a mask, failed ones in it) over `seconds`, and of the sessions."""
    of_requests = [slo for slo in slos if not slo.of_sessions]
    of_sessions = [slo for slo in slos if slo.of_sessions]
    tried = int(chosen.sum())
    inside = [within(slo, samples)[chosen] for slo in of_requests]
    good = int((samples.ok[chosen] & _all(inside, tried)).sum())
    judged = sessions or JudgedSessions.none()
    objectives = [
        *(_attainment(s, attained(s, samples, chosen), row) for s, row in zip(of_requests, inside, strict=True)),
        *(_session_attainment(slo, judged) for slo in of_sessions),
    ]
    low, high = wilson(good, tried)
    return Goodput(
        requests_s=good / seconds if seconds > 0 and of_requests else None,
        share=good / tried if tried else 0.0,
        low=low,
        high=high,
        tried=tried,
        met=tried > 0 and all(o.met for o in objectives),
        objectives=tuple(sorted(objectives, key=lambda o: slos.index(o.slo))),
        sessions=_session_goodput(of_sessions, judged) if of_sessions else None,
    )


def _all(inside: Sequence[Mask], n: int) -> Mask:
    rows: Mask = np.logical_and.reduce(np.array(inside, dtype=bool).reshape(len(inside), n), axis=0)
    return rows


def _attainment(slo: Slo, value_s: float | None, inside: Mask) -> Attainment:
    n, good = len(inside), int(inside.sum())
    low, high = wilson(good, n)
    if slo.statistic == "mean":
        met = value_s is not None and value_s <= slo.bound_s
    else:
        met = n > 0 and good >= math.ceil(QUANTILES[slo.statistic] * n - 1e-9)
    return Attainment(
        slo=slo,
        value_s=None if value_s is None or math.isinf(value_s) else value_s,
        share=good / n if n else 0.0,
        low=low,
        high=high,
        met=met,
    )


def _session_attainment(slo: Slo, sessions: JudgedSessions) -> Attainment:
    times = np.where(sessions.done, sessions.seconds, np.inf)
    inside = sessions.within(slo.bound_s)
    if slo.statistic == "mean":
        value = float(times[sessions.done].mean()) if sessions.done.any() else None
    else:
        value = quantile_of(times, QUANTILES[slo.statistic])
    return replace(_attainment(slo, value, inside), sessions=len(sessions))


def _session_goodput(slos: Sequence[Slo], sessions: JudgedSessions) -> SessionGoodput:
    good = int(_all([sessions.within(slo.bound_s) for slo in slos], len(sessions)).sum())
    low, high = wilson(good, len(sessions))
    return SessionGoodput(
        per_hour=sessions.rate.per_hour(min(slo.bound_s for slo in slos)),
        share=good / len(sessions) if len(sessions) else 0.0,
        low=low,
        high=high,
        tried=len(sessions),
    )


def chance_of(least: int, n: int, share: float) -> float:
    """The chance that `least` or more of n requests are beyond a limit that this share of all exceeds (binomial)."""
    chance, fewer = (1 - share) ** n, 0.0
    for k in range(min(least, n + 1)):
        fewer += chance
        chance *= (n - k) / (k + 1) * share / (1 - share)
    return 1 - fewer


def wilson(good: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 %; (0, 1) for none."""
    if n == 0:
        return 0.0, 1.0
    z = 1.959964  # the 97.5 % quantile of the normal distribution
    share, spread = good / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)
