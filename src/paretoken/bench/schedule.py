"""Which load comes next: a ladder as written, or a search for the highest load within the SLOs or for the knee."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from paretoken.bench.config import BenchConfig
from paretoken.bench.plan import Load
from paretoken.bench.run_folder import LevelOnDisk
from paretoken.bench.setup import Setup
from paretoken.bench.stats.level_summary import LevelSummary
from paretoken.bench.stats.search import Knee, Search
from paretoken.bench.workload.ladder import parse_rates, parse_users
from paretoken.errors import BadConfig

if TYPE_CHECKING:
    from paretoken.bench.stats.sweep_summary import SearchAnswer

RATE_RESOLUTION = 0.05
"""How closely a search tells rates apart."""


class LoadSchedule(Protocol):
    """Which load comes next, given the levels so far."""

    def next_load(self) -> Load | None: ...

    def observe(self, load: Load, level: LevelOnDisk) -> None: ...

    @property
    def levels(self) -> int | None:
        """The number of levels, if it is known."""

    def answer(self) -> SearchAnswer | None:
        """The result of a search, None for other schedules."""


@dataclass(slots=True)
class LadderSchedule:
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

    def answer(self) -> SearchAnswer | None:
        return None


@dataclass(slots=True)
class SearchOutcome:
    """What the levels of a search show: the highest number of users, or the highest rate, that meets the SLOs; or the
    knee.

    `limited` are loads within the SLOs at which the client was the limit: the server may sustain more. `open` are
    loads that nobody can call too many: no answer shows their SLOs, or too few requests do.
    """

    search: Search | Knee
    slo: str
    doubts: dict[float, tuple[str, ...]] = field(default_factory=dict)
    limited: list[float] = field(default_factory=list)
    open: list[float] = field(default_factory=list)

    def observe(self, size: float, summary: LevelSummary) -> None:
        """Take in the level of a load of that size."""
        self.doubts[size] = summary.doubts
        if summary.verdict == "unseen" or (summary.verdict == "unsure" and not summary.meets_slos):
            self.open.append(size)
        if isinstance(self.search, Search):
            within = summary.meets_slos and not summary.queue_grows
            if within and summary.client_limited:
                self.limited.append(size)
            self.search.observe(size, within and summary.counts_in_search)
        else:
            output_tok_s = summary.throughput.window.output_tok_s or 0.0
            self.search.observe(size, output_tok_s, summary.latency.e2e_s.p50 or math.inf)

    def answer(self) -> SearchAnswer:
        """The answer that the levels so far give."""
        highest = self.search.answer
        answer: SearchAnswer = {"users": highest} if self.search.whole else {"rate": highest}
        answer["steps"] = self.search.steps
        if isinstance(self.search, Knee):
            answer["kind"] = "knee"
            answer["doubts"] = self._doubts(highest, None)
            return answer
        ceiling = self.search.ceiling
        answer["kind"] = "slo"
        answer["doubts"] = self._doubts(highest, ceiling)
        answer["slo"] = self.slo
        answer["at_least"] = ceiling in self.limited
        answer["unknown"] = highest is None and ceiling in self.open
        answer["fails_at"] = None if answer["at_least"] or ceiling in self.open else ceiling
        return answer

    def _doubts(self, answer: float | None, ceiling: float | None) -> list[str]:
        """What to know of the level that is the answer, and of the one above it."""
        above = ["client-limited above that load"] if ceiling in self.limited else []
        below = answer if answer is not None else ceiling if ceiling in self.open else None
        return [*(self.doubts.get(below, ()) if below is not None else ()), *above]


@dataclass(slots=True)
class SearchSchedule:
    """The loads of a search."""

    setup: Setup
    search: Search | Knee
    size: float = 0.0
    outcome: SearchOutcome = field(init=False)

    def __post_init__(self) -> None:
        self.outcome = SearchOutcome(self.search, self.setup.config.slo)

    def next_load(self) -> Load | None:
        size = self.search.next_load()
        if size is None:
            return None
        self.size = size
        return self.setup.closed_load(int(size)) if self.search.whole else self.setup.open_load(size, self.search.steps)

    def observe(self, load: Load, level: LevelOnDisk) -> None:
        self.outcome.observe(self.size, level.summary)

    @property
    def levels(self) -> int | None:
        return None

    def answer(self) -> SearchAnswer:
        return self.outcome.answer()


def load_schedule(setup: Setup) -> LoadSchedule:
    """The schedule that the configuration describes."""
    search = search_of(setup.config)
    return LadderSchedule(setup.loads()) if search is None else SearchSchedule(setup, search)


def search_of(config: BenchConfig) -> Search | Knee | None:
    """The search that a configuration describes, None for a ladder."""
    if config.search is None:
        return None
    loads = _numbers(config)
    low, high, whole = min(loads), max(loads), config.rate is None
    if config.search == "slo":
        return Search(low=low, high=high, whole=whole, resolution=0.0 if whole else RATE_RESOLUTION)
    resolution = Knee().resolution if whole else RATE_RESOLUTION
    return Knee(low=low, high=high, whole=whole, resolution=resolution)


def _numbers(config: BenchConfig) -> list[float]:
    """The loads between which a search is made; BadConfig for a ramp."""
    loads = parse_users(config.concurrency or "1:1024:x2") if config.rate is None else parse_rates(config.rate)
    numbers = [n for n in loads if isinstance(n, (int, float))]
    if len(numbers) < len(loads):
        raise BadConfig("--search takes no ramp; use numbers, such as --concurrency 1:256:x2 or --rate 0.5:64:x2")
    return numbers
