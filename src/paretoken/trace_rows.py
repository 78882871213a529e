"""Rows of a trace file with the place of each: JSON objects, or CSV with a header, packed by gzip or not."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import orjson

from paretoken.errors import BadFile

MOST_LINE = 64_000_000
MOST_TOKENS = 2**31 - 1
FROM_ZERO = 1e8
"""Numbers below this count from the start of a log, up to three years in seconds."""
LATEST_S = 7_258_118_400.0
"""The year 2200 in seconds since 1970; every time is below it, whatever it counts from."""
_GZIP = b"\x1f\x8b"
HEAD_LINES = 100
"""First lines of a file, of which a whole one shows the layout, whatever is broken before it."""
MARKS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""Strings, as brackets in them mean nothing, and brackets. A string ends with its line at the latest.

Every quote begins a match that is never read twice, so a line of any content takes time in proportion to its length.
"""


UNREADABLE = "a row that cannot be read"


class BadRow(BadFile):
    """A row that cannot be read. `reason` is the same for all rows with that fault, for who counts them."""

    def __init__(self, message: str, reason: str = UNREADABLE) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One row of a file and its place; the getters raise BadRow with one sentence. `size` are its characters."""

    values: Mapping[str, object]
    file: str
    place: str
    size: int = 0

    def bad(self, why: str, reason: str = UNREADABLE) -> BadRow:
        """The error for this row."""
        return BadRow(f"{self.file}: {self.place}: {why}", reason)

    def get(self, name: str) -> object:
        """A field that must be there."""
        value = self.values.get(name)
        if value is None or value == "":
            raise self.bad(f"the field {name!r} is missing", "a missing field")
        return value

    def tokens(self, name: str) -> int:
        """A whole number, 0 or more."""
        value = self.get(name)
        number = self._number(name, value)
        if number != int(number) or not 0 <= number <= MOST_TOKENS:
            if number < 0:
                reason = "a negative number of tokens"
            else:
                reason = "a number of tokens that is too large" if number > MOST_TOKENS else "a part of a token"
            why = f"{name} {str(value)[:40]!r} is not a whole number of tokens, 0 to {MOST_TOKENS:,}"
            raise self.bad(why, reason)
        return int(number)

    def time_s(self, name: str, unit_s: float = 1.0) -> float:
        """A time in s, 0 or more."""
        value = self.get(name)
        number = self._number(name, value)
        if number < 0:
            raise self.bad(f"{name} {str(value)[:40]!r} is negative; times must be 0 or more", "a negative time")
        if number * unit_s > LATEST_S:
            raise self.bad(f"{name} {str(value)[:40]!r} is later than the year 2200", "a time later than the year 2200")
        return number * unit_s

    def _number(self, name: str, value: object) -> float:
        try:
            number = math.nan
            if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.bad(f"{name} {str(value)[:40]!r} is not a number", "a value that is not a number")
        return number


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


def objects(path: Path, broken: Callable[[BadFile], None] | None = None) -> Iterator[TraceRow]:
    """The objects of JSON lines, of a JSON list, or of documents of several lines each; one at a time is in memory.

    A line of JSON lines that is not whole goes to `broken`, as the error it is, where that is given.
    """
    numbered = ((n, line) for n, line in enumerate(lines(path), start=1) if line.strip())
    first = next(numbered, None)
    if first is None:
        return
    head = [first]
    if first[1].lstrip()[0] == "[" or not _are_lines(head, numbered, path):
        yield from _spread(chain(head, numbered), path)
        return
    for number, line in chain(head, numbered):
        try:
            row = _row(_parse(line, path, f"line {number}"), path, f"line {number}", len(line))
        except BadFile as e:
            if broken is None:
                raise
            broken(e)
        else:
            yield row


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


def _spread(numbered: Iterable[tuple[int, str]], path: Path) -> Iterator[TraceRow]:
    """The objects of one list, or of documents that begin and end anywhere in the lines."""
    listed: bool | None = None
    depth = begin = size = entry = 0
    place, parts = "line 1", list[str]()
    for number, line in numbered:
        end = begin = 0
        for mark in MARKS.finditer(line):
            if depth <= bool(listed):
                _check_between(line[end : mark.start()], path, f"entry {entry + 1}" if listed else f"line {number}")
                if listed is None and mark[0] == "[":
                    listed, depth, end = True, 1, mark.end()
                    continue
                if listed and mark[0] == "]":
                    depth, end = 0, mark.end()
                    continue
                listed, begin, entry = bool(listed), mark.start(), entry + 1
                place, parts, size = (f"entry {entry}" if listed else f"line {number}"), [], 0
            depth += (mark[0] in "[{") - (mark[0] in "]}")
            end = mark.end()
            if depth <= bool(listed):
                parts.append(line[begin:end])
                text = "".join(parts)
                yield _row(_parse(text, path, place), path, place, len(text))
        if depth > bool(listed):
            parts.append(line[begin:])
            size += len(line)
            if size > MOST_LINE:
                raise BadFile(f"{path}: {place} is longer than {MOST_LINE // 1_000_000} MB; write smaller objects")
        else:
            _check_between(line[end:], path, f"entry {entry + 1}" if listed else f"line {number}")
    if depth:
        within = depth > bool(listed)
        _parse("".join(parts) if within else "[", path, place if within else "the list")


def _are_lines(head: list[tuple[int, str]], more: Iterator[tuple[int, str]], path: Path) -> bool:
    """Whether every line is an object of its own. Lines read for this are moved from `more` to `head`.

    They are where the first line is whole, or where a later line is whole that cannot continue what is open before it:
    then the lines before it are broken.
    """
    if _is_whole(head[0][1]):
        return True
    depth = size = 0
    while len(head) < HEAD_LINES and size < MOST_LINE:
        line, size, above = head[-1][1], size + len(head[-1][1]), depth
        depth += sum((mark[0] in "[{") - (mark[0] in "]}") for mark in MARKS.finditer(line))
        broken = bool(depth) if above else not _holds_documents(head[-1], path)
        following = next(more, None)
        if following is None:
            return False
        head.append(following)
        if broken and line.rstrip()[-1] not in "[{,:" and following[1][0] == "{" and _is_whole(following[1]):
            return True
    return False


def _holds_documents(numbered: tuple[int, str], path: Path) -> bool:
    """Whether a line holds whole objects one behind the other."""
    try:
        for _ in _spread([numbered], path):
            pass
    except BadFile:
        return False
    return True


def _check_between(text: str, path: Path, place: str) -> None:
    """Between two objects there are blanks and commas only."""
    if words := text.strip(" \t\r\n,"):
        _row(_parse(words.split(",")[0], path, place), path, place)


def _is_whole(line: str) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _parse(text: str, path: Path, place: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise BadFile(f"{path}: {place} is not whole JSON ({e.msg}); it may be truncated: copy it again") from e


def _row(value: object, path: Path, place: str, size: int = 0) -> TraceRow:
    if not isinstance(value, dict):
        raise BadFile(f"{path}: {place}: {str(value)[:40]!r} is not a JSON object")
    return TraceRow(value, str(path), place, size)


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
