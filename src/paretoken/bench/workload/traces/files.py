"""Rows of a trace file with the place of each: JSON lines, a JSON list, or CSV with a header, packed by gzip or not."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from paretoken.bench.workload.traces.request import TraceRow
from paretoken.errors import BadFile

MOST_LINE = 64_000_000
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Head:
    """How a file begins: the columns of a CSV header, or the keys of the first JSON object."""

    columns: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()


def read_head(path: Path) -> Head:
    """The head of a file; BadFile if it is missing, empty or broken at the first row."""
    first = next((line for line in lines(path) if line.strip()), None)
    if first is None:
        raise BadFile(f"{path} is empty; give a file with at least one request")
    if first.lstrip()[0] in "[{":
        row = next(objects(path), None)
        if row is None:
            raise BadFile(f"{path} holds an empty list; give a file with at least one request")
        return Head(keys=frozenset(row.values))
    return Head(columns=tuple(name.strip() for name in next(csv.reader([first]))))


def objects(path: Path) -> Iterator[TraceRow]:
    """The objects of JSON lines, or of one JSON list."""
    listed: bool | None = None
    for number, line in enumerate(lines(path), start=1):
        text = line.strip()
        if not text:
            continue
        if listed is None and (listed := text[0] == "["):
            yield from _listed(path)
            return
        yield _row(_parse(text, path, f"line {number}"), path, f"line {number}")


def records(path: Path) -> Iterator[TraceRow]:
    """The rows of a CSV file by the names in its header; a row that is too short lacks its last fields."""
    reader = csv.DictReader(lines(path), skipinitialspace=True)
    try:
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        for values in reader:
            if any(values.values()):
                yield TraceRow(values, str(path), f"line {reader.line_num}")
    except csv.Error as e:
        raise BadFile(f"{path}: line {reader.line_num}: {e}; write the trace again as plain CSV") from e


def _listed(path: Path) -> Iterator[TraceRow]:
    values = _parse("".join(lines(path)), path, "the JSON list")
    for number, value in enumerate(values if isinstance(values, list) else [values], start=1):
        yield _row(value, path, f"entry {number}")


def _parse(text: str, path: Path, place: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise BadFile(f"{path}: {place} is not whole JSON ({e.msg}); it may be truncated: copy it again") from e


def _row(value: object, path: Path, place: str) -> TraceRow:
    if not isinstance(value, dict):
        raise BadFile(f"{path}: {place}: {str(value)[:40]!r} is not a JSON object")
    return TraceRow(value, str(path), place)


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file, packed by gzip or not, in parts no longer than MOST_LINE."""
    try:
        with path.open("rb") as packed:
            raw: gzip.GzipFile | io.BufferedReader = (
                gzip.GzipFile(fileobj=packed) if packed.peek(2)[:2] == _GZIP else packed
            )
            with io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
                while line := file.readline(MOST_LINE):
                    if len(line) == MOST_LINE:
                        raise BadFile(f"{path} has a line of more than {MOST_LINE // 1_000_000} MB")
                    yield line
    except UnicodeDecodeError as e:
        raise BadFile(f"{path} is not text; unpack it first if it is compressed") from e
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise BadFile(f"{path} is a damaged gzip file; copy it again") from e
    except OSError as e:
        raise BadFile(f"{path} cannot be read: {e.strerror}") from e
