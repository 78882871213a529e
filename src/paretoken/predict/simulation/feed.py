"""Hands the requests of a source to a scheduler or a router when they are due."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paretoken.predict.simulation.sources import ClosedLoop, RequestSource


class Feed:
    """`put` takes (arrival s, request); `before_s[i]` is from due to the arrival of request i."""

    def __init__(self, source: RequestSource, before_s: list[float], put: Callable[[tuple[float, int]], None]) -> None:
        n = len(source.input_tokens)
        self.before_s, self.requests, self.put = before_s, n, put
        if isinstance(source, ClosedLoop):
            self.think_s, self.next, self.due = source.think_s, min(source.users, n), [0.0] * n
            self.user = list(range(self.next)) + [0] * (n - self.next)
        else:
            self.think_s, self.next, self.due = 0.0, n, np.asarray(source.due_s, dtype=float).tolist()
            self.user = [-1] * n

    def open(self) -> None:
        """Put every request of an open loop, or the first request of each user."""
        for i in range(self.next):
            self.put((self.due[i] + self.before_s[i], i))

    def ended(self, request: int, at_s: float) -> None:
        """A user of a closed loop goes on to the next request."""
        i = self.next
        if i < self.requests:
            self.next = i + 1
            self.user[i] = self.user[request]
            self.due[i] = due = at_s + self.think_s
            self.put((due + self.before_s[i], i))
