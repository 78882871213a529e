"""Sessions as they are played: which calls are due, and what their ends lead to.

Pure bookkeeping: no clock and no socket inside. Times are nanoseconds since the start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from paretoken.bench.plan import PlannedSession, Prepared
from paretoken.sessions.flow import FlowState

Message = Mapping[str, object]


class Play:
    """One session that runs, of a user, or of none in an open loop (-1)."""

    __slots__ = (
        "_children",
        "_unsent",
        "answered",
        "cut",
        "failed",
        "flow",
        "running",
        "session",
        "tail_ns",
        "user",
        "wait_ns",
        "waiting",
    )

    def __init__(self, session: PlannedSession, user: int, at_ns: int) -> None:
        self.session = session
        self.flow = FlowState(session.flow)
        self.user = user
        self.running = self.waiting = self.answered = 0  # calls sent, calls that wait for their time, calls answered
        self.failed = self.cut = False
        self.wait_ns = 0  # what the server asked for when it refused a call
        self.tail_ns = at_ns + session.flow.least_ns  # when its last call or tool ends
        self._children: list[list[int]] = [[] for _ in session.flow.parents]
        self._unsent = [len(parents) for parents in session.flow.parents]
        for call, parents in enumerate(session.flow.parents):
            for parent, _ in parents:
                self._children[parent].append(call)

    @property
    def stopped(self) -> bool:
        """Whether none of its calls is sent any more."""
        return self.failed or self.cut

    @property
    def over(self) -> bool:
        """Whether nothing of it runs or will be sent."""
        return not self.running and not self.waiting

    def sent(self, call: int) -> list[int]:
        """The calls that wait only for calls that have been sent, by this one."""
        ready = []
        for child in self._children[call]:
            self._unsent[child] -= 1
            if not self._unsent[child]:
                ready.append(child)
        return ready

    def stop(self, *, failed: bool) -> None:
        """Send none of the calls that wait."""
        self.failed |= failed
        self.cut |= not failed
        self.waiting = 0


class Plays:
    """The sessions that run in one worker."""

    __slots__ = ("_due", "_order", "_to_build", "begun", "closing", "running")

    def __init__(self) -> None:
        self.running: dict[int, Play] = {}  # by the session's number
        self._due: list[tuple[int, int, Play, int]] = []  # a heap: due, order, session, call
        self._to_build: deque[tuple[Play, int]] = deque()
        self._order = 0
        self.begun = 0
        self.closing = False

    def begin(self, session: PlannedSession, user: int, at_ns: int) -> None:
        """Begin a session: the times of its first calls are then known."""
        play = self.running[session.number] = Play(session, user, at_ns)
        self.begun += 1
        self._wait(play, play.flow.begin(at_ns))

    def next_ns(self) -> int | None:
        """When the next call is due, None where none is."""
        due = self._due
        while due and due[0][2].stopped:
            heappop(due)
        return due[0][0] if due else None

    def pop(self) -> tuple[Prepared, int, int]:
        """(request, user, due ns) of the call that `next_ns` is of."""
        due_ns, _, play, call = heappop(self._due)
        play.waiting -= 1
        play.running += 1
        prepared = play.session.request(call)
        following = play.sent(call)
        if not play.session.own_answers:
            self._to_build.extend((play, child) for child in following)
        return prepared, play.user, due_ns

    def ended(self, prepared: Prepared, status: str, answer: Message | None, at_ns: int, wait_ns: int) -> Play | None:
        """Take the end of a call; the session if that was its end. `wait_ns` is what the server asked for."""
        play, call = self.running[prepared.session], prepared.turn
        play.running -= 1
        play.tail_ns = max(play.tail_ns, at_ns)
        if status == "ok":
            self._answered(play, call, answer, at_ns)
        else:
            play.stop(failed=status != "cancelled")
            play.wait_ns = max(play.wait_ns, wait_ns)
        return self.running.pop(prepared.session) if play.over else None

    def build(self) -> bool:
        """Build one request ahead of its time; whether there was one to build."""
        while self._to_build:
            play, call = self._to_build.popleft()
            if not play.stopped:
                play.session.build(call)
                return True
        return False

    def close(self) -> int:
        """Send no call any more; how many sessions ended by that."""
        self.closing = True
        for play in self.running.values():
            if play.waiting:
                play.stop(failed=False)
        going_on = {number: play for number, play in self.running.items() if not play.over}
        over = len(self.running) - len(going_on)
        self.running = going_on
        return over

    def _answered(self, play: Play, call: int, answer: Message | None, at_ns: int) -> None:
        play.answered += 1
        for parent, gap in play.session.flow.tails:
            if parent == call:
                play.tail_ns = max(play.tail_ns, at_ns + gap)
        if play.stopped:
            return
        play.session.answered(call, answer)
        self._wait(play, play.flow.ended(call, at_ns))

    def _wait(self, play: Play, calls: Sequence[tuple[int, int]]) -> None:
        if self.closing and calls:
            play.stop(failed=False)
            return
        for call, due_ns in calls:
            heappush(self._due, (due_ns, self._order, play, call))
            self._order += 1
            play.waiting += 1
            if play.session.own_answers:
                self._to_build.append((play, call))
