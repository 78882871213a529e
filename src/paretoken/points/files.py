"""Operating points from and to files: Parquet (the joint of the pipeline) and CSV (the same columns)."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import polars as pl

from paretoken.errors import BadFile, CannotWrite, RowError
from paretoken.points.check import checked
from paretoken.points.schema import BY_NAME, SCHEMA_VERSION

VERSION_KEY = "paretoken.operating_points.version"
_MAGIC = b"PAR1"
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
    header = data.split(b"\n", 1)[0].decode("utf-8", errors="replace")
    names = [name.strip().strip('"') for name in header.lstrip("\ufeff").split(",")]
    shared = sum(name in BY_NAME for name in names)
    return read_csv if shared >= 2 and 2 * shared >= len(names) else None


def read_bytes(path: Path | str) -> bytes:
    """The file's bytes; BadFile if it is missing, a folder, unreadable or empty."""
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError as e:
        raise BadFile(f"{path} is a folder; give a file") from e
    except FileNotFoundError as e:
        raise BadFile(f"{path} does not exist; check the path") from e
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror}") from e
    if not data:
        raise BadFile(f"{path} is empty; it has no operating points")
    return data


def read_parquet(data: bytes, file: str, keep_going: bool) -> tuple[pl.DataFrame, list[RowError]]:
    """Points of Parquet bytes; an older schema version is read, a newer one refused."""
    try:
        metadata = pl.read_parquet_metadata(io.BytesIO(data))
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError) as e:
        raise BadFile(f"{file} is a truncated or damaged Parquet file; write or copy it again") from e
    version = metadata.get(VERSION_KEY)
    if version is None:
        raise BadFile(f"{file} is Parquet but holds no operating points; its metadata lacks {VERSION_KEY}")
    if int(version) > SCHEMA_VERSION:
        raise BadFile(f"{file} has schema version {version}, newer than {SCHEMA_VERSION}; update paretoken")
    return checked(frame, file, keep_going=keep_going)


def read_csv(data: bytes, file: str, keep_going: bool) -> tuple[pl.DataFrame, list[RowError]]:
    """Points of CSV bytes whose header names columns of the schema."""
    try:
        frame = pl.read_csv(io.BytesIO(data), infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as e:
        raise BadFile(f"{file} is not a CSV table: {str(e).splitlines()[0]}") from e
    if frame.is_empty():
        raise BadFile(f"{file} has a header but no rows; it has no operating points")
    return checked(frame, file, keep_going=keep_going)


def write_points(frame: pl.DataFrame, path: Path | str) -> None:
    """Write points, with whatever derived columns they carry, as Parquet with the schema version."""
    try:
        frame.write_parquet(path, compression="zstd", compression_level=19, metadata={VERSION_KEY: str(SCHEMA_VERSION)})
    except (OSError, pl.exceptions.PolarsError) as e:  # a full disk is either
        raise CannotWrite(f"{path} cannot be written: {getattr(e, 'strerror', None) or e}") from e
