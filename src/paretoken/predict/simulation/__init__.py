"""Continuous batching simulated from event to event: users or arrivals in, request records out."""

from paretoken.lazy import lazy

_WHERE = {
    "ClosedLoop": "sources",
    "Limits": "limits",
    "OpenLoop": "sources",
    "Prefill": "run",
    "Scheduler": "scheduler",
    "Sequence": "scheduler",
    "Serving": "run",
    "Simulation": "result",
    "Source": "sources",
    "Step": "scheduler",
    "closed_loop": "sources",
    "poisson_loop": "sources",
    "simulate": "run",
    "uniform_lengths": "sources",
}

__all__ = list(_WHERE)

__getattr__, __dir__ = lazy(__name__, _WHERE)
