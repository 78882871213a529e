"""The search for a load: the highest that meets its objectives, or the knee. Pure: no clock, no network.

Both hand out the next load to measure and take in what was measured:

    while (load := search.next_load()) is not None:
        search.observe(load, met=...)
    search.answer

`Search` doubles until a load fails, then bisects: an answer N inside [low, high] takes at most
⌈log2(N / start)⌉ + 1 doublings and ⌈log2 N⌉ halvings. The results at a load are pooled and made monotone (meeting
objectives gets no easier with more load: isotonic regression), so one unlucky observation is
outvoted; with `confirm` above 1 both sides of the boundary are measured that often before it counts.
`Knee` climbs the same ladder to the load with the highest power, throughput / latency (Kleinrock 1979), and
narrows in on it from both sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from paretoken.errors import BadConfig


@dataclass(slots=True, kw_only=True)
class Search:
    """Highest load that meets its objectives, between `low` and `high`.

    `whole` loads are ints (users); others are rates, separated down to `resolution` of the load. With
    whole loads a resolution of 0 finds the exact answer. `max_steps` ends a search that noise keeps open.
    """

    low: float = field(default=1, kw_only=False)
    high: float = field(default=4096, kw_only=False)
    start: float | None = None
    whole: bool = True
    resolution: float = 0.0
    confirm: int = 1
    max_steps: int = 64
    results: dict[float, list[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise BadConfig(f"a search between {self.low:g} and {self.high:g} is empty; the lower end must be above 0")
        if not self.whole and self.resolution <= 0:
            raise BadConfig("a search over rates needs a resolution above 0, such as 0.05")

    @property
    def steps(self) -> int:
        """Observations so far."""
        return sum(map(len, self.results.values()))

    @property
    def answer(self) -> float | None:
        """The highest load seen that meets the objectives after pooling; None if none does (so far)."""
        return self._sides()[0]

    @property
    def ceiling(self) -> float | None:
        """The lowest load seen above the answer that fails; None if none does (so far)."""
        return self._sides()[1]

    def observe(self, load: float, met: bool) -> None:
        """Take in one measurement of a load."""
        self.results.setdefault(load, []).append(met)

    def next_load(self) -> float | None:
        """The next load to measure; None when the answer is final."""
        if self.steps >= self.max_steps:
            return None
        if not self.results:
            return self._clip(self.low if self.start is None else self.start)
        met, failed = self._sides()
        if met is None:
            lowest = self.low if failed is None else failed
            return self._clip(lowest / 2) if lowest > self.low else self._unsure((lowest,))
        if failed is None:
            return self._clip(met * 2) if met < self.high else self._unsure((met,))
        if self._apart(met, failed):
            return self._between(met, failed)
        return self._unsure((met, failed))

    def _sides(self) -> tuple[float | None, float | None]:
        """The neighbours of the boundary of the pooled, monotone shares of observations that met."""
        loads = sorted(self.results)
        share = falling(
            [sum(self.results[x]) / len(self.results[x]) for x in loads], [len(self.results[x]) for x in loads]
        )
        meets = [x for x, s in zip(loads, share, strict=True) if s >= 0.5]
        fails = [x for x, s in zip(loads, share, strict=True) if s < 0.5]
        return (max(meets) if meets else None), (min(fails) if fails else None)

    def _apart(self, met: float, failed: float) -> bool:
        """Whether a load between the two is still worth measuring."""
        return failed - met > max(1.0 if self.whole else 0.0, self.resolution * met) * (1 + 1e-9)

    def _between(self, met: float, failed: float) -> float:
        return (int(met) + int(failed)) // 2 if self.whole else math.sqrt(met * failed)

    def _unsure(self, loads: tuple[float, ...]) -> float | None:
        """The first of the loads seen fewer than `confirm` times."""
        return next((x for x in loads if len(self.results[x]) < self.confirm), None)

    def _clip(self, load: float) -> float:
        load = min(max(load, self.low), self.high)
        return int(load) if self.whole else load


def falling(values: list[float], weights: list[float]) -> list[float]:
    """The closest sequence that never rises, by weighted squares (pool adjacent violators)."""
    pools: list[list[float]] = []  # mean, weight, members
    for value, weight in zip(values, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] < pools[-1][0]:
            (a, wa, na), (b, wb, nb) = pools[-2:]
            pools[-2:] = [[(a * wa + b * wb) / (wa + wb), wa + wb, na + nb]]
    return [mean for mean, _, count in pools for _ in range(int(count))]


class KneeObservation(NamedTuple):
    """One load as measured."""

    throughput: float
    latency_s: float

    @property
    def power(self) -> float:
        return self.throughput / self.latency_s if self.latency_s > 0 else 0.0


@dataclass(slots=True, kw_only=True)
class Knee:
    """The load with the highest power: past it latency grows faster than throughput.

    The ladder doubles until power has fallen twice in a row; then the gaps on both sides of the best are
    halved (in ratio) until they are within `resolution`.
    """

    low: float = field(default=1, kw_only=False)
    high: float = field(default=4096, kw_only=False)
    whole: bool = True
    resolution: float = 0.1
    max_steps: int = 64
    observations: dict[float, KneeObservation] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Observations so far."""
        return len(self.observations)

    @property
    def answer(self) -> float | None:
        """The load with the highest power seen so far."""
        return max(self.observations, key=lambda x: self.observations[x].power) if self.observations else None

    def observe(self, load: float, throughput: float, latency_s: float) -> None:
        """Take in one measurement: throughput in any unit, a typical latency in seconds."""
        self.observations[load] = KneeObservation(throughput, latency_s)

    def next_load(self) -> float | None:
        """The next load to measure; None when the knee is found."""
        if self.steps >= self.max_steps:
            return None
        if not self.observations:
            return self.low
        loads = sorted(self.observations)
        if loads[-1] < self.high and not self._past():
            return self._round(min(loads[-1] * 2, self.high))
        best = self.answer
        at = 0 if best is None else loads.index(best)
        gaps = [(loads[i], loads[i + 1]) for i in (at - 1, at) if 0 <= i < len(loads) - 1]
        for a, b in sorted(gaps, key=lambda gap: gap[0] / gap[1]):
            middle = self._round(math.sqrt(a * b))
            if b / a > 1 + self.resolution and a < middle < b:
                return middle
        return None

    def _past(self) -> bool:
        """Whether power fell at the two highest loads."""
        power = np.array([self.observations[x].power for x in sorted(self.observations)])
        return len(power) > 2 and bool((power[-2:] < power[:-2].max()).all())

    def _round(self, load: float) -> float:
        return round(load) if self.whole else load
