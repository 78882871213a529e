"""Which request is due next: the users of a closed loop or the schedule of an open one.

Pure bookkeeping: no clock and no socket inside. Times are nanoseconds since the start.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from paretoken.bench.plan import Prepared

FIRST_BACKOFF_NS = 50_000_000
LONGEST_BACKOFF_NS = 1_000_000_000
LONGEST_RETRY_AFTER_NS = 60_000_000_000
READY_AHEAD = 256


class Users:
    """Closed loop: each user sends again when its last answer ended, after thought or, on failure, a rest."""

    def __init__(self, users: Iterable[int], think_ns: int, start_ns: Callable[[int], int] = lambda user: 0) -> None:
        self._think_ns = think_ns
        self._due = sorted((start_ns(user), user) for user in users)
        self._starts = [start for start, _ in self._due]
        self._failures = {user: 0 for _, user in self._due}

    def busy_ns(self, now_ns: int) -> int:
        """The time that the users should have been busy until now, summed; 0 where they may think between requests."""
        return 0 if self._think_ns else sum(max(now_ns - start, 0) for start in self._starts)

    def next_ns(self) -> int | None:
        """When the next user is ready, None while all are busy."""
        return self._due[0][0] if self._due else None

    def pop(self) -> tuple[int, int]:
        """(ready time, user) of the first."""
        return heapq.heappop(self._due)

    def ended(self, user: int, now_ns: int, ok: bool, wait_ns: int) -> bool:
        """The user's answer ended; whether it sends again at once. It waits at least `wait_ns` if that is above 0."""
        if ok:
            self._failures[user] = 0
            wait = max(wait_ns, self._think_ns)
        else:
            # A server that refuses at once must not be hammered with a million failures a minute.
            rest = min(FIRST_BACKOFF_NS << min(self._failures[user], 10), LONGEST_BACKOFF_NS)
            self._failures[user] += 1
            wait = max(rest, min(wait_ns, LONGEST_RETRY_AFTER_NS), self._think_ns)
        if not wait:
            return True
        heapq.heappush(self._due, (now_ns + wait, user))
        return False


class Schedule:
    """Open loop: fixed due times, whatever became of the requests before."""

    def __init__(self, due_ns: list[int]) -> None:
        self._due = due_ns
        self._at = 0

    def next_ns(self) -> int | None:
        return self._due[self._at] if self._at < len(self._due) else None

    def pop(self) -> tuple[int, int]:
        self._at += 1
        return self._due[self._at - 1], -1

    def ended(self, user: int, now_ns: int, ok: bool, wait_ns: int) -> bool:
        return False


class Requests:
    """Prepared requests, a few ahead of need, at most `share`; the turns of a conversation one at a time."""

    def __init__(self, source: Iterator[Prepared], share: int | None) -> None:
        self._source = source
        self._share = share
        self._ready: deque[Prepared] = deque()
        self._running: dict[int, deque[tuple[Prepared, int]]] = {}
        self.taken = 0
        self.waiting_turns = 0
        self.dry = False

    @property
    def exhausted(self) -> bool:
        """Whether no request will come any more (waiting turns aside)."""
        return (self.dry and not self._ready) or self._used_up()

    def _used_up(self) -> bool:
        return self._share is not None and self.taken >= self._share

    def fill(self, most: int) -> bool:
        """Prepare up to `most` requests ahead; whether there was anything to do."""
        worked = False
        while not self.dry and most > 0 and len(self._ready) < READY_AHEAD:
            self._pull()
            most -= 1
            worked = True
        return worked

    def _pull(self) -> None:
        try:
            self._ready.append(next(self._source))
        except StopIteration:
            self.dry = True

    def take(self, due_ns: int = -1) -> Prepared | None:
        """The next request whose conversation is free, None where there is none.

        A turn whose predecessor is still running waits with its due time. In an open loop (`due_ns` given)
        None is then returned; in a closed loop the next request is tried.
        """
        while not self._used_up():
            if not self._ready:
                self._pull()
            if not self._ready:
                return None
            prepared = self._ready.popleft()
            self.taken += 1
            if prepared.session < 0:
                return prepared
            waiting = self._running.get(prepared.session)
            if waiting is None:
                self._running[prepared.session] = deque()
                return prepared
            waiting.append((prepared, due_ns))
            self.waiting_turns += 1
            if due_ns >= 0:
                return None
        return None

    def ended(self, session: int) -> tuple[Prepared, int] | None:
        """A turn ended: the next one of its conversation that waits for it, with its due time."""
        waiting = self._running.get(session)
        if waiting:
            self.waiting_turns -= 1
            return waiting.popleft()
        self._running.pop(session, None)
        return None
