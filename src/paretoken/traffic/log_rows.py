"""The requests of a log as numbers, read chunk by chunk, in the order of the file and then of their time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from paretoken.errors import BadFile, nearest, quoted
from paretoken.traffic.clock import (
    TOLERANCE_S,
    BadTimeError,
    Clock,
    disorder_s,
    far_behind,
    newest_first,
    order_of,
)
from paretoken.traffic.columns import LogColumns
from paretoken.traffic.lengths import BlockIds, Names, token_counts
from paretoken.traffic.rates import duration
from paretoken.traffic.table import LogRow, LogTable
from paretoken.traffic.traffic import ALL_MODELS, Floats, Ints

_CHUNK = 2000
"""Rows kept in full at a time; of all others only the numbers are kept."""
_LISTED = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LogRequests:
    """All rows of a log that have lengths; arrays (n,). `line` is where each is, `failed` counts the rows without.

    `time_s` are seconds since 1970 where `dated`, `rule` says how they were read. `blocks` is empty without prefix ids.
    """

    table: LogTable
    columns: LogColumns
    clock: Clock
    line: Ints
    input_tokens: Ints
    output_tokens: Ints
    session: Ints
    model: Ints
    models: tuple[str, ...]
    blocks: tuple[tuple[int, ...], ...]
    block_tokens: int | None
    failed: int
    time_s: Floats
    dated: bool
    rule: str
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: LogTable, columns: LogColumns) -> LogRequests:
        """The rows of a table, in its order; BadFile with the line of the first bad one."""
        reader = LogReader(table, columns)
        rows = table.rows()
        while chunk := list(islice(rows, _CHUNK)):
            reader.read([n for n, _ in chunk], [r for _, r in chunk])
        return reader.requests()

    def bad(self, row: int, why: str) -> BadFile:
        """An error about one row."""
        return self.table.bad(int(self.line[row]), why)

    def of_model(self, model: str | None) -> LogRequests:
        """The rows of one model; BadFile if the log has several models and none is named, or none of that name."""
        counts = {self.models[k]: int(c) for k, c in enumerate(np.bincount(self.model + 1)[1:]) if c}
        if model == ALL_MODELS or (model is None and len(counts) < 2):
            return self
        largest = sorted(counts.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{quoted(name)} ({count:,})" for name, count in largest[:_LISTED])
        listed += f" and {len(largest) - _LISTED} more" if len(largest) > _LISTED else ""
        if model is None:
            raise BadFile(
                f"{self.table.file} holds requests to {len(counts)} models: {listed}; choose one, or {ALL_MODELS!r}"
            )
        name = next((n for n in counts if n.casefold() == model.casefold()), None)
        if name is None:
            near = nearest(model, list(counts))
            raise BadFile(
                f"{self.table.file} holds no request to the model {quoted(model)}; "
                + (f"did you mean {' or '.join(map(quoted, near))}?" if near else f"it holds {listed or 'none'}")
            )
        rows = np.flatnonzero(self.model == self.models.index(name))
        others = len(self.line) - len(rows)
        notes = (*self.notes, f"only requests to {name}: {others:,} to other models left out") if others else self.notes
        return self.take(rows, notes)

    def take(self, rows: Ints, notes: tuple[str, ...]) -> LogRequests:
        """These rows, in this order, with these notes."""
        return replace(
            self,
            line=self.line[rows],
            time_s=self.time_s[rows],
            input_tokens=self.input_tokens[rows],
            output_tokens=self.output_tokens[rows],
            session=self.session[rows],
            model=self.model[rows],
            blocks=tuple(self.blocks[i] for i in rows) if self.blocks else (),
            notes=notes,
        )

    def by_time(self) -> LogRequests:
        """The rows in the order of their time; BadFile where a clock was set back."""
        times, notes = self.time_s, list(self.notes)
        rows = np.arange(len(times))
        if newest_first(times):
            rows = rows[::-1]
            notes.append("rows were newest first, and were reversed")
        if (jump := far_behind(times[rows])) is not None:
            row, earlier, by_s = rows[jump[0]], rows[jump[1]], jump[2]
            raise self.bad(
                row,
                f"its time lies {duration(by_s)} before that of line {self.line[earlier]:,}, an earlier row; more than "
                f"{TOLERANCE_S / 60:.0f} min is taken for a clock that was set; correct it, or sort the rows by time",
            )
        if (late_s := disorder_s(times[rows])) > 0:
            notes.append(f"rows up to {duration(late_s)} out of order were sorted by time")
        return self.take(rows[order_of(times[rows])], tuple(notes))


class LogReader:
    """Takes the rows of a log chunk by chunk and keeps their numbers."""

    def __init__(self, table: LogTable, columns: LogColumns) -> None:
        self.table, self.columns, self.clock = table, columns, Clock(columns.unit_s)
        self._get = {role: [table.getter(p) for p in paths] for role, paths in columns.roles.items()}
        self._arrays: dict[str, list[Floats | Ints]] = {r: [] for r in ("line", "input", "output", "session", "model")}
        self._sessions, self._models, self._blocks = Names(), Names(), BlockIds()
        self._block_tokens: int | None = None
        self.failed = 0

    def read(self, numbers: list[int], rows: list[LogRow]) -> None:
        """The next rows with their places."""
        lengths = {}
        for side in ("input", "output"):
            lengths[side], bad = token_counts(self._values(side, rows), self.columns.name(side))
            if bad:
                raise self.table.bad(numbers[bad[0]], bad[1])
        for get in self._get["cached"]:
            more, bad = token_counts([get(r) for r in rows], "cached input tokens")
            if bad:
                raise self.table.bad(numbers[bad[0]], bad[1])
            lengths["input"] = lengths["input"] + np.nan_to_num(more)
        usable = np.flatnonzero((lengths["input"] > 0) & (lengths["output"] > 0))
        self.failed += len(rows) - len(usable)
        kept = [rows[i] for i in usable] if len(usable) < len(rows) else rows
        lines = np.array(numbers, np.int64)[usable]
        self._add("line", lines)
        for side in ("input", "output"):
            self._add(side, lengths[side][usable].astype(np.int64))
        self._add("session", self._sessions.of(self._values("session", kept)))
        self._add("model", self._models.of(self._values("model", kept)))
        try:
            self.clock.read(self._values("time", kept))
        except BadTimeError as e:
            raise self._bad(e.row, e.why) from e
        if self._get["prefix"] and (wrong := self._blocks.read(self._values("prefix", kept))):
            raise self.table.bad(int(lines[wrong[0]]), wrong[1])
        if self._block_tokens is None and kept:
            size = str(self._values("block", kept[:1])[0])
            self._block_tokens = int(size) if size.isdecimal() and 0 < int(size[:8]) <= 2**20 else None

    def _add(self, name: str, values: Floats | Ints) -> None:
        self._arrays[name].append(values)

    def _bad(self, row: int, why: str) -> BadFile:
        return self.table.bad(int(np.concatenate(self._arrays["line"])[row]), why)

    def _values(self, role: str, rows: list[LogRow]) -> list[object]:
        """The values of a role, of the first of its fields that a row fills."""
        getters = self._get[role]
        if not getters:
            return [None] * len(rows)
        values = _column(getters[0], rows)
        for other in getters[1:]:
            for i in [i for i, v in enumerate(values) if v is None or v == ""]:
                values[i] = other(rows[i])
        return values

    def requests(self) -> LogRequests:
        """Everything read, with its times in s."""
        arrays = {name: np.concatenate(parts) for name, parts in self._arrays.items() if parts}
        if not len(arrays.get("line", ())):
            raise BadFile(f"{self.table.file} holds no usable request: none of its rows has input and output tokens")
        try:
            times, dated, rule = self.clock.seconds()
        except BadTimeError as e:
            raise self._bad(e.row, e.why) from e
        return LogRequests(
            table=self.table,
            columns=self.columns,
            clock=self.clock,
            line=arrays["line"].astype(np.int64),
            input_tokens=arrays["input"].astype(np.int64),
            output_tokens=arrays["output"].astype(np.int64),
            session=arrays["session"].astype(np.int64),
            model=arrays["model"].astype(np.int64),
            models=tuple(self._models.numbers),
            blocks=tuple(self._blocks.rows),
            block_tokens=self._block_tokens,
            failed=self.failed,
            time_s=times,
            dated=dated,
            rule=rule,
        )


def _column(get: Callable[[LogRow], object], rows: list[LogRow]) -> list[object]:
    return [get(row) for row in rows]
