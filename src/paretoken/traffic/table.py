"""The rows of a request log, one after another: JSON lines, a JSON list, or CSV; packed by gzip or not."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from paretoken.errors import BadFile, quoted
from paretoken.trace_rows import MOST_LINE, lines
from paretoken.traffic.columns import FieldPath, as_object

LogRow = Mapping[str, object] | Sequence[str]
"""An object of JSON, or the cells of a row of CSV."""
MOST_LIST = 1_000_000_000
"""Characters of a JSON list, which is read as a whole."""
_LISTS = ("data", "items", "results", "logs", "rows", "records", "observations", "value")
"""Keys under which answers of APIs hold their rows."""


@dataclass(frozen=True, slots=True)
class LogTable:
    """A log file: its form, and the columns of its header where it is CSV."""

    file: Path
    form: str
    header: tuple[str, ...] = ()
    delimiter: str = ","

    def place(self, number: int) -> str:
        """Where row `number` is, for an error."""
        return f"{self.file}: {'entry' if self.form == 'list' else 'line'} {number}"

    def bad(self, number: int, why: str) -> BadFile:
        """An error about row `number`."""
        return BadFile(f"{self.place(number)}: {why}")

    def rows(self) -> Iterator[tuple[int, LogRow]]:
        """Every row with the number of its line, or of its entry in a list."""
        if self.form == "csv":
            return self._cells()
        return self._listed() if self.form == "list" else self._objects()

    def samples(self, count: int) -> Iterator[Mapping[str, object]]:
        """The first rows by the names of their fields; those of a header alone come first."""
        if self.header:
            yield dict.fromkeys(self.header)
        for _, row in islice(self.rows(), count):
            yield row if isinstance(row, Mapping) else dict(zip(self.header, row, strict=False))

    def getter(self, path: FieldPath) -> Callable[[LogRow], object]:
        """A function that gives a field of a row; None where the row lacks it."""
        place: str | int = self.header.index(path[0]) if self.form == "csv" else path[0]

        def get(row: LogRow) -> object:
            value: object = row.get(place) if isinstance(row, dict) else row[place]  # type: ignore[index] # by form
            for key in path[1:]:
                value = (as_object(value) or {}).get(key)
            return value

        return get

    def _objects(self) -> Iterator[tuple[int, LogRow]]:
        for number, line in enumerate(lines(self.file), start=1):
            if not line.isspace():
                yield number, self._object(self._parse(line, number), number)

    def _listed(self) -> Iterator[tuple[int, LogRow]]:
        document = _document(self.file)
        if isinstance(document, dict):
            document = next((document[k] for k in _LISTS if isinstance(document.get(k), list)), [document])
        for number, value in enumerate(document if isinstance(document, list) else [document], start=1):
            yield number, self._object(value, number)

    def _cells(self) -> Iterator[tuple[int, LogRow]]:
        width, limit = len(self.header), csv.field_size_limit(MOST_LINE)  # cells may hold whole prompts
        reader = csv.reader(lines(self.file), delimiter=self.delimiter, skipinitialspace=True)
        try:
            while not any(next(reader, ["end"])):
                pass  # to the header
            for cells in reader:
                if len(cells) < width:
                    if not any(cells):
                        continue
                    cells += [""] * (width - len(cells))
                yield reader.line_num, cells
        except csv.Error as e:
            raise self.bad(reader.line_num, f"{e}; write the log again as plain CSV") from e
        finally:
            csv.field_size_limit(limit)

    def _parse(self, line: str, number: int) -> object:
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError as e:
            raise BadFile(
                f"{self.place(number)} is not valid JSON ({e.msg}); correct it, or copy the file again if it is cut off"
            ) from e

    def _object(self, value: object, number: int) -> Mapping[str, object]:
        if not isinstance(value, dict):
            raise self.bad(number, f"{quoted(value)} is not a JSON object with the fields of a request")
        return value


def open_table(file: Path) -> LogTable:
    """The form of a log by its first line; BadFile if the file is empty or cannot be read."""
    first = next((line for line in lines(file) if not line.isspace()), None)
    if first is None:
        raise BadFile(f"{file} is empty; give a file with two requests or more")
    start = first.lstrip()[0]
    if start == "[" or (start == "{" and not _is_json(first)):
        return LogTable(file, "list")
    if start == "{":
        second = next(islice((line for line in lines(file) if not line.isspace()), 1, None), None)
        row = orjson.loads(first)
        wrapped = second is None and any(isinstance(row.get(k), list) for k in _LISTS)
        return LogTable(file, "list" if wrapped else "lines")
    delimiter = max(",;\t|", key=lambda d: len(_split(first, d)))
    return LogTable(file, "csv", tuple(name.strip() for name in _split(first, delimiter)), delimiter)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _is_json(line: str) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _document(file: Path) -> object:
    parts, size = [], 0
    for line in lines(file):
        parts.append(line)
        size += len(line)
        if size > MOST_LIST:
            raise BadFile(f"{file} is one JSON document of more than {MOST_LIST // 10**9} GB; write it as JSON lines")
    try:
        return orjson.loads("".join(parts))
    except orjson.JSONDecodeError as e:
        raise BadFile(
            f"{file} is not valid JSON ({e.msg} at line {e.lineno}); correct it, or copy it again if it is cut off"
        ) from e
