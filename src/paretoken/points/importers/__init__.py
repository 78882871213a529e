"""Results of other tools as operating points: one module per foreign format, detected by content.

A format is a module with NAME, ORIGIN, `detects(parsed)` and `rows(parsed, file)`, and one line in FORMATS.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadFile, RowError
from paretoken.points.files import read_bytes
from paretoken.points.importers import aiperf, atom, guidellm, inferencex, inferencex_dump, sglang, vllm
from paretoken.points.importers.complete import FileSource, table
from paretoken.points.importers.document import ParsedFile, parse
from paretoken.points.importers.reading import LevelReading, Parsed
from paretoken.points.naming import Values


class ResultFormat(Protocol):
    """A foreign format; ORIGIN is the `origin` of its rows unless the user says otherwise."""

    NAME: str
    ORIGIN: str

    def detects(self, parsed: Parsed) -> bool:
        """Whether the document, an object or a list of at least one, is of this format."""

    def rows(self, parsed: Parsed, file: str) -> list[LevelReading]:
        """A reading for every entry, in order."""


FORMATS: tuple[ResultFormat, ...] = (vllm, sglang, inferencex, inferencex_dump, aiperf, guidellm, atom)
_OPENING = re.compile(rb"^\s*[{\[]|^\xef\xbb\xbf|^\s*window\.\w+\s*=", re.MULTILINE)


def read_foreign(
    path: Path, data: bytes, catalog: Catalog, values: Values, *, keep_going: bool = False
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of another tool's file, or of the folder of a database dump, and the entries left out."""
    file = str(path)
    if path.is_dir():
        document = _dump(path, keep_going)
    elif _OPENING.search(data):
        document = parse(data, file, keep_going=keep_going)
    else:
        raise _unknown(file)
    chosen = next((f for f in FORMATS if f.detects(document.parsed)), None)
    if chosen is None:
        raise _unknown(file)
    source = FileSource(file, chosen.NAME, chosen.ORIGIN, document.places)
    points, errors = table(chosen.rows(document.parsed, file), source, catalog, values, keep_going=keep_going)
    return points, document.errors + errors


def _dump(folder: Path, keep_going: bool) -> ParsedFile:
    """The tables of a database dump's folder as one document."""
    tables = {
        name: parse(read_bytes(path), str(path), keep_going=keep_going)
        for name, path in inferencex_dump.table_paths(folder).items()
    }
    errors = [e for t in tables.values() for e in t.errors]
    return ParsedFile({name: t.parsed for name, t in tables.items()}, [], errors)


def _unknown(file: str) -> BadFile:
    names = ", ".join(f.NAME for f in FORMATS)
    return BadFile(f"{file} has an unknown format; known: {names}, and CSV or Parquet of this project's schema")
