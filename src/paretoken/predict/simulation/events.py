"""Several engines moved together, from event to event of all of them.

Events at the same time have an order: steps end, requests reach a router, transfers end, steps start. Among equals the
lowest index is first.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf

from paretoken.predict.simulation.engine import EngineSimulator

ENDS, ARRIVES, TRANSFERRED, STARTS = range(4)


class EngineEvents:
    """The engines of a server and the heap of `events`: (s, kind, engine or request).

    A server implements `arrive`, which chooses the engine of a request, and `transferred`, the end of a transfer.
    """

    engines: Sequence[EngineSimulator]

    def __init__(self) -> None:
        self.events: list[tuple[float, int, int]] = []
        self.clock_s = 0.0

    @property
    def next_s(self) -> float:
        """When the next event is, s; inf where there is none."""
        return self.events[0][0] if self.events else inf

    def put(self, request: int, at_s: float) -> None:
        """Let a request reach the router at `at_s`."""
        heappush(self.events, (at_s, ARRIVES, request))

    def step(self) -> None:
        """Handle the next event."""
        self.clock_s, kind, index = heappop(self.events)
        if kind == ENDS:
            self._end(index)
        elif kind == ARRIVES:
            self.arrive(index)
        elif kind == TRANSFERRED:
            self.transferred(index)
        else:
            self._begin(index)

    def arrive(self, request: int) -> None:
        """A request is at the router."""
        raise NotImplementedError

    def transferred(self, request: int) -> None:
        """A transfer has ended."""
        raise NotImplementedError

    def _end(self, index: int) -> None:
        """End a step, unless it was cut and has ended already. Start the next one once nothing else is due now."""
        engine = self.engines[index]
        if engine.ends_s == self.clock_s:
            engine.finish()
            if self.events and self.events[0][0] <= self.clock_s:
                heappush(self.events, (self.clock_s, STARTS, index))
            else:
                self._begin(index)

    def _begin(self, index: int) -> None:
        engine = self.engines[index]
        if engine.ends_s == inf:
            engine.now = self.clock_s
            ends_s = engine.begin()
            if ends_s < inf:
                heappush(self.events, (ends_s, ENDS, index))
            elif engine.next_s < inf:  # it waits only for a load from a tier
                heappush(self.events, (engine.next_s, STARTS, index))

    def wake(self, index: int) -> None:
        """Start an engine that is idle, once nothing else is due now."""
        if self.engines[index].ends_s == inf:
            heappush(self.events, (self.clock_s, STARTS, index))

    def reschedule(self, index: int, planned_s: float) -> None:
        """Start an engine that was idle, or note the end of its steps if it is now earlier than `planned_s`."""
        engine = self.engines[index]
        if planned_s == inf:
            heappush(self.events, (self.clock_s, STARTS, index))
        elif engine.ends_s < planned_s:
            heappush(self.events, (engine.ends_s, ENDS, index))
