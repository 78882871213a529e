"""How much one question to a server may make it compute: processes, sizes and counts.

On the command line the same fields have no such bounds: there one asks of one's own machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from paretoken.answers.seam import Question, to_json
from paretoken.errors import BadConfig

MOST = {
    "sessions": 20_000,
    "replicas": 1_024,
    "prefixes": 100_000,
    "most_gpus": 100_000,
    "gpus": 100_000,
    "draws": 100_000,
    "concurrency": 100_000,
    "max_num_seqs": 1_000_000,
    "speculative_tokens": 64,
    "isl": 10_000_000,
    "osl": 10_000_000,
}
"""The largest value of a number in a question, by the last part of its name."""
MOST_VALUES = 256
"""Values of a list, such as `concurrency`."""


def bounded(question: Question) -> Question:
    """The question with no more processes than the machine has cores; BadConfig for a count past its bound."""
    for name, value in _numbers(to_json(question)):
        if (most := MOST.get(name)) is not None and value > most:
            raise BadConfig(f"{name} = {value:,} is more than this server computes, {most:,}; ask on the command line")
    workers = getattr(question, "workers", None)
    cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0))
    return replace(cast("Any", question), workers=min(workers, cores or 1)) if isinstance(workers, int) else question


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a question in plain values, with the name of its field; BadConfig for a list that is too long."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, str(key))
    elif isinstance(value, list):
        if len(value) > MOST_VALUES:
            raise BadConfig(
                f"{name} has {len(value):,} values, more than this server computes, {MOST_VALUES}; "
                "ask on the command line"
            )
        for inner in value:
            yield from _numbers(inner, name)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, value
