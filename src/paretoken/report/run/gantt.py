"""Some sessions of a level in full: what each step did and when, in rows of its agent, and the critical path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

import numpy as np

from paretoken.bench.stats.arrays import Floats
from paretoken.bench.stats.chunks import NS
from paretoken.bench.stats.metrics import Samples
from paretoken.bench.stats.sessions.measured import NEVER, MeasuredSession
from paretoken.bench.stats.sessions.path import critical_path
from paretoken.bench.stats.sessions.reuse import possible_tokens
from paretoken.report.numbers import column, rounded

SHOWN, MOST_STEPS = 24, 3000
"""Most sessions that are drawn, and most steps of all of them.

The slowest, the median and a failed one always are; of each, the first steps by begin, up to its part of the most.
"""
MAIN = "main agent"


def gantts(
    samples: Samples, sessions: Sequence[MeasuredSession], median_s: float | None = None
) -> dict[str, object] | None:
    """The sessions to choose from, and which of them is the slowest, the median and a failed one; None without any.

    `median_s` is the median time that the level states: of the sessions that its figures are of.
    """
    if not sessions:
        return None
    named = named_sessions(sessions, median_s)
    most = MOST_STEPS // max(len({played.number for played in named.values()}), 1)
    chosen = _chosen(sessions, named.values(), most)
    place = {played.number: i for i, played in enumerate(chosen)}
    possible = possible_tokens(samples, sessions)
    return {
        "of": len(sessions),
        "named": {name: place[played.number] for name, played in named.items()},
        "list": [_session(samples, possible, played, most) for played in chosen],
    }


def named_sessions(sessions: Sequence[MeasuredSession], median_s: float | None = None) -> dict[str, MeasuredSession]:
    """The slowest of those that are done, the one nearest to the median, and the first that failed, if there are any.

    Without `median_s` it is the median of all that are done.
    """
    done = sorted((s for s in sessions if s.done), key=lambda s: (s.seconds, s.number))
    failed = [s for s in sessions if s.outcome == "failed"]
    named: dict[str, MeasuredSession] = {}
    if done:
        at_s = done[(len(done) - 1) // 2].seconds if median_s is None else median_s
        named = {"slowest": done[-1], "median": min(done, key=lambda s: abs(s.seconds - at_s))}
    return named | ({"failed": failed[0]} if failed else {})


def _chosen(sessions: Sequence[MeasuredSession], always: Iterable[MeasuredSession], most: int) -> list[MeasuredSession]:
    """Sessions evenly picked by number, with those that must be there, in order of their number.

    Only of the latter steps are left out: those beyond `most`.
    """
    chosen = {s.number: s for s in always}
    room = MOST_STEPS - sum(min(len(s.end_ns), most) for s in chosen.values())
    for place in np.unique(np.linspace(0, len(sessions) - 1, min(len(sessions), SHOWN)).round().astype(int)):
        played = sessions[place]
        if played.number not in chosen and len(played.end_ns) <= min(room, most):
            chosen[played.number] = played
            room -= len(played.end_ns)
    return [chosen[number] for number in sorted(chosen)]


def _session(samples: Samples, possible: Floats, played: MeasuredSession, most: int) -> dict[str, object]:
    """One session, its first `most` steps by begin; times in seconds from its begin."""
    start, steps = played.begins_ns, played.traced.session.steps
    all_ran = [i for i in range(len(steps)) if played.end_ns[i] != NEVER]
    ran = sorted(sorted(all_ran, key=lambda i: (played.begin_ns[i], i))[:most])
    drawn = set(ran)
    rows, lanes = packed(played, ran)
    number = {step: i for i, step in enumerate(played.traced.session.calls)}
    row_of = [played.rows[number[i]] if i in number else NEVER for i in ran]
    return {
        "number": played.number,
        "name": played.traced.session.name,
        "outcome": played.outcome,
        "reason": played.reason,
        "seconds": rounded(played.seconds, 5),
        "lanes": lanes,
        "step": ran,
        "calls": sum(i in number for i in all_ran),
        "ran": len(all_ran),
        "row": [rows[i] for i in ran],
        "name_of": [steps[i].name for i in ran],
        "call": [number[i] + 1 if i in number else 0 for i in ran],
        "begin": _since(start, [played.begin_ns[i] for i in ran]),
        "first": _since(start, [played.first_ns[i] for i in ran]),
        "end": _since(start, [played.end_ns[i] for i in ran]),
        "status": [str(samples.status[row]) if row != NEVER else "" for row in row_of],
        "isl": _tokens(samples.isl, row_of),
        "cached": _tokens(samples.cached, row_of),
        "possible": _tokens(possible, row_of),
        "unsent": played.rows.count(NEVER),
        "path": [
            [piece.part, piece.step, *_since(start, [piece.begin_ns, piece.end_ns])]
            for piece in critical_path(played)
            if piece.step in drawn
        ],
    }


def packed(played: MeasuredSession, ran: Sequence[int]) -> tuple[dict[int, int], list[str]]:
    """The row of each step, and the agent of each row: steps of an agent at the same time have a row each.

    A step takes the first of its agent's rows that is free.
    """
    by_agent: dict[str, list[int]] = {}
    for i in ran:
        by_agent.setdefault(played.traced.session.steps[i].agent, []).append(i)
    rows, lanes = dict[int, int](), list[str]()
    for agent, own in by_agent.items():
        free, busy = list[int](), list[tuple[int, int]]()  # busy rows by the end of their step
        for i in sorted(own, key=lambda i: (played.begin_ns[i], i)):
            while busy and busy[0][0] <= played.begin_ns[i]:
                heappush(free, heappop(busy)[1])
            if not free:
                heappush(free, len(lanes))
                lanes.append(agent or MAIN)
            rows[i] = heappop(free)
            heappush(busy, (played.end_ns[i], rows[i]))
    return rows, lanes


def _since(start_ns: int, at_ns: Sequence[int]) -> list[float | int | None]:
    return column((None if ns == NEVER else (ns - start_ns) * NS for ns in at_ns), 7)


def _tokens(values: Floats, rows: Sequence[int]) -> list[float | int | None]:
    return column((float(values[row]) if row != NEVER else None for row in rows), 9)
