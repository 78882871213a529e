"""The sessions of a run's trace, read from `sessions.parquet` (`sessions.columns`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretoken.errors import BadFile
from paretoken.plain_files import read_parquet
from paretoken.sessions.arrange import MOST_WAIT_S
from paretoken.sessions.columns import COLUMNS, SESSIONS
from paretoken.sessions.graph import NO_STEP, Call, Session, Step

if TYPE_CHECKING:
    import polars as pl

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class TracedSession:
    """A session of the trace; `possible` are the tokens by call that an endless cache holds, -1 if unknown."""

    session: Session
    possible: tuple[int, ...]


def read_traced(run: Path) -> tuple[TracedSession, ...]:
    """The sessions that a run plays, none for a run of other requests. BadFile for a table that no run writes."""
    file = run / SESSIONS
    if not file.is_file():
        return ()
    return traced_sessions(read_parquet(file, str(file))[0], file)


def traced_sessions(table: pl.DataFrame, where: object = SESSIONS) -> tuple[TracedSession, ...]:
    """The sessions of a table, whatever the order of its rows."""
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise BadFile(f"{where} has no column {missing[0]}; was it edited by hand?")
    rows = table.select(*COLUMNS).sort("session", "step").iter_rows(named=True)
    traced: list[TracedSession] = []
    try:
        for number, steps in groupby(rows, key=lambda row: row["session"]):
            if number != len(traced):
                raise ValueError(f"session {len(traced)} is missing")
            traced.append(_session(list(steps)))
    except (TypeError, ValueError) as e:
        raise BadFile(f"{where}: {e}; was it edited by hand?") from e
    return tuple(traced)


def _session(rows: list[Mapping[str, Any]]) -> TracedSession:
    steps = tuple(_steps(rows))
    called = [row["call"] for row in rows if row["call"] != NO_STEP]
    if called != list(range(len(called))):
        raise ValueError(f"the calls of session {rows[0]['session']} are not numbered in order")
    possible = (row["possible_tokens"] for row in rows if row["call"] != NO_STEP)
    session = Session(name=rows[0]["name"] or "", steps=steps, begin_s=rows[0]["begin_s"])
    return TracedSession(session, tuple(UNKNOWN if tokens is None else tokens for tokens in possible))


def _steps(rows: list[Mapping[str, Any]]) -> Iterator[Step]:
    for place, row in enumerate(rows):
        after, wait_s, seconds = tuple(row["after"] or ()), row["wait_s"] or 0.0, row["seconds"]
        where = f"step {row['step']} of session {row['session']}"
        if row["step"] != place:
            raise ValueError(f"{where} follows step {place - 1}")
        if any(not 0 <= parent < place for parent in after):
            raise ValueError(f"{where} waits for a step that is not before it")
        if not all(isfinite(t) and 0 <= t <= MOST_WAIT_S for t in (wait_s, seconds or 0.0)):
            raise ValueError(f"{where} has an impossible time")
        yield Step(
            name=row["step_name"] or "",
            after=after,
            wait_s=wait_s,
            seconds=seconds,
            agent=row["agent"] or "",
            call=None if row["call"] == NO_STEP else _call(row),
        )


def _call(row: Mapping[str, Any]) -> Call:
    return Call(
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        continues=NO_STEP if row["continues"] is None else row["continues"],
    )
