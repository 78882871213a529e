"""Steps as a form names them, put in the order in which they may run; the rules that every form must keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import isfinite

from paretoken.errors import ParetokenError, quoted
from paretoken.sessions.graph import NO_STEP, Step

MOST_STEPS = 100_000
"""Steps of a session; more are taken for a mistake."""
MOST_LINKS = 1_000_000
"""Steps that the steps of a session wait for, all together."""
MOST_WAIT_S = 31 * 86_400.0
"""A longer wait or tool is taken for a wrong unit."""


class BadSession(ParetokenError):
    """A session that cannot be run: a cycle, a missing parent, a negative time. The message names the step.

    `reason` is the same for all sessions with that fault.
    """

    def __init__(self, message: str, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedStep:
    """A step with the ids of a form: `after` and `continues` name other steps; those of `step` are not read."""

    id: str
    step: Step
    after: tuple[str, ...] = ()
    continues: str = ""


@dataclass(slots=True)
class StepList:
    """The steps of a session as they are read. Raises BadSession once they, or what they wait for, are too many."""

    steps: list[NamedStep] = field(default_factory=list)
    _links: int = 0

    def append(self, step: NamedStep) -> None:
        """One more step."""
        self._links += len(step.after)
        if len(self.steps) >= MOST_STEPS:
            raise BadSession(f"has more than {MOST_STEPS:,} steps", "too many steps")
        if self._links > MOST_LINKS:
            why = f"has steps that wait for more than {MOST_LINKS:,} others, all together"
            raise BadSession(why, "too many steps waited for")
        self.steps.append(step)


def arranged(steps: Sequence[NamedStep]) -> tuple[Step, ...]:
    """The steps with indices for ids, each behind those it waits for, else in the order given. Raises BadSession."""
    places: dict[str, int] = {}
    for place, step in enumerate(steps):
        if places.setdefault(step.id, place) != place:
            why = f"step {quoted(step.id)} occurs twice; give every step an id of its own"
            raise BadSession(why, "two steps with one id")
    parents = [_parents(step, places) for step in steps]
    for step in steps:
        _check_times(step)
    order = _order(steps, parents)
    index = {place: i for i, place in enumerate(order)}
    return tuple(_indexed(steps[place], parents[place], places, index) for place in order)


def _parents(step: NamedStep, places: Mapping[str, int]) -> list[int]:
    for name in (*step.after, *filter(None, (step.continues,))):
        if name not in places:
            why = f"step {quoted(step.id)} waits for {quoted(name)}, which is not in the session"
            raise BadSession(why, "a step that waits for a missing one")
    # A context must be complete before another call goes on with it.
    continued = (places[step.continues],) if step.continues else ()
    return list(dict.fromkeys((*(places[name] for name in step.after), *continued)))


def _check_times(step: NamedStep) -> None:
    if step.step.began_s is not None and not (isfinite(step.step.began_s) and step.step.began_s >= 0):
        raise BadSession(f"step {quoted(step.id)} began {step.step.began_s:g} s after its session", "a negative time")
    for what, seconds in (("waits", step.step.wait_s), ("runs", step.step.seconds)):
        if seconds is None:
            continue
        if not isfinite(seconds) or seconds < 0:
            raise BadSession(f"step {quoted(step.id)} {what} {seconds:g} s; times must be 0 or more", "a negative time")
        if seconds > MOST_WAIT_S:
            why = f"step {quoted(step.id)} {what} {seconds:,.0f} s, over a month; check the unit of times"
            raise BadSession(why, "a time over a month")


def _order(steps: Sequence[NamedStep], parents: Sequence[Sequence[int]]) -> list[int]:
    """Places in topological order; of steps that may run, the first in the file comes first."""
    missing = [len(p) for p in parents]
    children: list[list[int]] = [[] for _ in steps]
    for place, above in enumerate(parents):
        for parent in above:
            children[parent].append(place)
    ready, order = [place for place, n in enumerate(missing) if not n], list[int]()
    while ready:
        place = heappop(ready)
        order.append(place)
        for child in children[place]:
            missing[child] -= 1
            if not missing[child]:
                heappush(ready, child)
    if len(order) < len(steps):
        stuck = next(place for place, n in enumerate(missing) if n)
        why = f"step {quoted(steps[stuck].id)} waits for itself, directly or through other steps"
        raise BadSession(why, "a cycle of steps")
    return order


def _indexed(named: NamedStep, parents: Sequence[int], places: Mapping[str, int], index: Mapping[int, int]) -> Step:
    call = named.step.call
    if call is not None:
        call = replace(call, continues=index[places[named.continues]] if named.continues else NO_STEP)
    return replace(named.step, after=tuple(sorted(index[p] for p in parents)), call=call)
