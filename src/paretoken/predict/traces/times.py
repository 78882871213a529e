"""When simulated sessions begin and end, and what their critical path consists of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretoken.predict.arrays import Floats
from paretoken.predict.simulation.result import SimulationResult
from paretoken.predict.simulation.sources import SessionLoad


@dataclass(frozen=True, slots=True, eq=False)
class SessionTimes:
    """Sessions of a run, shape (sessions,), in seconds; one begins when its first call is due.

    The critical path is the chain of calls, tools and waits, each of which the next one waited for last, that ends with
    the session. `model_s` is what its calls took, from due to last token; the rest of the session is tools and waits.
    """

    begin_s: Floats
    end_s: Floats
    model_s: Floats

    @property
    def session_s(self) -> Floats:
        """Seconds of each session."""
        return self.end_s - self.begin_s

    def of(self, sessions: slice) -> SessionTimes:
        """The times of some of the sessions."""
        return SessionTimes(self.begin_s[sessions], self.end_s[sessions], self.model_s[sessions])

    @property
    def model_share(self) -> float:
        """Share of model calls in all critical paths together; NaN for sessions that take no time."""
        total = float(self.session_s.sum())
        return float(self.model_s.sum()) / total if total else float("nan")


def session_times(run: SimulationResult, load: SessionLoad) -> SessionTimes:
    """The times of the sessions of a load, from its run."""
    first = load.first[:-1]
    begin_s = np.minimum.reduceat(run.due_s, first)
    model_s = _model_on_path(run, load)
    ends = run.last_s + load.tail_s
    end_s = np.maximum.reduceat(ends, first)
    session = np.repeat(np.arange(len(first)), np.diff(load.first))
    # The last call of each session by its end: of equals the first.
    order = np.lexsort((-np.arange(len(ends)), ends, session))
    final = order[load.first[1:] - 1]
    return SessionTimes(begin_s, end_s, model_s[final])


def _model_on_path(run: SimulationResult, load: SessionLoad) -> Floats:
    """Seconds of calls on the critical path up to the end of each call, shape (calls,)."""
    binding = _binding_parents(run, load)
    e2e_s, path = run.e2e_s.tolist(), [0.0] * len(binding)
    for call, parent in enumerate(binding):
        path[call] = e2e_s[call] + (path[parent] if parent >= 0 else 0.0)
    return np.array(path)


def _binding_parents(run: SimulationResult, load: SessionLoad) -> list[int]:
    """The call that each waited for last, −1 where that is the begin of the session. Parents come first."""
    first = load.first[:-1]
    begin_s = run.due_s[first] - np.maximum(load.root_s[first], 0.0)
    latest = (np.repeat(begin_s, np.diff(load.first)) + load.root_s).tolist()
    binding = [-1] * len(latest)
    reached = (run.last_s[load.parent] + load.gap_s).tolist()
    for parent, child, at_s in zip(load.parent.tolist(), load.child.tolist(), reached, strict=True):
        if at_s > latest[child]:
            latest[child], binding[child] = at_s, parent
    return binding
