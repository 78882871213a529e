"""The sessions of a run's trace as a table, `sessions.parquet`: one row for each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretoken.bench.workload.sessions.lengths import possible_tokens
from paretoken.sessions.columns import COLUMNS
from paretoken.sessions.graph import NO_STEP, Session

if TYPE_CHECKING:
    import polars as pl


def sessions_table(sessions: Sequence[Session], *, own_answers: bool, idle_cap_s: float | None = None) -> pl.DataFrame:
    """A row for each step of each session. Times are those that are played: none is longer than `idle_cap_s`.

    `possible_tokens` are the prompt tokens that an endless cache of blocks of 16 tokens holds, with the sessions one
    after the other.
    """
    import polars as pl

    possible = iter(possible_tokens(sessions, own_answers=own_answers).tolist())
    rows: dict[str, list[object]] = {name: [] for name in COLUMNS}
    for number, session in enumerate(sessions):
        call_number = 0
        for index, step in enumerate(session.steps):
            call = step.call
            values = (
                number,
                session.name,
                index,
                NO_STEP if call is None else call_number,
                step.name,
                step.agent,
                list(step.after),
                _capped(step.wait_s, idle_cap_s),
                step.seconds if call is not None else _capped(step.seconds or 0.0, idle_cap_s),
                NO_STEP if call is None else call.continues,
                None if call is None else call.input_tokens,
                None if call is None else call.output_tokens,
                None if call is None else next(possible),
                session.begin_s,
            )
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
            call_number += call is not None
    return pl.DataFrame(rows, schema=COLUMNS)


def _capped(seconds: float, cap_s: float | None) -> float:
    return seconds if cap_s is None else min(seconds, cap_s)
