"""Recorded times become a graph: what began before another step had ended did not wait for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import groupby

from paretoken.errors import quoted
from paretoken.sessions.arrange import BadSession, NamedStep, StepList
from paretoken.sessions.graph import Step

SLACK_S = 1e-6
DIGITS = 9
"""Decimals of times in s that are differences of others."""
DEEPEST = 50
"""Levels of agents inside agents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A model call or a tool call at its recorded times; without a `step`, an agent with what it did, its `inner`.

    Times are seconds from any zero. It follows the steps `follows` of the same agent, whatever their times say.
    """

    id: str
    begin_s: float
    end_s: float
    step: Step | None = None
    inner: tuple[Recorded, ...] = ()
    follows: tuple[str, ...] = ()
    continues: str = ""

    @property
    def ended_s(self) -> float:
        """When it and all that it did had ended."""
        return max([self.end_s, self.begin_s, *(item.ended_s for item in self.inner)])


def too_deep(kind: str, name: str) -> BadSession:
    """The error for an agent or a conversation below more than `DEEPEST` others."""
    return BadSession(f"{kind} {quoted(name)} is nested more than {DEEPEST} levels deep", "agents nested too deep")


Ends = Mapping[str, float]
"""Steps by id with the times at which they ended."""


def begin_of(items: Iterable[Recorded]) -> float:
    """The time of the first step, also inside agents."""
    return min(min(item.begin_s, begin_of(item.inner)) if item.inner else item.begin_s for item in items)


def steps_in_time(items: Sequence[Recorded], *, slack_s: float = SLACK_S) -> list[NamedStep]:
    """The steps in the order of their start, each after those of its agent that had ended when it began.

    Of these only the last are named, as they waited for the others. The first steps of an agent wait for what the agent
    itself waited for; what comes after an agent waits for its last steps. Steps may overlap by `slack_s`, for times
    that were rounded. Where a step begins later than all it waits for have ended, the difference is its wait.
    """
    steps = StepList()
    if items:
        _place(items, {}, begin_of(items), slack_s, steps, 0)
    return steps.steps


def _place(items: Sequence[Recorded], before: Ends, zero_s: float, slack_s: float, steps: StepList, depth: int) -> Ends:
    """Append the steps of one agent; the ends of those that none of its others waits for."""
    if depth > DEEPEST:
        raise too_deep("agent", items[0].id)
    begins = {item.id: item.begin_s for item in items}
    last: dict[str, Ends] = {}  # by item: its last steps
    waited: set[str] = set()
    for item, earlier in _with_earlier(items, slack_s):
        parents = [*_not_before(earlier, begins, item.follows), *item.follows]
        waited.update(parents)
        ends = {id_: end for parent in parents for id_, end in last.get(parent, {}).items()} or before
        if item.step is None and item.inner:
            last[item.id] = _place(item.inner, ends, zero_s, slack_s, steps, depth + 1)
            continue
        wait_s = round(max(item.begin_s - max(ends.values(), default=zero_s), 0.0), DIGITS)
        own = item.step or Step(name=item.id, seconds=round(item.end_s - item.begin_s, DIGITS))
        step = replace(own, wait_s=wait_s, began_s=round(item.begin_s - zero_s, DIGITS))
        steps.append(NamedStep(id=item.id, step=step, after=tuple(ends), continues=item.continues))
        last[item.id] = {item.id: max(item.begin_s, item.end_s)}
    return {id_: end for item, ends in last.items() if item not in waited for id_, end in ends.items()}


def _with_earlier(items: Sequence[Recorded], slack_s: float) -> Iterable[tuple[Recorded, list[Recorded]]]:
    """Each item by its start, with the items that had ended then, less those that another of these follows."""
    running: list[tuple[float, int]] = []
    ordered = sorted(items, key=lambda item: (item.begin_s, item.ended_s, item.id))
    ended: list[Recorded] = []
    latest_s = float("-inf")  # the last start of those that have ended
    for begin_s, group in groupby(enumerate(ordered), key=lambda pair: pair[1].begin_s):
        while running and running[0][0] <= begin_s + slack_s:
            ended.append(ordered[heappop(running)[1]])
            latest_s = max(latest_s, ended[-1].begin_s)
        ended = [e for e in ended if e.begin_s >= latest_s or e.ended_s > latest_s + slack_s]
        for place, item in group:
            yield item, list(ended)
            heappush(running, (item.ended_s, place))


def _not_before(earlier: Sequence[Recorded], begins: Ends, follows: Sequence[str]) -> list[str]:
    """The ids of `earlier` without what others of it follow and what had ended before `follows` began."""
    begin_s = max((begins[id_] for id_ in follows), default=float("-inf"))
    followed = {*follows, *(id_ for item in earlier for id_ in item.follows)}
    return [item.id for item in earlier if item.ended_s > begin_s and item.id not in followed]


def tools_for_waits(steps: Sequence[NamedStep], with_results: Collection[str]) -> list[NamedStep]:
    """The steps with a tool call in place of each wait before a call that brings results of tools."""
    out: list[NamedStep] = []
    for named in steps:
        step = named.step
        if named.id in with_results and named.after and step.wait_s:
            began_s = None if step.began_s is None else round(step.began_s - step.wait_s, DIGITS)
            tool = Step(name="tool", seconds=step.wait_s, agent=step.agent, began_s=began_s)
            out.append(NamedStep(id=f"{named.id} tool", step=tool, after=named.after))
            named = replace(named, step=replace(step, wait_s=0.0), after=(out[-1].id,))
        out.append(named)
    return out
