"""Operating points from and to files: Parquet (the joint of the pipeline) and CSV (the same columns).

CSV is read with or without a byte-order mark, with any line ends, with `,`, `;` or tabs between its cells; beside
`;` a comma is a decimal one.
"""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from paretoken.csv_cells import with_unquoted_cells
from paretoken.errors import BadFile, CannotWrite, RowError, shown
from paretoken.plain_files import MOST_BYTES
from paretoken.plain_files import read_parquet as parquet_table
from paretoken.points.check import checked
from paretoken.points.schema import BY_NAME, SCHEMA_VERSION

VERSION_KEY = "paretoken.operating_points.version"
MOST_POINTS = 5_000_000
POINTS = "points.parquet"
"""The points of a run or a campaign, in its folder."""
_RUN_FILES = ("run.json", "campaign.json")
_MAGIC, _GZIP = b"PAR1", b"\x1f\x8b"
_LONGEST_HEADER, _LONGEST_VERSION = 65_536, 9
_DECIMAL_COMMA = re.compile(r"^(-?\d+),(\d+)$")
Reader = Callable[[bytes, str, bool], tuple[pl.DataFrame, list[RowError]]]


def read_points(path: Path | str, *, keep_going: bool = False) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of one Parquet or CSV file in this project's schema, detected by content."""
    data = read_bytes(path)
    return read_parquet(data, str(path), keep_going) if data[:4] == _MAGIC else read_csv(data, str(path), keep_going)


def own_reader(data: bytes) -> Reader | None:
    """The reader for bytes in this project's own schema; None if they are of another format.

    A table is of the schema if at least half of its columns are: other tools share a name or two.
    """
    if data[:4] == _MAGIC:
        return read_parquet
    header = data[:_LONGEST_HEADER].decode("utf-8-sig", errors="replace")
    names = [name.strip().strip('"') for name in re.split(r"[,;\t]", header.splitlines()[0] if header.strip() else "")]
    own = sum(name in BY_NAME for name in names)
    # Tables of other tools have a column or two of the same name, such as date and request_rate.
    return read_csv if own >= 2 and 2 * own >= len(names) else None


def point_files(paths: Iterable[Path]) -> list[Path]:
    """The paths, folders of `paretoken bench` and `paretoken campaign` as the files of their points.

    BadFile if such a folder has none.
    """
    files: list[Path] = []
    for path in paths:
        if not any((path / name).is_file() for name in _RUN_FILES):
            files.append(path)
            continue
        inside = [path / POINTS] if (path / POINTS).is_file() else sorted(path.glob(f"jobs/*/*/{POINTS}"))
        if not inside:
            raise BadFile(f"{path} is a run without a finished level; finish it, then read it again")
        files += inside
    return files


def read_bytes(path: Path | str) -> bytes:
    """The file's bytes, unpacked if it is gzip; BadFile if it is missing, a folder, unreadable, empty or too large."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except IsADirectoryError as e:
        raise BadFile(f"{path} is a folder; give a file") from e
    except FileNotFoundError as e:
        raise BadFile(f"{path} does not exist; check the path") from e
    except (OSError, ValueError) as e:  # a path with a null character is a ValueError
        raise BadFile(f"{path} cannot be read: {getattr(e, 'strerror', None) or e}") from e
    if data[:2] == _GZIP:
        data = _unpacked(data, path)
    if not data:
        raise BadFile(f"{path} is empty; it has no operating points")
    if len(data) > MOST_BYTES:
        raise BadFile(f"{path} is larger than {MOST_BYTES // 1_000_000} MB; check that it is the right file")
    return data


def _unpacked(data: bytes, path: Path | str) -> bytes:
    """The content of gzip bytes up to one byte more than is read."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(data, MOST_BYTES + 1)
    except zlib.error as e:
        raise BadFile(f"{path} is damaged gzip; write or copy it again") from e
    if not unpacker.eof and len(content) <= MOST_BYTES:
        raise BadFile(f"{path} is truncated gzip; write or copy it again")
    return content


def read_parquet(data: bytes, file: str, keep_going: bool) -> tuple[pl.DataFrame, list[RowError]]:
    """Points of Parquet bytes; an older schema version is read, a newer one refused."""
    frame, metadata = parquet_table(data, file, most_rows=MOST_POINTS)
    version = metadata.get(VERSION_KEY)
    if version is None:
        raise BadFile(f"{file} is Parquet but holds no operating points; its metadata lacks {VERSION_KEY}")
    if not version.isdecimal() or len(version) > _LONGEST_VERSION or int(version) > SCHEMA_VERSION:
        raise BadFile(f"{file} has schema version {shown(version)}, newer than {SCHEMA_VERSION}; update paretoken")
    return checked(frame, file, keep_going=keep_going)


def read_csv(data: bytes, file: str, keep_going: bool) -> tuple[pl.DataFrame, list[RowError]]:
    """Points of CSV bytes whose header names columns of the schema."""
    try:
        rows = csv_rows(data.decode("utf-8-sig"))
    except (csv.Error, UnicodeDecodeError) as e:
        raise BadFile(f"{file} is not a CSV table: {str(e).splitlines()[0]}") from e
    if len(rows) < 2:
        raise BadFile(f"{file} has a header but no rows; it has no operating points")
    header, *cells = rows
    uneven = next((n for n, row in enumerate(cells, start=1) if len(row) > len(header)), None)
    if uneven is not None or len(set(header)) < len(header):
        fault = "names a column twice" if uneven is None else f"has more cells in row {uneven} than in its header"
        raise BadFile(f"{file} is not a CSV table: it {fault}")
    table = {name: [row[i] if i < len(row) else "" for row in cells] for i, name in enumerate(header)}
    frame = with_unquoted_cells(pl.DataFrame(table, schema=dict.fromkeys(header, pl.String)))
    return checked(frame, file, keep_going=keep_going)


def csv_rows(text: str) -> list[list[str]]:
    """The cells of a CSV table, header first, without blank rows; csv.Error if it is none.

    What stands between the cells is read off the header: a tab or a `;` where there are more of them than commas.
    """
    header = text.lstrip("\r\n").split("\n", 1)[0]
    between = max(",;\t", key=header.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=between) if any(c.strip() for c in row)]
    if between == ";":
        rows = [[_DECIMAL_COMMA.sub(r"\1.\2", cell.strip()) for cell in row] for row in rows]
    return [[name.strip() for name in row] if i == 0 else row for i, row in enumerate(rows)]


def write_points(frame: pl.DataFrame, path: Path | str) -> None:
    """Write points, with whatever derived columns they carry, as Parquet with the schema version."""
    try:
        frame.write_parquet(path, compression="zstd", compression_level=19, metadata={VERSION_KEY: str(SCHEMA_VERSION)})
    except (OSError, pl.exceptions.PolarsError) as e:  # a full disk is either
        raise CannotWrite(f"{path} cannot be written: {getattr(e, 'strerror', None) or e}") from e
