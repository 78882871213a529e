"""Traffic from request logs and traces: one reader for both, which detects the form from the content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from paretoken import plural
from paretoken.bench.workload.traces import detect, read_trace
from paretoken.errors import BadFile
from paretoken.garbage import no_collection
from paretoken.sessions.read import is_session_file, read_sessions
from paretoken.traffic.columns import LogColumns, columns_of
from paretoken.traffic.lengths import block_tokens
from paretoken.traffic.log_rows import LogRequests
from paretoken.traffic.rates import duration
from paretoken.traffic.table import open_table
from paretoken.traffic.trace import traffic_of_trace
from paretoken.traffic.traffic import HOUR_S, NO_SESSION, PrefixBlocks, Traffic, period_s

_SAMPLES = 1000
"""Rows that are looked at for the names of fields."""
_NEEDS = {
    "time": "a time (such as timestamp or startTime)",
    "input": "input tokens (such as prompt_tokens)",
    "output": "output tokens (such as completion_tokens)",
}
_OTHERS = {"session": "sessions", "prefix": "shared blocks", "model": "models"}


def read_log(path: Path | str, *, model: str | None = None) -> Traffic:
    """The traffic of a request log, or of a trace of requests or sessions in any form that `bench --trace` reads.

    `model` keeps the requests of one model of a log; "all" keeps every model. Requests without input or output tokens,
    such as failed ones, are left out and counted. BadFile if the file is no log, or has no period.
    """
    path = Path(path)
    if is_session_file(path):
        return traffic_of_trace(read_sessions(path))
    table = open_table(path)
    columns = columns_of(table.samples(_SAMPLES))
    if not all(columns.of(role) for role in _NEEDS):
        _require_trace(path, columns)
        return traffic_of_trace(read_trace(path))
    with no_collection():
        requests = LogRequests.read(table, columns)
    return _traffic(requests.of_model(model))


def _require_trace(path: Path, columns: LogColumns) -> None:
    """BadFile with the fields that the file has, unless it is a trace."""
    missing = [role for role in _NEEDS if not columns.of(role)]
    try:
        form = detect(path)
    except BadFile:
        form = None
    if form is None or (form.NAME == "plain" and missing == ["time"]):
        fields = ", ".join(columns.all_fields)
        fields = fields if len(fields) <= 300 else f"{fields[:300]}…"
        raise BadFile(
            f"{path} has no field for {' and '.join(_NEEDS[role] for role in missing)}; its fields are "
            f"{fields or 'none'}; rename those that hold them"
        )


def _fields_read(requests: LogRequests) -> Iterator[str]:
    """What was read from where, so that a wrong field is noticed."""
    columns = requests.columns
    others = [f"{what} from {columns.name(role)}" for role, what in _OTHERS.items() if columns.of(role)]
    fields = [f"input from {columns.name('input')}", f"output from {columns.name('output')}", *others]
    yield f"times from {columns.name('time')} ({requests.rule}), {', '.join(fields)}"
    if columns.of("cached"):
        yield "input includes tokens read from and written to the prefix cache, which the log counts apart"


def _traffic(requests: LogRequests) -> Traffic:
    ordered = requests.by_time()
    name, notes = str(ordered.table.file), [*_fields_read(ordered), *ordered.notes]
    if ordered.failed:
        notes.append(f"{plural.counted(ordered.failed, 'row')} left out: no input or no output tokens")
        name += f", without {plural.counted(ordered.failed, 'row')} that state no tokens,"
    first_s = float(ordered.time_s[0])
    span_s = period_s(ordered.time_s, name)
    gap_s = float(np.diff(ordered.time_s).max())
    if gap_s > max(span_s / 2, HOUR_S):
        notes.append(f"{duration(gap_s)} of {duration(span_s)} pass without a request; the period includes them")
    session = ordered.session
    if len(session) and session.max() == session.min() != NO_SESSION:
        session = np.full(len(session), NO_SESSION)
        notes.append(f"all requests have the same {ordered.columns.name('session')}, so no sessions are read")
    return Traffic(
        time_s=ordered.time_s - first_s,
        input_tokens=ordered.input_tokens,
        output_tokens=ordered.output_tokens,
        session=session,
        span_s=span_s,
        source=f"{ordered.table.file.name} (request log)",
        prefixes=_prefixes(ordered, notes),
        day_start_s=ordered.clock.day_start_s(first_s) if ordered.dated else None,
        notes=tuple(notes),
    )


def _prefixes(requests: LogRequests, notes: list[str]) -> PrefixBlocks | None:
    if not any(requests.blocks):
        return None
    tokens, field_name = requests.block_tokens, requests.columns.name("prefix")
    if tokens is None:
        tokens = block_tokens(requests.blocks, requests.input_tokens)
        if tokens is None:
            raise BadFile(
                f"{requests.table.file}: the numbers of {field_name} fit no size of block; add a field block_size "
                "with the tokens of a block"
            )
        notes.append(f"{field_name} are of blocks of {tokens} tokens, as their number in each prompt shows")
    return PrefixBlocks(requests.blocks, tokens)
