"""The calls of sessions at the times that follow from a server's answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paretoken.sessions.graph import Session
from paretoken.traffic.traffic import Floats, Ints, Traffic


def times_as_served(traffic: Traffic, ttft_s: float, tpot_s: float) -> Floats:
    """When each call comes where every answer takes its TTFT and TPOT, shape (n,); not in order.

    Sessions keep their start. The traffic needs graphs.
    """
    times = traffic.time_s.copy()
    if traffic.graphs is None:
        return times
    order = np.argsort(traffic.session, kind="stable")
    _, begins = np.unique(traffic.session[order], return_index=True)
    done = dict[int, Floats]()
    for rows in np.split(order, begins[1:]):
        graph = int(traffic.graphs.graph[rows[0]])
        if graph not in done:
            done[graph] = _begins_s(traffic.graphs.sessions[graph], ttft_s, tpot_s)
        at_s = done[graph][traffic.graphs.step[rows]]
        times[rows] = traffic.time_s[rows[0]] + at_s - at_s[0]
    return times


def in_period(traffic: Traffic, times_s: Floats) -> tuple[Traffic, Ints]:
    """The traffic at other times, without requests that these put outside its period, and the rows that are left."""
    inside = np.flatnonzero((times_s >= 0) & (times_s <= traffic.span_s))
    rows = inside[np.argsort(times_s[inside], kind="stable")]
    moved = replace(
        traffic,
        time_s=times_s[rows],
        input_tokens=traffic.input_tokens[rows],
        output_tokens=traffic.output_tokens[rows],
        session=traffic.session[rows],
        prefixes=None,
        graphs=None,
    )
    return moved, rows


def _begins_s(session: Session, ttft_s: float, tpot_s: float) -> Floats:
    """When each step begins, s after the start of the session."""
    timed = [
        step
        if step.call is None
        else replace(step, seconds=ttft_s + tpot_s * (max(step.call.output_tokens or 1, 1) - 1))
        for step in session.steps
    ]
    return np.array([begin for begin, _ in replace(session, steps=tuple(timed)).times()])
