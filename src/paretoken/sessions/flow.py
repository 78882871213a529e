"""Which model calls of a session may begin, and when: tools and waits become gaps between calls."""

from __future__ import annotations

from dataclasses import dataclass

from paretoken.sessions.graph import Session

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Flow:
    """The n model calls of a session in their order, and what each waits for.

    Call i is due at the latest of `root_ns[i]` after the start of the session and, for each (call, gap) of
    `parents[i]`, that gap after the end of the call; times in ns. `root_ns` is None where it does not bind. `steps` are
    the indices of the calls in the session. The session ends with its last call, or later with tools that no call
    follows: at the latest of the gap of `tails` after the end of a call, for each of these, and `least_ns` after its
    begin.
    """

    steps: tuple[int, ...]
    parents: tuple[tuple[tuple[int, int], ...], ...]
    root_ns: tuple[int | None, ...]
    tails: tuple[tuple[int, int], ...] = ()
    least_ns: int = 0


def flow_of(session: Session, idle_cap_s: float | None = None) -> Flow:
    """The flow of a session. No wait and no tool lasts longer than `idle_cap_s`."""
    number = {step: i for i, step in enumerate(session.calls)}
    reached: list[dict[int, int]] = []  # by step: (call → gap ns from its end to the end of the step); −1 is the start
    parents: list[tuple[tuple[int, int], ...]] = []
    roots: list[int | None] = []
    for index, step in enumerate(session.steps):
        wait_ns = capped_ns(step.wait_s, idle_cap_s)
        begins: dict[int, int] = {} if step.after else {-1: wait_ns}
        for parent in step.after:
            for call, gap in reached[parent].items():
                begins[call] = max(begins.get(call, 0), gap + wait_ns)
        if index in number:
            roots.append(begins.pop(-1, None))
            parents.append(tuple(sorted(begins.items())))
            reached.append({number[index]: 0})
        else:
            lasts_ns = capped_ns(step.seconds or 0.0, idle_cap_s)
            reached.append({call: gap + lasts_ns for call, gap in begins.items()})
    tails = _tails(session, reached)
    least_ns = tails.pop(-1, 0)
    return Flow(tuple(number), tuple(parents), tuple(roots), tuple(sorted(tails.items())), least_ns)


def _tails(session: Session, reached: list[dict[int, int]]) -> dict[int, int]:
    """The longest gap from the end of a call, or from the start (−1), to the end of tools that no step follows."""
    followed = {parent for step in session.steps for parent in step.after}
    tails: dict[int, int] = {}
    for index, step in enumerate(session.steps):
        if step.call is None and index not in followed:
            for call, gap in reached[index].items():
                tails[call] = max(tails.get(call, 0), gap)
    return tails


def capped_ns(seconds: float, cap_s: float | None) -> int:
    return round(NS * (seconds if cap_s is None else min(seconds, cap_s)))


class FlowState:
    """A session that runs: fed with the sends and the ends of its calls, it gives the calls that come next.

    Times are ns. A call is given once, as soon as its due time is known; that may lie ahead.
    """

    __slots__ = ("_children", "_due", "_flow", "_unended", "_unsent")

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._unended = [len(p) for p in flow.parents]  # by call: those that it waits for and that have not ended
        self._unsent = list(self._unended)
        self._due = [0] * len(flow.steps)
        self._children: list[list[tuple[int, int]]] = [[] for _ in flow.steps]
        for call, parents in enumerate(flow.parents):
            for parent, gap in parents:
                self._children[parent].append((call, gap))

    def begin(self, at_ns: int) -> list[tuple[int, int]]:
        """(call, due ns) of the calls that wait for no other, for a session that begins at `at_ns`."""
        for call, root in enumerate(self._flow.root_ns):
            self._due[call] = at_ns + (root or 0)
        return [(call, self._due[call]) for call, missing in enumerate(self._unended) if not missing]

    def sent(self, call: int) -> list[int]:
        """The calls that wait only for calls that have been sent, by this one: their turn may come next."""
        ready = []
        for child, _ in self._children[call]:
            self._unsent[child] -= 1
            if not self._unsent[child]:
                ready.append(child)
        return ready

    def ended(self, call: int, at_ns: int) -> list[tuple[int, int]]:
        """(call, due ns) of the calls that waited for this one last."""
        ready = []
        for child, gap in self._children[call]:
            self._due[child] = max(self._due[child], at_ns + gap)
            self._unended[child] -= 1
            if not self._unended[child]:
                ready.append((child, self._due[child]))
        return ready
