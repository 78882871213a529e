"""Bytes of a foreign file to a parsed document: one object or a list of objects, as JSON, JSON lines or YAML.

A script that assigns one object to a name, as dashboards have it, is that object: `window.DATA = {…}`.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, field
from itertools import zip_longest

from paretoken.errors import BadFile, BadRows, RowError
from paretoken.plain_files import load_yaml
from paretoken.points.files import csv_rows
from paretoken.points.importers.reading import Parsed

_SHOWN = 40
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_DOCUMENT = re.compile(r"^---(?:\s|$)", re.MULTILINE)
_ASSIGNED = re.compile(r"\s*window\.\w+\s*=\s*(?=\{)")


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What a file holds; `places[i]` is the line or the place in its list where entry i stood, from 1."""

    parsed: Parsed
    places: list[int] = field(default_factory=lambda: [1])
    errors: list[RowError] = field(default_factory=list)


def text_of(data: bytes, file: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a mark, as PowerShell writes; BadFile if it is neither."""
    try:
        return data.decode("utf-16" if data[:2] in _UTF_16 else "utf-8-sig")
    except UnicodeDecodeError as e:
        raise BadFile(f"{file} is neither text nor Parquet; give a result file of a known format") from e


def yaml_of(text: str, file: str) -> ParsedFile | None:
    """The YAML documents of a text, None where it holds no mapping."""
    try:
        parts = [load_yaml(part, file, any_number=True) for part in _DOCUMENT.split(text)]
    except BadFile:
        return None
    documents = [p for p in parts if isinstance(p, dict)]
    if not documents:
        return None
    return ParsedFile(documents[0] if len(documents) == 1 else documents, list(range(1, len(documents) + 1)))


def table_of(text: str) -> list[dict[str, str]]:
    """The rows of a CSV table under its header, whatever its line ends and what stands between its cells.

    A row of another length is cut or filled. Empty where the text is no such table.
    """
    try:
        header, *rows = csv_rows(text) or [[]]
    except csv.Error:
        return []
    return [dict(zip_longest(header, row[: len(header)], fillvalue="")) for row in rows]


def parse(text: str, file: str, *, keep_going: bool = False) -> ParsedFile:
    """The document of JSON or JSON lines.

    Benchmark clients write `Infinity` and `NaN`, which strict JSON forbids; they are read.
    BadFile if it is neither form; BadRows for broken lines, unless `keep_going` leaves them out.
    """
    if assigned := _ASSIGNED.match(text):
        text = text[assigned.end() :].rstrip().removesuffix(";")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as e:
        return _objects(_lines(text, file, e), file, "line", keep_going)
    if isinstance(whole, dict):
        return ParsedFile(whole)
    if not isinstance(whole, list) or not whole:
        raise BadFile(f"{file} holds no JSON object; give a result file of a known format")
    return _objects(list(enumerate(whole, start=1)), file, "entry", keep_going)


def _lines(text: str, file: str, failure: Exception) -> list[tuple[int, object]]:
    """Each line that is not blank, parsed, or its text where broken; BadFile unless one is an object."""
    parsed = [(n, _line(line)) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]
    # A list with an object on each line is cut off in the middle: the one line without a comma is not its content.
    if text.lstrip().startswith("[") or not any(isinstance(value, dict) and value for _, value in parsed):
        why = getattr(failure, "msg", "nested too deep or a number too long")
        line = getattr(failure, "lineno", 1)
        raise BadFile(
            f"{file} is not whole JSON (line {line}: {why}); it may be truncated: write or copy it again"
        ) from failure
    return parsed


def _line(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line


def _objects(values: list[tuple[int, object]], file: str, unit: str, keep_going: bool) -> ParsedFile:
    errors = [
        RowError(file, n, unit, str(value)[:_SHOWN], "is not a whole JSON object")
        for n, value in values
        if not isinstance(value, dict)
    ]
    if errors and not keep_going:
        raise BadRows(errors)
    good = [(n, value) for n, value in values if isinstance(value, dict)]
    if not good:
        raise BadFile(f"{file} holds no JSON object; give a result file of a known format")
    return ParsedFile([value for _, value in good], [n for n, _ in good], errors)
