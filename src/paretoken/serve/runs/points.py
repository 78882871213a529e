"""Operating points of Parquet files, read by DuckDB into a temporary table of the index.

Files are of strangers: they are bounded, and one that is damaged or foreign has its reason. DuckDB reads them in the
process of the server, so a file that crashes its reader ends the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb

from paretoken.errors import BadFile
from paretoken.foreign_text import one_line
from paretoken.plural import listed
from paretoken.points.schema import STORED, Column
from paretoken.serve.runs.files import RunPlace
from paretoken.serve.runs.rows import without_folder

MOST_POINTS_BYTES = 256_000_000
MOST_POINTS = 2_000_000
"""Rows of one table."""
LEFT_OUT = ("mean", "p90", "p95", "p999")
"""Statistics that the list of points and the history need none of."""
COLUMNS = tuple(c for c in STORED if c.name.split("_")[0] not in LEFT_OUT or c.name in ("mean_isl", "mean_osl"))
TYPES = {"str": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}
UNREADABLE = (duckdb.Error, BadFile, OSError)
"""What a file raises that is damaged, foreign, or gone since the folder was listed."""
REQUIRED = frozenset(c.name for c in STORED if c.required)
"""Columns without which a table holds no operating points."""
READ = "points_read"
"""The temporary table of points that are read but not yet in the index."""
LONGEST = 200
"""Characters of a text."""


def read_points(cursor: duckdb.DuckDBPyConnection, root: Path, places: Iterable[RunPlace]) -> Iterator[tuple[str, str]]:
    """Take the points of places into the table READ; the path of each whose Parquet cannot be read, and why."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {READ} AS FROM points LIMIT 0")
    for kind, beside in (("run", "/points.parquet"), ("points", "")):
        files = {f"{root}/{p.path}{beside}": p for p in places if p.kind == kind and p.states[-1] is not None}
        if not files:
            continue
        try:
            _take(cursor, root, list(files), beside)
        except UNREADABLE:  # one of them is damaged: which?
            for file, place in files.items():
                try:
                    _take(cursor, root, [file], beside)
                except UNREADABLE as e:
                    yield place.path, without_folder(_why(e, Path(file)), root)


def _take(cursor: duckdb.DuckDBPyConnection, root: Path, files: Sequence[str], beside: str) -> None:
    """Insert the points of Parquet files whose path ends with `beside`; all or none."""
    patterns = [_pattern(file) for file in files]
    sizes = cursor.execute("SELECT file_name, num_rows FROM parquet_file_metadata(?)", [patterns]).fetchall()
    for name, rows in sizes:
        if rows > MOST_POINTS or Path(name).stat().st_size > MOST_POINTS_BYTES:
            raise BadFile(f"{name} has {rows:,} rows; the most are {MOST_POINTS:,} in {MOST_POINTS_BYTES:,} bytes")
    schemas = cursor.execute("SELECT file_name, list(name) FROM parquet_schema(?) GROUP BY 1", [patterns]).fetchall()
    for name, names in schemas:
        if lacking := listed(sorted(REQUIRED - set(names))):
            raise BadFile(f"{name} is Parquet but holds no operating points; it lacks {lacking}")
    source = "read_parquet(?, union_by_name = true, filename = '_file')"
    have = {name for name, *_ in cursor.execute(f"DESCRIBE SELECT * FROM {source}", [patterns]).fetchall()}  # noqa: S608
    columns = [c for c in COLUMNS if c.name in have]
    values = ", ".join(map(_value, columns))
    path = f"substr(_file, {len(str(root)) + 2}, length(_file) - {len(str(root)) + 1 + len(beside)})"
    names = ", ".join(c.name for c in columns)
    query = f"INSERT INTO {READ} (path, {names}) SELECT {path}, {values} FROM {source}"  # noqa: S608
    cursor.execute(query, [patterns])


def _value(column: Column) -> str:
    """A column of a file as the table holds it: null where it has another type, texts cut."""
    cast = f'TRY_CAST("{column.name}" AS {TYPES[column.kind]})'
    return f"left({cast}, {LONGEST})" if column.kind == "str" else cast


def _pattern(file: str) -> str:
    """The file as DuckDB takes it: what would be a wildcard is itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in file)


def _why(error: Exception, file: Path) -> str:
    if isinstance(error, BadFile):
        return str(error)
    if isinstance(error, OSError):
        return f"{file} cannot be read: {error.strerror}"
    return f"{file} is a truncated or damaged Parquet file; write or copy it again ({one_line(str(error))[:120]})"
