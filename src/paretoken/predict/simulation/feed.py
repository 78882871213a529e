"""Hands the requests of a source to a scheduler or a router when they are due."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paretoken.predict.simulation.sources import ClosedLoop, RequestSource, SessionLoad

Put = Callable[[tuple[float, int]], None]


class Feed:
    """`put` takes (arrival s, request); `before_s[i]` is from due to the arrival of request i."""

    def __init__(self, source: RequestSource, before_s: list[float], put: Put) -> None:
        n = len(source.input_tokens)
        self.before_s, self.requests, self.put = before_s, n, put
        if isinstance(source, ClosedLoop):
            self.think_s, self.next, self.due = source.think_s, min(source.users, n), [0.0] * n
            self.user = list(range(self.next)) + [0] * (n - self.next)
        else:
            due_s = np.zeros(n) if isinstance(source, SessionLoad) else np.asarray(source.due_s, dtype=float)
            self.think_s, self.next, self.due = 0.0, n, due_s.tolist()
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


class SessionFeed(Feed):
    """Requests of sessions: each once all that it waits for have ended. `user` is the session's user, else -1.

    The next session is dealt to the user whose last request ends first, and begins when that user's tools have ended.
    """

    def __init__(self, source: SessionLoad, before_s: list[float], put: Put) -> None:
        super().__init__(source, before_s, put)
        n = self.requests
        self.first, self.root_s, self.tail_s = source.first.tolist(), source.root_s.tolist(), source.tail_s.tolist()
        self.least_s = source.least_s.tolist()
        self.sessions, self.users = len(self.first) - 1, source.users
        self.session = np.repeat(np.arange(self.sessions), np.diff(source.first)).tolist()
        order = np.argsort(source.parent, kind="stable")
        self.edge = np.searchsorted(source.parent[order], np.arange(n + 1)).tolist()
        self.child, self.gap_s = source.child[order].tolist(), source.gap_s[order].tolist()
        self.missing = np.bincount(source.child, minlength=n).tolist()
        self.left = np.diff(source.first).tolist()  # requests of each session that have not ended
        self.end_s = [0.0] * self.sessions
        self.begin_s = [0.0] * self.sessions if source.begin_s is None else source.begin_s.tolist()
        self.next = 0

    def open(self) -> None:
        """Begin every session that has a time of its own, or the first of each user."""
        if self.users is not None:
            for user in range(min(self.users, self.sessions)):
                self._go_on(0.0, user)
            return
        for session in range(self.sessions):
            self._begin(session, self.begin_s[session], -1)

    def ended(self, request: int, at_s: float) -> None:
        """Put the requests that waited for this one last; at the end of a session its user begins the next."""
        due, missing, child, gap_s = self.due, self.missing, self.child, self.gap_s
        for edge in range(self.edge[request], self.edge[request + 1]):
            i = child[edge]
            due[i] = max(due[i], at_s + gap_s[edge])
            missing[i] -= 1
            if not missing[i]:
                self.put((due[i] + self.before_s[i], i))
        session = self.session[request]
        self.end_s[session] = max(self.end_s[session], at_s + self.tail_s[request])
        self.left[session] -= 1
        if not self.left[session] and self.users is not None:
            self._go_on(self.end_s[session], self.user[request])

    def _go_on(self, at_s: float, user: int) -> None:
        """Begin the next session of a user; one without requests ends with its tools."""
        while self.next < self.sessions:
            session = self.next
            self._begin(session, at_s, user)
            if self.left[session]:
                return
            at_s = self.end_s[session]

    def _begin(self, session: int, at_s: float, user: int) -> None:
        self.next, self.begin_s[session] = session + 1, at_s
        self.end_s[session] = at_s + self.least_s[session]
        for i in range(self.first[session], self.first[session + 1]):
            self.user[i] = user
            self.due[i] = at_s + max(self.root_s[i], 0.0)
            if not self.missing[i]:
                self.put((self.due[i] + self.before_s[i], i))


def feed_of(source: RequestSource, before_s: list[float], put: Put) -> Feed:
    """The feed of a source."""
    if isinstance(source, SessionLoad):
        return SessionFeed(source, before_s, put)
    return Feed(source, before_s, put)
