"""What a traffic is: rates, lengths, hours, burstiness, sessions and prefix reuse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.day_curve import HOURS
from paretoken.traffic.burstiness import burstiness
from paretoken.traffic.reuse import reuse
from paretoken.traffic.traffic import HOUR_S, NO_SESSION, Floats, Ints, Traffic

_SHORTEST_PEAK_S = 900.0
"""An hour of the period that lasts less is too short to be the peak."""
_FEWEST_PAIRS = 10
"""Requests below which no correlation of lengths is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenQuantiles:
    """Mean and quantiles of tokens of one side of the requests."""

    mean: float
    p50: float
    p90: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HourOfTraffic:
    """One hour of the period; `hour` is that of the day where the day is known, else counted from the start.

    Hours begin with the period, so `hour` is the hour of the day that most of it lies in. The rate of a last hour that
    is not full is that of its part. Means are 0 in an hour without requests.
    """

    hour: int
    requests: int
    rate_s: float
    input_tokens_mean: float
    output_tokens_mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSummary:
    """The figures of a traffic.

    `peak_minute_rate_s` is the rate of the busiest 60 s, wherever they begin. `length_correlation` is Spearman's, of
    input with output tokens; None for few requests or equal lengths. `burstiness` is the variance over the mean of
    requests in windows of `burst_window_s` within an hour, without the hour's trend: 1 for Poisson arrivals; None
    where there are too few windows. `prefix_reuse` is the share of input tokens that an endless prefix cache
    finds; None where the traffic does not show what prompts share. `day_known` is true where hours are those of a day.
    """

    source: str
    requests: int
    span_s: float
    rate_s: float
    peak_hour_rate_s: float
    peak_minute_rate_s: float
    input_tokens: TokenQuantiles
    output_tokens: TokenQuantiles
    length_correlation: float | None
    burstiness: float | None
    burst_window_s: float
    sessions: int
    requests_per_session: float | None
    prefix_reuse: float | None
    day_known: bool
    hours: tuple[HourOfTraffic, ...]
    notes: tuple[str, ...]


def describe(traffic: Traffic) -> TrafficSummary:
    """The figures of a traffic."""
    hours, lasting = _hours(traffic)
    in_sessions = traffic.session[traffic.session != NO_SESSION]
    sessions = len(np.unique(in_sessions))
    burst, window_s = burstiness(traffic.time_s, traffic.span_s)
    shared = reuse(traffic)
    return TrafficSummary(
        source=traffic.source,
        requests=len(traffic),
        span_s=traffic.span_s,
        rate_s=traffic.rate_s,
        peak_hour_rate_s=max(
            h.rate_s for h, s in zip(hours, lasting, strict=True) if s >= min(_SHORTEST_PEAK_S, lasting[0])
        ),
        peak_minute_rate_s=_peak_minute(traffic),
        input_tokens=_quantiles(traffic.input_tokens),
        output_tokens=_quantiles(traffic.output_tokens),
        length_correlation=_correlation(traffic.input_tokens, traffic.output_tokens),
        burstiness=burst,
        burst_window_s=window_s,
        sessions=sessions,
        requests_per_session=len(in_sessions) / sessions if sessions else None,
        prefix_reuse=None if shared is None else shared.hit_share(np.inf),
        day_known=traffic.day_start_s is not None,
        hours=hours,
        notes=(*traffic.notes, shared.note) if shared is not None and shared.note else traffic.notes,
    )


def _hours(traffic: Traffic) -> tuple[tuple[HourOfTraffic, ...], Floats]:
    """The hours of the period, and how long each lasts in s."""
    n, hour = traffic.hours, traffic.hour_of()
    counts = np.bincount(hour, minlength=n)
    inputs = np.bincount(hour, traffic.input_tokens, n) / np.maximum(counts, 1)
    outputs = np.bincount(hour, traffic.output_tokens, n) / np.maximum(counts, 1)
    lasting = np.full(n, HOUR_S)
    lasting[-1] = traffic.span_s - HOUR_S * (n - 1)
    first = 0 if traffic.day_start_s is None else round(traffic.day_start_s / HOUR_S)
    names = np.arange(n) if traffic.day_start_s is None else (first + np.arange(n)) % HOURS
    return tuple(
        HourOfTraffic(
            hour=int(names[k]),
            requests=int(counts[k]),
            rate_s=float(counts[k] / lasting[k]),
            input_tokens_mean=float(inputs[k]),
            output_tokens_mean=float(outputs[k]),
        )
        for k in range(n)
    ), lasting


def _peak_minute(traffic: Traffic) -> float:
    window_s = min(60.0, traffic.span_s)
    # A request at the end of the 60 s is of the next minute.
    last = np.searchsorted(traffic.time_s, traffic.time_s + window_s, side="left")
    return float((last - np.arange(len(traffic))).max() / window_s)


def _quantiles(tokens: Ints) -> TokenQuantiles:
    p50, p90, p99 = np.quantile(tokens, (0.5, 0.9, 0.99))
    return TokenQuantiles(
        mean=float(tokens.mean()), p50=float(p50), p90=float(p90), p99=float(p99), most=float(tokens.max())
    )


def _correlation(inputs: Ints, outputs: Ints) -> float | None:
    """Spearman's rank correlation, ties by their mean rank."""
    if len(inputs) < _FEWEST_PAIRS or inputs.min() == inputs.max() or outputs.min() == outputs.max():
        return None
    return float(np.corrcoef(_mean_ranks(inputs), _mean_ranks(outputs))[0, 1])


def _mean_ranks(tokens: Ints) -> Floats:
    """Rank of each, the mean of equals; shape (n,). `scipy.stats`, which does the same, takes a second to import."""
    _, place, counts = np.unique(tokens, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
