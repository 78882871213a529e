"""The precision stop rule: a level ends when its headline is precise enough.

A pure function of the records so far: the relative half width of the 95 % intervals of output throughput
and median TPOT in the steady window. Widths shrink as 1/√time, which gives the time still needed. Looking
often favours lucky moments, so the rule asks for a steady window with at least 30 requests first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.bench.plan import Load, Stop
from paretoken.bench.stats.bootstrap import ConfidenceInterval, mean_interval, quantile_interval
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.steady import Window, complete_until, find_window, latency_mask
from paretoken.bench.stats.throughput import output_rates

BINS = 60
MIN_REQUESTS = 30


@dataclass(frozen=True, slots=True)
class StopDecision:
    """Whether to stop, the half widths reached (relative), and the seconds still to go, None while unknown."""

    stop: bool
    throughput: float | None
    median_tpot: float | None
    seconds_left: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Precision:
    """Stop when both half widths are within `target` (0.02 is 2 %)."""

    target: float = 0.02
    seed: int = 0

    def judge(
        self, samples: Samples, load: Load, stop: Stop | None = None, in_flight_since_ns: int | None = None
    ) -> StopDecision:
        """Whether to stop, by the requests that have ended so far.

        Those in flight have no record yet, so the window ends where the first of them was due:
        `in_flight_since_ns`, or without it what follows from the records (`steady.complete_until`).
        """
        until = in_flight_since_ns
        if until is None and len(samples):
            until = complete_until(samples)
        window = find_window(samples, load, stop, until)
        if not window.steady:
            return _go_on(window.needs_s, window.reason)
        rng = np.random.default_rng(self.seed)
        rate = throughput_interval(samples, window, rng)
        chosen = latency_mask(samples, window, load)
        n = int((chosen & samples.ok).sum())
        if n < MIN_REQUESTS:
            left = window.seconds * (MIN_REQUESTS / max(n, 1) - 1)
            return _go_on(left, f"{n} of the {MIN_REQUESTS} requests needed ended in the window")
        tpot = quantile_interval(samples.tpot_s[chosen], 0.5, rng)
        return self._judge(window, rate, tpot)

    def _judge(self, window: Window, rate: ConfidenceInterval | None, tpot: ConfidenceInterval | None) -> StopDecision:
        """TPOT takes part where requests have one: single tokens do not."""
        widths = [i.relative_half_width for i in (rate, tpot) if i is not None]
        if rate is None:
            return _go_on(None, "too few samples for an interval")
        worst = max(widths)
        left = max(window.seconds * ((worst / self.target) ** 2 - 1), 0.0)
        met = worst <= self.target
        reached = f"within {worst:.1%}" + ("" if met else f", target {self.target:.1%}")
        return StopDecision(
            stop=met,
            throughput=widths[0],
            median_tpot=widths[1] if tpot else None,
            seconds_left=0.0 if met else left,
            reason=reached,
        )


def _go_on(seconds_left: float | None, reason: str) -> StopDecision:
    return StopDecision(stop=False, throughput=None, median_tpot=None, seconds_left=seconds_left, reason=reason)


def throughput_interval(samples: Samples, window: Window, rng: np.random.Generator) -> ConfidenceInterval | None:
    """The interval of output tokens per second of the window, from 60 equal bins in order of time."""
    return mean_interval(output_rates(samples, window.start_ns, window.end_ns, BINS), rng)
