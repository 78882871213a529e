"""Sessions as they were played: when each step began and ended, and how the session ended.

A call lasts from the moment it was due to the end of its answer. A tool call begins `wait_s` after the last of the
steps it waits for has ended, and lasts as long as the trace says: the client plays it as a pause.

    begin of a session   the earliest due time of its calls
    end of a session     the latest end of its steps: of its last call, or of tools that no call follows
    session time         end − begin

A session is *done* when all its calls have succeeded, *failed* when one has failed, and *cut* when the end of the level
came before its last call. Only a session that is done has a session time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from paretoken.bench.stats.arrays import Ints
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.sessions.table import TracedSession
from paretoken.errors import BadFile
from paretoken.points.statuses import OK
from paretoken.sessions.flow import capped_ns, flow_of

Outcome = Literal["done", "failed", "cut"]
CANCELLED = "cancelled"
UNSENT = "not sent"
NEVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSession:
    """One session that was begun.

    `rows` are the places of its calls in the samples, -1 for a call that was not sent. `begin_ns`, `first_ns` and
    `end_ns` are times by step, -1 where there is none; `first_ns` is -1 too for a tool and where nobody saw the first
    token come. `reason` is the status of the first failed call, or why the session was cut.
    """

    number: int
    traced: TracedSession
    rows: tuple[int, ...]
    begin_ns: tuple[int, ...]
    first_ns: tuple[int, ...]
    end_ns: tuple[int, ...]
    outcome: Outcome
    reason: str

    @property
    def begins_ns(self) -> int:
        """When its first call was due."""
        steps = zip(self.begin_ns, self.traced.session.steps, strict=True)
        return min(begin for begin, step in steps if step.call is not None and begin != NEVER)

    @property
    def ends_ns(self) -> int:
        """When the last of its steps ended that ran."""
        return max(self.end_ns)

    @property
    def seconds(self) -> float:
        """From its begin to its end."""
        return (self.ends_ns - self.begins_ns) * NS

    @property
    def done(self) -> bool:
        return self.outcome == "done"


def measured_sessions(samples: Samples, traced: Sequence[TracedSession]) -> tuple[MeasuredSession, ...]:
    """The sessions of a level in order of their number.

    BadFile where a request names a call that its session does not have.
    """
    return tuple(_played(samples, number, traced[number % len(traced)], rows) for number, rows in _groups(samples))


def _groups(samples: Samples) -> Iterator[tuple[int, Ints]]:
    """Each session's number and the places of its requests; a call that was sent again counts as it ended last."""
    order = np.lexsort((samples.end_ns, samples.turn, samples.session))
    order = order[samples.session[order] >= 0]
    if not len(order):
        return
    session, turn = samples.session[order], samples.turn[order]
    last = np.append((session[1:] != session[:-1]) | (turn[1:] != turn[:-1]), True)
    order, session = order[last], session[last]
    edges = np.flatnonzero(np.append(True, session[1:] != session[:-1]))
    for rows in np.split(order, edges[1:]):
        yield int(samples.session[rows[0]]), rows


def _played(samples: Samples, number: int, traced: TracedSession, sent: Ints) -> MeasuredSession:
    rows = [NEVER] * len(traced.possible)
    for row, turn in zip(sent.tolist(), samples.turn[sent].tolist(), strict=True):
        if not 0 <= turn < len(rows):
            raise BadFile(f"session {number} has no call {turn}; the requests and sessions.parquet are of two runs")
        rows[turn] = row
    begin, first, end = _times(samples, traced, rows)
    outcome, reason = _outcome(samples.status[[row for row in rows if row != NEVER]].tolist(), NEVER in rows)
    return MeasuredSession(
        number=number,
        traced=traced,
        rows=tuple(rows),
        begin_ns=tuple(begin),
        first_ns=tuple(first),
        end_ns=tuple(end),
        outcome=outcome,
        reason=reason,
    )


def _outcome(statuses: list[str], unsent: bool) -> tuple[Outcome, str]:
    failures = [status for status in statuses if status not in (OK, CANCELLED)]
    if failures:
        return "failed", failures[0]
    if CANCELLED in statuses:
        return "cut", CANCELLED
    return ("cut", UNSENT) if unsent else ("done", "")


def _times(samples: Samples, traced: TracedSession, rows: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Begin, first token and end of each step, ns."""
    steps = traced.session.steps
    begin, first, end = ([NEVER] * len(steps) for _ in range(3))
    followed = [False] * len(steps)  # whether others may begin after it
    start = _start_ns(samples, traced, rows)
    calls = iter(rows)
    for place, step in enumerate(steps):
        if step.call is not None:
            row = next(calls)
            if row != NEVER:
                ok = followed[place] = bool(samples.status[row] == OK)
                timed = ok and samples.streamed[row] and not samples.held_back[row]
                begin[place], end[place] = int(samples.due_ns[row]), int(samples.end_ns[row])
                first[place] = int(samples.first_ns[row]) if timed else NEVER
        elif all(followed[parent] for parent in step.after):
            ready = max((end[parent] for parent in step.after), default=start)
            begin[place] = ready + capped_ns(step.wait_s, None)
            end[place] = begin[place] + capped_ns(step.seconds or 0.0, None)
            followed[place] = True
    return begin, first, end


def _start_ns(samples: Samples, traced: TracedSession, rows: list[int]) -> int:
    """When the client began the session, from the calls that wait for no other one but only for tools and pauses."""
    flow = flow_of(traced.session)
    due = [(int(samples.due_ns[row]), call) for call, row in enumerate(rows) if row != NEVER]
    starts = [at - (flow.root_ns[call] or 0) for at, call in due if not flow.parents[call]]
    return min(starts or [at for at, _ in due])
