"""The climb of `quick`: which load comes next and for how long, until its question is answered or its time is up.

Users double while they stay within the SLOs; then the gap to the first load that misses them is halved. A side of the
boundary that was too short to judge is repeated for longer. Where no load can be within the SLOs, users double until
throughput no longer grows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from paretoken.bench.client.fidelity import ACHIEVED_LIMIT, LATE_MERGED_LIMIT
from paretoken.bench.plan import Closed, Load
from paretoken.bench.run_folder import LevelOnDisk, RunFolder
from paretoken.bench.setup import Setup
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.quantiles import QUANTILES, needed
from paretoken.bench.stats.steady import MIN_LIVES, MIN_REQUESTS
from paretoken.bench.sweep import Watch, measure
from paretoken.bench.workload.prompts import Correction

if TYPE_CHECKING:
    from paretoken.bench.stats.sweep_summary import SearchAnswer

MINUTES = 3.0
LEVEL_S, LONGEST_S = 6.0, 30.0
"""The duration of a level: longer for slow answers, so that it holds some of them one after another."""
LIVES = 2.5 + MIN_LIVES
MOST_USERS = 512
SATURATED = 1.10
FAR = 1.2
LAG_SHARE = 0.05
"""The share of an answer's duration up to which a late read leaves the load as it should be."""

Verdict = Literal["met", "missed", "unclear"]


def verdict(s: LevelSummary) -> Verdict:
    """Whether to climb on from the load: the level's own verdict, unclear where the client or a trend may explain it.

    A busy client makes latencies longer, so a load that is within the SLOs all the same is, if it was kept up. One that
    misses them by more than a client or a trend explains does miss them. A load within the SLOs on too few requests is
    climbed on from, and has that as a doubt; one beyond them on too few is unclear.
    """
    if s.verdict == "unseen":
        return "unclear"
    if _missed_by_far(s):
        return "missed"
    if s.window.enough and not s.window.steady:
        return "unclear"
    if s.meets_slos:
        return "met" if _kept_up(s) else "unclear"
    return "missed" if s.verdict == "missed" and not s.client_limited else "unclear"


def _missed_by_far(s: LevelSummary) -> bool:
    lag_s = s.fidelity.loop_lag_p99_s if s.fidelity else 0.0
    return any((o.value_s or 0.0) > FAR * o.slo.bound_s + lag_s for o in s.settled_misses)


def _kept_up(s: LevelSummary) -> bool:
    """Whether the client sent the load that it should, and lost no figure that the SLOs are about."""
    proof = s.fidelity
    if proof is None or not proof.client_limited:
        return True
    if proof.workers_lost or proof.own_faults or proof.achieved < ACHIEVED_LIMIT:
        return False
    objectives = s.goodput.objectives if s.goodput else ()
    if proof.late_coalesced_fraction > LATE_MERGED_LIMIT and any(o.slo.metric == "itl" for o in objectives):
        return False
    return proof.loop_lag_p99_s <= LAG_SHARE * (s.latency.e2e_s.p50 or math.inf)


def too_short(s: LevelSummary) -> bool:
    """Whether more time may settle the level: too few requests, or no steady state yet."""
    settled = s.failed or s.verdict == "unseen" or _missed_by_far(s)
    return not settled and (bool(s.unsettled) or not s.window.steady)


def grows(before: LevelSummary, after: LevelSummary) -> float | None:
    """By how much throughput grew between two loads, as a share; None where it no longer follows the load."""
    slow, fast = (s.throughput.window.output_tok_s or 0.0 for s in (before, after))
    growth = fast / slow if slow else math.inf
    enough = growth > 1 + (SATURATED - 1) * (after.load.size / before.load.size - 1)
    return growth - 1 if enough else None


def most_met(tried: Mapping[int, LevelSummary]) -> int:
    """The most users that are within the SLOs, 0 if none are."""
    return max((users for users, s in tried.items() if verdict(s) == "met"), default=0)


def climb_answer(tried: Mapping[int, LevelSummary], slo: str) -> SearchAnswer:
    """The answer of a climb by the last summary of each number of users."""
    return {"kind": "slo", "users": most_met(tried) or None, "steps": len(tried), "slo": slo}


@dataclass(slots=True)
class QuickClimb:
    """The loads of `quick` within `budget_s`. `needs_s` is the time it would have taken to go on, None at its end.

    `tried` holds the last summary of each number of users, `seconds` is the duration of the next level.
    """

    setup: Setup
    budget_s: float = 60 * MINUTES
    clock: Callable[[], float] = time.monotonic
    level_s: float = LEVEL_S
    most_users: int = MOST_USERS
    seconds: float = LEVEL_S
    needs_s: float | None = None
    tried: dict[int, LevelSummary] = field(default_factory=dict)
    repeated: set[int] = field(default_factory=set)
    _started_s: float | None = None
    _began_s: float = 0.0
    _beside_s: float = 0.0

    def next_load(self) -> Load | None:
        """The next number of users; None when the answer is final or the time is up."""
        self._began_s = self.clock()
        self._started_s = self._began_s if self._started_s is None else self._started_s
        self.needs_s = None
        self.seconds = self._usual_s()
        users = self._next()
        if users is None or (self.tried and not self._fits(self.seconds)):
            return None
        self.needs_s = None
        return self.setup.closed_load(users)

    def observe(self, load: Load, level: LevelOnDisk) -> None:
        self._beside_s = max(self.clock() - self._began_s - self.seconds, 0.0)
        if isinstance(load, Closed):
            self.tried[load.users] = level.summary

    @property
    def levels(self) -> int | None:
        return None

    def answer(self) -> SearchAnswer:
        return climb_answer(self.tried, self.setup.config.slo)

    def measure(
        self, setup: Setup, folder: RunFolder, number: int, load: Load, correction: Correction, watch: Watch
    ) -> LevelOnDisk:
        """Measure a level for as long as the climb chose."""
        setup = replace(setup, until=replace(setup.until, seconds=self.seconds))
        return measure(setup, folder, number, load, correction, watch)

    def _most_met(self) -> int:
        return most_met(self.tried)

    def _next(self) -> int | None:
        if not self.tried:
            return 1
        met = self._most_met()
        above = sorted(u for u in self.tried if u > met)
        if not above:
            return met * 2 if met < self.most_users else self._again(met)
        lowest, top = above[0], self.tried[above[-1]]
        if top.verdict == "unseen" or (lowest == 1 and verdict(self.tried[1]) == "missed"):
            return self._to_the_knee() or self._again(1)
        missed = next((u for u in above if verdict(self.tried[u]) == "missed"), None)
        if missed is None:
            return self._past_unclear(met, above)
        unclear = [u for u in above if u < missed]
        between = (met + missed) // 2
        if missed - met > max(1, met // 4) and between not in unclear:
            return between
        return self._again(missed) or next(filter(None, map(self._again, unclear)), None) or self._again(met)

    def _past_unclear(self, met: int, above: list[int]) -> int | None:
        """A higher load may be clear where one was not; two in a row will stay so."""
        top = above[-1]
        if len(above) == 1 and top < self.most_users:
            return top * 2
        return next(filter(None, map(self._again, above)), None) or self._again(met)

    def _fits(self, seconds: float) -> bool:
        """Whether a level of that duration ends within the budget; notes what it would need where it does not."""
        end_s = self._began_s - (self._started_s or 0.0) + seconds + self._beside_s
        if end_s > self.budget_s:
            self.needs_s = max(end_s, self.needs_s or 0.0)
        return end_s <= self.budget_s

    def _again(self, users: int) -> int | None:
        """This load once more for as long as it needs, if it had one try, and more time may settle it and is there."""
        s = self.tried.get(users)
        if s is None or users in self.repeated or not too_short(s):
            return None
        seconds = max(2 * self._usual_s(), _settled_s(s, users))
        if not self._fits(seconds):
            return None
        self.repeated.add(users)
        self.seconds = seconds
        return users

    def _to_the_knee(self) -> int | None:
        """Double until throughput no longer grows."""
        users = sorted(self.tried)
        top = self.tried[users[-1]]
        if users[-1] >= self.most_users or top.failed or not _kept_up(top):
            return None
        if len(users) > 1 and grows(self.tried[users[-2]], top) is None:
            return None
        return users[-1] * 2

    def _usual_s(self) -> float:
        """The duration of a level by that of an answer at the highest load so far."""
        e2e_s = self.tried[max(self.tried)].latency.e2e_s.p50 if self.tried else None
        return max(self.level_s, min(LIVES * (e2e_s or 0.0), LONGEST_S))


def _settled_s(s: LevelSummary, users: int) -> float:
    """How long a level must last for its quantiles and its steady state, by the pace that it had."""
    objectives = s.goodput.objectives if s.goodput else ()
    requests = max(MIN_REQUESTS, *(needed(QUANTILES.get(o.slo.statistic, 0.0)) for o in objectives), 0) + 2 * users
    rate = s.window.requests / s.window.seconds if s.window.seconds and s.window.requests else 0.0
    return max(1.2 * requests / rate if rate else 0.0, s.window.needs_s or 0.0)
