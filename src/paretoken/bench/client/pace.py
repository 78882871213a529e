"""Which request is due next: the users of a closed loop or the schedule of an open one.

Pure bookkeeping: no clock and no socket inside. Times are nanoseconds since the start.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from paretoken.bench.plan import PlannedSession, Prepared

FIRST_BACKOFF_NS = 50_000_000
LONGEST_BACKOFF_NS = 1_000_000_000
LONGEST_RETRY_AFTER_NS = 60_000_000_000
READY_AHEAD = 256
BYTES_AHEAD, BYTES_IN_TIME = 64 * 2**20, 4 * 2**20
"""Of the first requests of sessions that are ready before the load, and that are kept ready while it runs.

The later requests of the sessions that run may take as much as the first ones before the load.
"""


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

    def ended(self, user: int, now_ns: int, ok: bool, wait_ns: int, tail_ns: int = 0) -> bool:
        """The user's request or session ended; whether it sends again at once.

        It waits at least `wait_ns` if that is above 0; before, `tail_ns` pass in which the tools of its session end.
        """
        if ok:
            self._failures[user] = 0
            wait = max(wait_ns, self._think_ns)
        else:
            # A server that refuses at once must not be hammered with a million failures a minute.
            rest = min(FIRST_BACKOFF_NS << min(self._failures[user], 10), LONGEST_BACKOFF_NS)
            self._failures[user] += 1
            wait = max(rest, min(wait_ns, LONGEST_RETRY_AFTER_NS), self._think_ns)
        wait += tail_ns
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

    def ended(self, user: int, now_ns: int, ok: bool, wait_ns: int, tail_ns: int = 0) -> bool:
        return False


class Requests:
    """Requests and sessions to send, some prepared ahead of need: at most `share` requests, `sessions` sessions."""

    def __init__(
        self, source: Iterator[Prepared | PlannedSession], share: int | None = None, sessions: int | None = None
    ) -> None:
        self._source = source
        self._share = share
        self._sessions = sessions
        self._ready: deque[tuple[Prepared | PlannedSession, int]] = deque()
        self._ready_bytes = 0
        self.taken = self.sessions_taken = 0
        self.dry = False

    @property
    def exhausted(self) -> bool:
        """Whether no request and no session will come any more."""
        return (self.dry and not self._ready) or self.used_up or self.sessions_taken == self._sessions

    @property
    def used_up(self) -> bool:
        """Whether the share of requests has been taken, so that the calls of sessions are not sent either."""
        return self._share is not None and self.taken >= self._share

    def fill(self, most: int, most_bytes: int = BYTES_IN_TIME) -> bool:
        """Prepare up to `most` requests or sessions ahead; whether there was anything to do."""
        worked = False
        ready = READY_AHEAD if self._sessions is None else min(READY_AHEAD, self._sessions - self.sessions_taken)
        while not self.dry and most > 0 and len(self._ready) < ready and self._ready_bytes < most_bytes:
            self._pull(ahead=True)
            most -= 1
            worked = True
        return worked

    def _pull(self, ahead: bool) -> None:
        try:
            item = next(self._source)
        except StopIteration:
            self.dry = True
            return
        size = 0
        if ahead and not isinstance(item, Prepared):
            size = sum(item.build(call) for call, parents in enumerate(item.flow.parents) if not parents)
        self._ready.append((item, size))
        self._ready_bytes += size

    def take(self) -> Prepared | PlannedSession | None:
        """The next request or session, None where there is none. The calls of a session count as they are sent."""
        if self.exhausted:
            return None
        if not self._ready:
            self._pull(ahead=False)
        if not self._ready:
            return None
        item, size = self._ready.popleft()
        self._ready_bytes -= size
        if isinstance(item, Prepared):
            self.taken += 1
        else:
            self.sessions_taken += 1
        return item
