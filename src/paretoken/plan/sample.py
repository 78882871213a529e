"""A sample of a traffic's requests that one replica gets at any rate, with the traffic's lengths and bursts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.predict.simulation.sources import OpenLoop
from paretoken.traffic.traffic import HOUR_S, Floats, Ints, Traffic

SAMPLE = 6_000
FEWEST_IN_WINDOW = 50
"""Fewest requests from which the rate of a window is read."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrafficSample:
    """Requests in random order, shape (n,), and when those of the whole traffic come.

    `position` is the number of requests expected before each of the traffic, shape (requests,): time on a clock by
    which the rate of every minute is alike, so that only bursts within it are left. `skip` are uniform numbers that
    choose one replica's share; they and the order of the requests are the same at every rate. `peak_s` is the rate of
    the busiest hour, requests per second.
    """

    input_tokens: Ints
    output_tokens: Ints
    cached_tokens: Ints | None
    position: Floats
    skip: Floats
    peak_s: float

    def __len__(self) -> int:
        return len(self.input_tokens)

    def at(self, rate_s: float, requests: int) -> OpenLoop:
        """The first `requests` of what one replica gets at a rate.

        It is a random share of the traffic in its busiest hour; the whole traffic, only faster, at a rate above that.
        The fewer requests a replica gets of many, the more they come at random.
        """
        n, share = len(self), min(rate_s / self.peak_s, 1.0)
        order = np.arange(requests) % n
        if share < 1:
            gaps = np.ceil(np.log(self.skip[order]) / np.log1p(-share))
            index = np.cumsum(np.maximum(gaps, 1)).astype(np.int64) - 1
        else:
            index = np.arange(requests)
        total = len(self.position)
        due = self.position[index % total] + (index // total) * total
        due -= due[0]
        return OpenLoop(
            due * (requests / rate_s / max(due[-1], 1e-9)),
            self.input_tokens[order],
            self.output_tokens[order],
            None if self.cached_tokens is None else self.cached_tokens[order],
        )


def traffic_sample(
    traffic: Traffic, cached_tokens: Ints | None = None, *, requests: int = SAMPLE, seed: int = 0
) -> TrafficSample:
    """A sample of the requests of the busiest hours, evenly over their lengths.

    `cached_tokens` are the input tokens of each request that the prefix cache holds.
    """
    rng, hour = np.random.default_rng(seed), traffic.hour_of()
    counts = np.bincount(hour, minlength=traffic.hours)
    tokens = traffic.input_tokens + traffic.output_tokens
    heaviest = np.argsort(-np.bincount(hour, tokens, traffic.hours), kind="stable")
    enough = int(np.searchsorted(np.cumsum(counts[heaviest]), min(requests, len(traffic)))) + 1
    pool = np.flatnonzero(np.isin(hour, heaviest[:enough]))
    by_length = pool[np.argsort(tokens[pool], kind="stable")]
    chosen = rng.permutation(by_length[((np.arange(requests) + 0.5) / requests * len(pool)).astype(np.int64)])
    return TrafficSample(
        input_tokens=traffic.input_tokens[chosen],
        output_tokens=traffic.output_tokens[chosen],
        cached_tokens=None if cached_tokens is None else cached_tokens[chosen],
        position=_position(traffic, counts),
        skip=1 - rng.uniform(0, 1, requests),
        peak_s=float(hour_rates_s(traffic).max()),
    )


def hour_rates_s(traffic: Traffic) -> Floats:
    """Requests per second of each hour, the last of which may be short; shape (hours,)."""
    counts = np.bincount(traffic.hour_of(), minlength=traffic.hours)
    rates: Floats = counts / np.minimum(HOUR_S, traffic.span_s - np.arange(traffic.hours) * HOUR_S)
    return rates


def _position(traffic: Traffic, counts: Ints) -> Floats:
    """Requests expected before each, by the counts of windows of a minute, or longer where it has few; shape (n,)."""
    windows = np.clip(counts // FEWEST_IN_WINDOW, 1, 60).tolist()
    starts = [np.linspace(h * HOUR_S, (h + 1) * HOUR_S, n, endpoint=False) for h, n in enumerate(windows)]
    edges = np.append(np.concatenate(starts), traffic.hours * HOUR_S)
    edges = np.append(edges[edges < traffic.span_s], traffic.span_s)
    before = np.append(0, np.cumsum(np.histogram(traffic.time_s, edges)[0]))
    position: Floats = np.interp(traffic.time_s, edges, before)
    return position
