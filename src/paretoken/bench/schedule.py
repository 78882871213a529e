"""Which load comes next: a ladder as written, or a search for the highest load within objectives or for the knee."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from paretoken.bench.plan import Load
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.setup import Setup
from paretoken.bench.stats.doubts import TOO_MANY_ERRORS, client_limited, doubts
from paretoken.bench.stats.search import Knee, Search
from paretoken.bench.stats.trend import IN_FLIGHT, MAX_DRIFT, SIGNIFICANT
from paretoken.bench.workload.ladder import parse_rates, parse_users
from paretoken.errors import BadConfig

RATE_RESOLUTION = 0.05
"""How closely a search tells rates apart."""


class LoadSchedule(Protocol):
    """Which load comes next, given what was seen."""

    def next_load(self) -> Load | None: ...

    def observe(self, load: Load, level: LevelOnDisk) -> None: ...

    @property
    def levels(self) -> int | None:
        """How many there will be, if that is known."""

    def answer(self) -> dict[str, Any] | None:
        """What a search found."""


@dataclass(slots=True)
class Ladder:
    """Levels in the order given."""

    loads: list[Load]
    at: int = 0

    def next_load(self) -> Load | None:
        return self.loads[self.at] if self.at < len(self.loads) else None

    def observe(self, load: Load, level: LevelOnDisk) -> None:
        self.at += 1

    @property
    def levels(self) -> int | None:
        return len(self.loads)

    def answer(self) -> None:
        return None


@dataclass(slots=True)
class Searching:
    """The highest number of users, or the highest rate, that meets the objectives; or the knee.

    `limited` are loads within the objectives at which the client was the limit: the server may hold more.
    """

    setup: Setup
    search: Search | Knee
    asked: float = 0.0
    doubts: dict[float, list[str]] = field(default_factory=dict)
    limited: list[float] = field(default_factory=list)

    def next_load(self) -> Load | None:
        found = self.search.next_load()
        if found is None:
            return None
        self.asked = found
        setup, steps = self.setup, self.search.steps
        return setup.closed_load(int(found)) if self.search.whole else setup.open_load(found, steps)

    def observe(self, load: Load, level: LevelOnDisk) -> None:
        summary = level.summary
        self.doubts[self.asked] = doubts(summary)
        if isinstance(self.search, Search):
            within = meets(summary) and not piles_up(summary)
            if within and client_limited(summary):
                self.limited.append(self.asked)
            self.search.observe(self.asked, within and holds(summary))
        else:
            typical = (summary["latency"].get("e2e_s") or {}).get("p50") or float("inf")
            self.search.observe(self.asked, summary["throughput"]["window"]["output_tok_s"] or 0.0, typical)

    @property
    def levels(self) -> int | None:
        return None

    def answer(self) -> dict[str, Any] | None:
        kind = "slo" if isinstance(self.search, Search) else "knee"
        what = "users" if self.search.whole else "rate"
        answer, ceiling = self.search.answer, None if kind == "knee" else self.search.ceiling
        found = {"kind": kind, what: answer, "steps": self.search.steps, "doubts": self._doubts(answer, ceiling)}
        if kind == "knee":
            return found
        at_least = ceiling in self.limited
        return found | {"slo": self.setup.config.slo, "fails_at": None if at_least else ceiling, "at_least": at_least}

    def _doubts(self, answer: float | None, ceiling: float | None) -> list[str]:
        """What to know of the level that is the answer, and of the one above it."""
        above = ["the client, not the server, was the limit above it"] if ceiling in self.limited else []
        return [*self.doubts.get(answer, ()), *above]


def course(setup: Setup) -> LoadSchedule:
    """The course that the configuration asks for."""
    if setup.config.search is None:
        return Ladder(setup.loads())
    bounds = _bounds(setup)
    return Searching(setup, Search(**bounds) if setup.config.search == "slo" else Knee(**bounds))


def meets(summary: dict[str, Any]) -> bool:
    """Whether a level met every objective with few enough errors; `doubts` say what else speaks against it."""
    return TOO_MANY_ERRORS not in summary and bool((summary.get("goodput") or {}).get("met"))


def holds(summary: dict[str, Any]) -> bool:
    """Whether a level may stand in a search: the client was not the limit, and nothing drifted.

    One too short to tell may; the answer then says so.
    """
    window = summary["window"]
    return not client_limited(summary) and (window["steady"] or not window["enough"])


def piles_up(summary: dict[str, Any]) -> bool:
    """Whether an open loop's requests in flight kept growing: a rate that the server cannot hold for long."""
    flight = [t for t in summary["window"]["trends"] if t["name"] == IN_FLIGHT]
    return any(t["change"] > MAX_DRIFT and t["p_value"] < SIGNIFICANT for t in flight)


def _bounds(setup: Setup) -> dict[str, Any]:
    config = setup.config
    by_rate = config.rate is not None
    found = parse_rates(config.rate) if by_rate else parse_users(config.concurrency or "1:1024:x2")
    if not all(isinstance(n, (int, float)) for n in found):
        raise BadConfig("a search is not over a ramp: give it numbers, like --concurrency 1:256:x2 or --rate 0.5:64:x2")
    finest = {"whole": False, "resolution": RATE_RESOLUTION} if by_rate else {}
    return {"low": min(found), "high": max(found), **finest}
