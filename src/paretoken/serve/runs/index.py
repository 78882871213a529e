"""The runs and points of a folder in an embedded DuckDB, in memory: files stay the truth.

The folder is walked again where an answer is wanted and the last walk is older than EVERY_S; only what changed, by
time and size, is read again, beside the answers. DuckDB reads Parquet itself and nothing else: it may open files of
the folder alone, write none, and load no extension. It does so in the process of the server: a file that crashes
DuckDB's reader ends the server, so serve folders of strangers in a container that starts again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TypeVar

import duckdb

from paretoken.errors import NoData, quoted
from paretoken.serve.runs.files import PlaceKind, RunPlace, run_places
from paretoken.serve.runs.points import COLUMNS, READ, TYPES, read_points
from paretoken.serve.runs.rows import NAMES, RunRow, row_of

T = TypeVar("T")
EVERY_S = 2.0
AT_ONCE = 64
"""Places read in one transaction."""
MEMORY, THREADS = "2GB", 2


@dataclass(frozen=True, slots=True)
class Walk:
    """How far reading the folder is: places read of all, whether it goes on, and for how long it was read last."""

    read: int = 0
    places: int = 0
    running: bool = False
    seconds: float = 0.0


class RunIndex:
    """The tables `runs` and `points`, kept up to date; `rows` answers a question from any thread.

    `changes` counts how often something was read anew; `complete` is whether the whole folder was read once.
    """

    def __init__(self, root: Path, every_s: float = EVERY_S) -> None:
        self.root = root.resolve()
        self.walk = Walk(running=True)
        self._every_s = every_s
        self._database = _opened(self.root)
        self._places: dict[str, RunPlace] = {}
        self._refreshing = threading.Lock()
        self._due_s = 0.0
        self.changes = 0
        self.complete = False
        self._kept: dict[str, tuple[int, dict[str, tuple[tuple[str, int], ...]]]] = {}

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """The rows of a query of this program, with its values."""
        with self._database.cursor() as cursor:
            return cursor.execute(query, list(values)).fetchall()

    def tables(self, query: str, values: Sequence[object] = ()) -> list[dict[str, object]]:
        """The same, each row by the names of its columns."""
        with self._database.cursor() as cursor:
            answer = cursor.execute(query, list(values))
            names = [name for name, *_ in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def kept(self, name: str, queries: Mapping[str, str]) -> dict[str, tuple[tuple[str, int], ...]]:
        """The (value, count) rows of several queries, kept under a name until the folder changes."""
        changes, answers = self._kept.get(name, (-1, {}))
        if changes != self.changes:
            changes = self.changes
            answers = {key: tuple((str(v), int(str(n))) for v, n in self.rows(q)) for key, q in queries.items()}
            self._kept[name] = changes, answers
        return answers

    def place(self, path: str, kind: PlaceKind = "run") -> RunPlace:
        """A place of the folder, by its path; NoData for what is not in the index."""
        place = self._places.get(path)
        if place is None or place.kind != kind:
            raise NoData(f"the folder holds no {kind} {quoted(path)}; choose one of the list")
        return place

    def place_of_any(self, path: str) -> RunPlace:
        """A run or a campaign, by its path; NoData for what is not in the index."""
        place = self._places.get(path)
        return place if place is not None and place.kind == "campaign" else self.place(path)

    def states_of(self, path: str) -> tuple[RunPlace, ...]:
        """A run, or a campaign with its runs, as its files were last; NoData for what is not in the index."""
        place = self.place_of_any(path)
        if place.kind == "run":
            return (place,)
        runs = (own for name, own in self._places.items() if name.startswith(f"{path}/") or not path)
        return place, *sorted(runs, key=lambda own: own.path)

    def refresh_soon(self) -> None:
        """Walk the folder again, in a thread, unless that was done a moment ago or is being done."""
        if time.monotonic() >= self._due_s and self._refreshing.acquire(blocking=False):
            threading.Thread(target=self._refresh_then_release, name="runs", daemon=True).start()

    def refresh(self) -> None:
        """Walk the folder again now."""
        with self._refreshing:
            self._refresh()

    def wait(self, most_s: float) -> None:
        """Wait until the walk that runs is done, if that takes no longer than `most_s`."""
        if self._refreshing.acquire(timeout=most_s):
            self._refreshing.release()

    def close(self) -> None:
        """Let the database go; a walk that runs ends first."""
        with self._refreshing:
            self._database.close()

    def _refresh_then_release(self) -> None:
        try:
            self._refresh()
        finally:
            self._refreshing.release()

    def _refresh(self) -> None:
        try:
            self._read_changes()
        finally:  # also where a defect ends it: no page waits for it then
            self.walk = replace(self.walk, running=False)
            self._due_s = time.monotonic() + self._every_s

    def _read_changes(self) -> None:
        started = time.monotonic()
        now = {place.path: place for place in run_places(self.root)}
        changed = [place for path, place in now.items() if self._places.get(path) != place]
        with self._database.cursor() as cursor:
            for gone in _batches([path for path in self._places if path not in now]):
                _forget(cursor, gone)
                self.changes += 1
            self._places = {path: place for path, place in self._places.items() if path in now}
            self.walk = Walk(len(self._places), len(now), running=bool(changed), seconds=self.walk.seconds)
            for places in _batches(changed):
                self._read(cursor, places)
                self._places = self._places | {place.path: place for place in places}  # others may be reading it
                self.changes += 1
                self.walk = replace(self.walk, read=len(self._places))
        self.complete = True
        seconds = time.monotonic() - started if changed else self.walk.seconds
        self.walk = Walk(len(now), len(now), seconds=seconds)

    def _read(self, cursor: duckdb.DuckDBPyConnection, places: Sequence[RunPlace]) -> None:
        """Read places anew, all or none of them."""
        rows = [row_of(self.root, place) for place in places]
        errors = dict(read_points(cursor, self.root, places))
        rows = [replace(row, error=row.error or errors.get(row.path, "")) for row in rows]
        marks = ", ".join(f"({', '.join('?' * len(NAMES))})" for _ in rows)
        cursor.begin()  # who asks meanwhile gets the rows of before
        _forget(cursor, [place.path for place in places])
        cursor.execute(f"INSERT INTO points FROM {READ}")
        cursor.execute(f"INSERT INTO runs VALUES {marks}", [value for row in rows for value in astuple(row)])  # noqa: S608
        cursor.commit()


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[k : k + AT_ONCE] for k in range(0, len(items), AT_ONCE))


def _opened(root: Path) -> duckdb.DuckDBPyConnection:
    """An empty database that can read files of the folder and do nothing else outside its memory."""
    database = duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": THREADS})
    database.execute("SET autoinstall_known_extensions = false")
    database.execute("SET autoload_known_extensions = false")
    database.execute("SET temp_directory = ''")
    database.execute(f"SET allowed_directories = [{_literal(str(root))}]")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    kinds = [(name, _kind_of(RunRow.__annotations__[name])) for name in NAMES]
    database.execute(f"CREATE TABLE runs ({', '.join(f'{name} {kind}' for name, kind in kinds)})")
    columns = ", ".join(f"{c.name} {TYPES[c.kind]}" for c in COLUMNS)
    database.execute(f"CREATE TABLE points (path VARCHAR, {columns})")
    return database


def _kind_of(hint: str) -> str:
    """The SQL type of a field of a row, by its annotation."""
    if "str" in hint:
        return "VARCHAR"
    return "DOUBLE" if "float" in hint else "BOOLEAN" if "bool" in hint else "BIGINT"


def _forget(cursor: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    marks = ", ".join("?" * len(paths))
    for table in ("runs", "points"):
        cursor.execute(f"DELETE FROM {table} WHERE path IN ({marks})", list(paths))  # noqa: S608


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
