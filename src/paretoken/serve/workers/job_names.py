"""Names of the jobs that answer questions or open runs, for a server that leaves the work to its workers."""

from __future__ import annotations

SLOW = frozenset({"cache-worth", "data-diff", "plan", "predict-trace", "search-disaggregated", "validate"})
"""Verbs whose answers may take minutes."""
ASKING = "paretoken.serve.ask.jobs"
"""Loaded by the workers alone: it imports every part of an answer."""
RUN_JOBS = "paretoken.serve.runs.jobs"
"""Loaded by the workers alone, too."""
ENVELOPE, SHOWN, SAVED = (f"{ASKING}:{name}" for name in ("envelope", "shown", "saved"))
OPENED, REPORT, COMPARED, FOLLOWED, CELLS = (
    f"{RUN_JOBS}:{name}" for name in ("opened", "report", "compared", "followed", "cells")
)
LOAD, ANSWER_ONE, LOAD_RUNS = f"{ASKING}:load", f"{ASKING}:answer_one", f"{RUN_JOBS}:load"
"""What a worker does before it is asked: load what every question needs, answer one, load what opens runs."""


def job_of(verb: str, question: bytes) -> bytes:
    """What `envelope` takes."""
    return verb.encode() + b"\n" + question
