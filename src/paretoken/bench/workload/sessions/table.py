"""The sessions of a run's trace as a table, `sessions.parquet`: one row for each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretoken.sessions.graph import NO_STEP, Session
from paretoken.sessions.possible import possible_tokens

if TYPE_CHECKING:
    import polars as pl


def sessions_table(
    sessions: Sequence[Session], *, own_answers: bool, block_tokens: int, idle_cap_s: float | None = None
) -> pl.DataFrame:
    """A row for each step of each session. Times are those that are played: none is longer than `idle_cap_s`.

    `possible_tokens` are the prompt tokens that an endless cache of blocks of `block_tokens` holds, with the
    sessions one after the other.
    """
    import polars as pl

    possible = iter(possible_tokens(sessions, own_answers=own_answers, block_tokens=block_tokens).tolist())
    rows: dict[str, list[object]] = {name: [] for name in _schema()}
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
    return pl.DataFrame(rows, schema=_schema())


def _capped(seconds: float, cap_s: float | None) -> float:
    return seconds if cap_s is None else min(seconds, cap_s)


def _schema() -> dict[str, pl.DataType]:
    import polars as pl

    whole, seconds = pl.Int64(), pl.Float64()
    return {
        "session": whole,
        "name": pl.String(),
        "step": whole,
        "call": whole,
        "step_name": pl.String(),
        "agent": pl.String(),
        "after": pl.List(pl.Int64()),
        "wait_s": seconds,
        "seconds": seconds,
        "continues": whole,
        "input_tokens": whole,
        "output_tokens": whole,
        "possible_tokens": whole,
        "begin_s": seconds,
    }
