"""The traffic of a recorded trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paretoken import plural
from paretoken.bench.workload.traces.request import Trace
from paretoken.errors import BadFile
from paretoken.sessions.graph import SessionTrace
from paretoken.traffic.lengths import Names
from paretoken.traffic.sessions import traffic_of_sessions
from paretoken.traffic.traffic import DAY_S, Floats, PrefixBlocks, Traffic, period_s


def traffic_of_trace(trace: Trace | SessionTrace) -> Traffic:
    """The requests of a trace; BadFile where it lacks times or lengths.

    Later turns of conversations that wait for an answer come after the pauses before them, as if answers took no time;
    those of sessions as `traffic_of_sessions` has them.
    """
    if isinstance(trace, SessionTrace):
        return traffic_of_sessions(trace)
    if not trace.timed:
        raise BadFile(f"{trace.file} contains no times; give a log or a trace with the time of each request")
    for side in ("input", "output"):
        silent = sum(getattr(r, f"{side}_tokens") is None for r in trace.requests)
        if silent:
            lacking = f"{plural.counted(silent, 'request')} of {trace.file} without {side} tokens"
            raise BadFile(f"{lacking}; add their number to each row")
    times = _times(trace)
    order = np.argsort(times, kind="stable")
    requests = [trace.requests[i] for i in order]
    blocks = tuple(r.blocks for r in requests)
    notes = list(trace.notes(repeats=False))
    if trace.in_turns:
        later = plural.counted(sum(r.after_s is not None for r in requests), "turn")
        notes.append(f"{later} that follow an answer: their times leave out how long answers take")
    return Traffic(
        time_s=times[order] - times.min(),
        input_tokens=np.array([r.input_tokens for r in requests], np.int64),
        output_tokens=np.array([r.output_tokens for r in requests], np.int64),
        session=Names().of([r.session for r in requests]),
        span_s=period_s(times, trace.file),
        source=f"{Path(trace.file).name} ({trace.format} trace)",
        prefixes=PrefixBlocks(blocks, trace.block_tokens) if any(blocks) else None,
        day_start_s=None if trace.begin_unix_s is None else trace.begin_unix_s % DAY_S,
        notes=tuple(notes),
    )


def _times(trace: Trace) -> Floats:
    """Times in s, those of turns by the pauses before them."""
    if not trace.in_turns:
        return np.array([r.time_s for r in trace.requests], np.float64)
    pauses: dict[str, float] = {}
    times = []
    for request in trace.requests:
        wait_s = 0.0 if request.after_s is None else pauses.get(request.session, 0.0) + request.after_s
        pauses[request.session] = wait_s
        times.append((request.time_s or 0.0) + wait_s)
    return np.array(times, np.float64)
