"""Results of other tools as operating points: one module for each foreign format, told by content.

A format is a module with NAME, ORIGIN, `detects(parsed)` and `rows(parsed, file)`, and one line in FORMATS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadFile, NoData, RowError
from paretoken.points.files import read_bytes, read_csv, read_parquet
from paretoken.points.importers import aiperf, guidellm, inferencex, inferencex_dump, sglang, vllm
from paretoken.points.importers.complete import Source, check_given, fill, table
from paretoken.points.importers.document import Document, parse
from paretoken.points.importers.reading import Reading
from paretoken.points.published import prepare, published_points
from paretoken.points.schema import BY_NAME

__all__ = ["FORMATS", "Format", "Reading", "gather", "import_file", "import_files"]


class Format(Protocol):
    """A foreign format; ORIGIN is the `origin` of its rows unless the user says otherwise."""

    NAME: str
    ORIGIN: str

    def detects(self, parsed: Any) -> bool:
        """Whether the document, an object or a list of at least one, is of this format."""

    def rows(self, parsed: Any, file: str) -> list[Reading]:
        """A reading for every entry, in order."""


FORMATS: tuple[Format, ...] = (vllm, sglang, inferencex, inferencex_dump, aiperf, guidellm)
_OPENING = re.compile(rb"^\s*[{\[]|^\xef\xbb\xbf", re.MULTILINE)


def import_file(
    path: Path | str, *, catalog: Catalog, given: Mapping[str, str | int | float], keep_going: bool = False
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of a result file of any known format, and an error for each entry left out.

    `given` fills columns that the file does not state and must not contradict it. Without `keep_going`
    any bad entry raises BadRows; a name that the catalog lacks raises UnknownName.
    """
    words, file = check_given(given, catalog), str(path)
    if Path(path).is_dir():
        document = _dump(Path(path), keep_going)
    else:
        data = read_bytes(path)
        own = read_parquet if data[:4] == b"PAR1" else read_csv if _is_own_csv(data) else None
        if own is not None:
            points, errors = own(data, file, keep_going)
            return fill(points, file, catalog, words), errors
        if not _OPENING.search(data):
            raise _unknown(file)
        document = parse(data, file, keep_going=keep_going)
    found = next((f for f in FORMATS if f.detects(document.parsed)), None)
    if found is None:
        raise _unknown(file)
    source = Source(file, found.NAME, found.ORIGIN, document.places)
    points, errors = table(found.rows(document.parsed, file), source, catalog, words, keep_going=keep_going)
    return points, document.errors + errors


def import_files(
    paths: Iterable[Path | str],
    *,
    catalog: Catalog,
    given: Mapping[str, str | int | float] | None = None,
    keep_going: bool = False,
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of several files in one prepared table, and the errors of all of them.

    With `keep_going` a file that is no result file at all still raises: nothing of it could be kept.
    """
    found = [import_file(path, catalog=catalog, given=given or {}, keep_going=keep_going) for path in paths]
    return prepare(pl.concat(points for points, _ in found)), [error for _, errors in found for error in errors]


def gather(files: Iterable[Path | str], *, published: bool, catalog: Catalog) -> pl.DataFrame:
    """The shipped points, if asked for, and those of the files, prepared. NoData if neither is asked for."""
    files = list(files)
    tables = [published_points()] if published else []
    tables += [import_files(files, catalog=catalog)[0]] if files else []
    if not tables:
        raise NoData("neither the published points nor files of points are asked for; add points")
    return pl.concat(tables)


def _dump(folder: Path, keep_going: bool) -> Document:
    """The tables of a database dump's folder as one document."""
    tables = {
        name: parse(read_bytes(path), str(path), keep_going=keep_going)
        for name, path in inferencex_dump.table_paths(folder).items()
    }
    errors = [e for t in tables.values() for e in t.errors]
    return Document({name: t.parsed for name, t in tables.items()}, [], errors)


def _unknown(file: str) -> BadFile:
    names = ", ".join(f.NAME for f in FORMATS)
    return BadFile(f"{file} is of no known format; known: {names}, and CSV or Parquet of this project's schema")


def _is_own_csv(data: bytes) -> bool:
    """Whether the first line is a header with columns of this project's schema."""
    header = data.split(b"\n", 1)[0].decode("utf-8", errors="replace")
    names = [name.strip().strip('"') for name in header.lstrip("\ufeff").split(",")]
    return sum(name in BY_NAME for name in names) >= 2
