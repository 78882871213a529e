"""Even spacing of the sends of one step, so that a send which takes long does not delay every token after it."""

from __future__ import annotations

import time
from collections.abc import Callable

BATCH = 16
"""Sends between two looks at the clock; a step of fewer has no spacing."""
MARGIN = 1.25
"""Spacing over the mean time of a send: what it leaves makes up for slow ones."""
MOST_OF_STEP = 0.7
"""Share of a step that its sends may be spread over; the rest is for the requests that come."""
MEMORY = 0.02
"""Weight of the latest step in the mean time of a send; slow, since a change of the spacing changes all gaps."""
SHORTEST_SLEEP_S = 50e-6


class SendSpacing:
    """When the n-th send of a step may leave: n times the spacing after its first.

    `clock` and `sleep` are in seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._send_s = 0.0
        self._begun_s = self._slept_s = self._spacing_s = 0.0

    def begin(self, due_s: float, step_s: float, sends: int) -> None:
        """A step of that many sends was due then; the next is due `step_s` later."""
        now_s = self._clock()
        self._begun_s, self._slept_s = now_s, 0.0
        self._first_s = min(due_s, now_s)
        self._spacing_s = min(MARGIN * self._send_s, MOST_OF_STEP * step_s / sends) if sends > BATCH else 0.0

    def keep(self, sent: int) -> None:
        """Wait until the next batch may leave, after `sent` sends; called after every BATCH."""
        ahead_s = self._first_s + sent * self._spacing_s - self._clock()
        if ahead_s > SHORTEST_SLEEP_S:
            before_s = self._clock()
            self._sleep(ahead_s)
            self._slept_s += self._clock() - before_s

    def end(self, sends: int) -> None:
        """All sends of the step are out: learn what one takes."""
        if sends <= BATCH:
            return
        took_s = (self._clock() - self._begun_s - self._slept_s) / sends
        self._send_s += (took_s - self._send_s) * (MEMORY if self._send_s else 1.0)
