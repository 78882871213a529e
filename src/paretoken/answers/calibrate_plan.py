"""Which load levels to measure on a server so that a calibration learns what it is asked about, in how much time.

One user, the highest load, and one between, at two lengths of prompt: together they tell apart what a step costs, what
each sequence adds, what a prompt takes and how prompts queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from paretoken.errors import BadConfig
from paretoken.plural import counted
from paretoken.predict.deployment import Lengths

LIVES = 5
"""Times that a request takes which a level lasts at least: filling up, three to measure, and the end."""
LEVEL_OVERHEAD_S = 3.0
SHORTEST, GRAIN = 16, 8
"""Fewest tokens of an answer, and the steps in which its length is chosen."""
FEWEST_USERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPair:
    """Nominal lengths, tokens, and the loads that are measured at them, each for so many seconds."""

    isl: int
    osl: int
    users: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderPlan:
    """What is measured. `notes` say where it falls short of the question."""

    pairs: tuple[LengthPair, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPace:
    """TTFT and TPOT in seconds at so many users."""

    users: int
    ttft_s: float
    tpot_s: float

    def life_s(self, osl: int) -> float:
        """Seconds of one request."""
        return self.ttft_s + self.tpot_s * (osl - 1)

    def at(self, users: int) -> RequestPace:
        """At fewer users, if requests take turns: the server that gains least from batches."""
        share = users / self.users
        return RequestPace(users=users, ttft_s=self.ttft_s * share, tpot_s=self.tpot_s * share)


def most_users(concurrency: tuple[int, ...], slots: int | None) -> int:
    """The highest load to measure: what the question is about, at most what the server computes at once."""
    wanted = max(*concurrency, FEWEST_USERS)
    return min(wanted, slots) if slots else wanted


def plan_ladder(lengths: Lengths, minutes: float, pace: RequestPace) -> LadderPlan:
    """The levels that fit into the time, where `pace` is that of the highest load.

    Answers get shorter, then users fewer, until each level is long enough for a steady state; BadConfig if even one
    user takes too long.
    """
    notes = list[str]()
    loads, isls = _loads(pace.users), _prompts(lengths.isl, pace.users)
    level_s = max(60 * minutes / (len(loads) * len(isls)) - LEVEL_OVERHEAD_S, 1.0)
    shortest = min(SHORTEST, lengths.osl)
    if pace.life_s(shortest) > level_s / LIVES:
        users = int(pace.users * level_s / LIVES / pace.life_s(shortest))
        needed = minutes * pace.life_s(shortest) * LIVES / level_s
        enough = f"--minutes {max(needed * 1.1, minutes + 1):.0f}"
        if users < 1:
            raise BadConfig(
                f"{minutes:g} minutes are too few: with {counted(pace.users, 'user')} a request of {lengths.isl} "
                f"tokens takes {pace.life_s(shortest):.3g} s; use {enough}, or a shorter --isl"
            )
        notes.append(f"{counted(pace.users, 'user')} need {enough}; at most {users} are measured")
        pace, loads = pace.at(users), _loads(users)
    osl = max(int((level_s / LIVES - pace.ttft_s) / pace.tpot_s / GRAIN) * GRAIN, shortest)
    osl = min(osl, lengths.osl)
    seconds = round(max(level_s - pace.life_s(osl), level_s / 2), 1)
    return LadderPlan(
        pairs=tuple(LengthPair(isl=isl, osl=osl, users=loads, seconds=seconds) for isl in isls), notes=tuple(notes)
    )


def _prompts(isl: int, users: int) -> tuple[int, ...]:
    """The prompt of the question and one that is far from it; a server of one request at a time needs a third."""
    far = isl // 4 if isl >= 64 else isl * 4
    return (isl, far) if users > 1 else (isl, far, (isl + far) // 2)


def _loads(most: int) -> tuple[int, ...]:
    return tuple(sorted({1, round(sqrt(most)), most}))
