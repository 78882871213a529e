"""Random sessions, and when their steps begin and end by the plainest possible event loop: the oracle of the feed."""

from __future__ import annotations

import heapq

import numpy as np
from hypothesis import strategies as st

from paretoken.sessions.graph import NO_STEP, Call, Session, Step


@st.composite
def sessions(draw, most=6, most_steps=7, longest=40):
    """A few sessions of calls and tools, each after some of the earlier steps; perhaps with contexts that go on."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return [
        Session(name=str(i), steps=_steps(rng, int(rng.integers(1, most_steps + 1)), longest))
        for i in range(draw(st.integers(1, most)))
    ]


def _steps(rng, n, longest):
    steps: list[Step] = []
    for i in range(n):
        after = tuple(sorted({int(rng.integers(0, i)) for _ in range(int(rng.integers(0, 3)))})) if i else ()
        wait_s = float(rng.choice([0.0, rng.uniform(0, 0.3)]))
        if rng.random() < 0.3:
            steps.append(Step(after=after, wait_s=wait_s, seconds=float(rng.uniform(0, 0.3))))
            continue
        calls = [p for p in after if steps[p].call]
        continues = calls[0] if calls and rng.random() < 0.8 else NO_STEP
        base = 0
        if continues != NO_STEP:
            base = steps[continues].call.input_tokens + steps[continues].call.output_tokens
        call = Call(
            input_tokens=base + int(rng.integers(1, longest)),
            output_tokens=int(rng.integers(1, longest)),
            continues=continues,
            opening="" if continues != NO_STEP or rng.random() < 0.5 else "system",
            opening_tokens=17,
        )
        steps.append(Step(after=after, wait_s=wait_s, call=call))
    return tuple(steps)


def played(sessions, users, seconds, begin_s=None, cap_s=None):
    """(due, session begins): what a server that takes `seconds` of each call makes of sessions. Times in s.

    `users` play one session after the other, or each session begins at its `begin_s`. A session ends with the last of
    its steps. The next session is dealt to the user whose last call ends first.
    """
    first = np.cumsum([0, *(len(s.calls) for s in sessions)])
    due, begins = [0.0] * int(first[-1]), [0.0] * len(sessions)
    free = [(0.0, k - users, 0.0) for k in range(users)]  # end of the last call, session, its end
    for k, session in enumerate(sessions):
        called, before, at = heapq.heappop(free) if users else (0.0, 0, begin_s[k])
        begins[k] = at
        ends, number = [], int(first[k])
        for step in session.steps:
            wait = step.wait_s if cap_s is None else min(step.wait_s, cap_s)
            start = max((ends[p] for p in step.after), default=at) + wait
            if step.call:
                due[number] = start
                ends.append(start + seconds[number])
                called = max(called, ends[-1])
                number += 1
            else:
                ends.append(start + (step.seconds if cap_s is None else min(step.seconds, cap_s)))
        if users:
            heapq.heappush(free, (round(called, 6), k if session.calls else before, max(ends)))
    return due, begins
