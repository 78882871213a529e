"""Which load levels a short ladder measures, and for how long.

One user, the highest load and a load between them, at two prompt lengths. Together they separate the cost of a step,
the cost of each sequence in it, the time for a prompt, and the waiting time of prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.significant import significant

REQUESTS_PER_LEVEL = 5
"""Fewest requests of one user in a row that a level has time for: one to fill up, three to measure, one to end."""
LEVEL_OVERHEAD_S = 3.0
SHORTEST, GRAIN = 16, 8
"""Fewest output tokens of a level, and the step in which their number is chosen."""
FEWEST_USERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPair:
    """Nominal lengths in tokens, the loads to measure at them, and the duration of each load in seconds."""

    isl: int
    osl: int
    users: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderPlan:
    """The levels to measure; `notes` say where they fall short of the loads that were requested."""

    pairs: tuple[LengthPair, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPace:
    """TTFT and TPOT, in seconds, at this number of users."""

    users: int
    ttft_s: float
    tpot_s: float

    def e2e_s(self, osl: int) -> float:
        """E2E latency of a request."""
        return self.ttft_s + self.tpot_s * (osl - 1)

    def at(self, users: int) -> RequestPace:
        """The pace at fewer users if latency is proportional to users: batching gains a server at least nothing."""
        share = users / self.users
        return RequestPace(users=users, ttft_s=self.ttft_s * share, tpot_s=self.tpot_s * share)


def most_users(concurrency: tuple[int, ...], slots: int | None) -> int:
    """The highest load to measure: that of the question, at most the number of requests that the server batches."""
    wanted = max(*concurrency, FEWEST_USERS)
    return min(wanted, slots) if slots else wanted


def plan_ladder(isl: int, osl: int, minutes: float, pace: RequestPace) -> LadderPlan:
    """The levels that fit into the time; `pace` is that of the highest load at the question's prompt length.

    Answers are shortened first, then users reduced, until each level is long enough for a steady state. BadConfig if
    even one user takes too long.
    """
    notes = list[str]()
    loads, prompts = _loads(pace.users), _prompts(isl, pace.users)
    level_s = max(60 * minutes / (len(loads) * len(prompts)) - LEVEL_OVERHEAD_S, 1.0)
    request_s = level_s / REQUESTS_PER_LEVEL
    shortest = min(SHORTEST, osl)
    shortest_s = pace.e2e_s(shortest)
    if shortest_s > request_s:
        users = int(pace.users * request_s / shortest_s)
        enough = f"--minutes {max(minutes * shortest_s / request_s * 1.1, minutes + 1):.0f}"
        if users < 1:
            raise BadConfig(
                f"{minutes:g} minutes are too few: with {counted(pace.users, 'user')} a request of {isl} "
                f"tokens takes {significant(shortest_s, 3)} s; use {enough}, or a shorter --isl"
            )
        notes.append(f"{counted(pace.users, 'user')} need {enough}; at most {users} are measured")
        pace, loads, prompts = pace.at(users), _loads(users), _prompts(isl, users)
    longest = int((request_s - pace.ttft_s) / pace.tpot_s / GRAIN) * GRAIN
    osl = min(max(longest, shortest), osl)
    seconds = round(max(level_s - pace.e2e_s(osl), level_s / 2), 1)
    return LadderPlan(
        pairs=tuple(LengthPair(isl=prompt, osl=osl, users=loads, seconds=seconds) for prompt in prompts),
        notes=tuple(notes),
    )


def _prompts(isl: int, users: int) -> tuple[int, ...]:
    """The prompt length of the question and one far from it, with a third between them if there is only one load."""
    far = isl // 4 if isl >= 64 else isl * 4
    return (isl, far) if users > 1 else (isl, far, (isl + far) // 2)


def _loads(most: int) -> tuple[int, ...]:
    return tuple(sorted({1, round(sqrt(most)), most}))
