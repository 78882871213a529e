"""Results of other tools as operating points: one module per foreign format, detected by content.

A format of JSON or YAML is a module with NAME, ORIGIN, `detects(parsed)` and `rows(parsed, file)`, and one line in
FORMATS; one of tables or plain text takes the text instead, and has its line in TEXT_FORMATS.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadFile, RowError
from paretoken.points.files import read_bytes
from paretoken.points.importers import (
    aiperf,
    atom,
    dstack,
    evalscope,
    genai_bench,
    guidellm,
    guidellm_csv,
    guidellm_html,
    inferencex,
    inferencex_dump,
    llama_batched_bench,
    llama_bench,
    llama_benchy,
    llmperf,
    lmdeploy,
    mlperf_endpoints,
    mlperf_loadgen,
    sglang,
    vllm,
)
from paretoken.points.importers.complete import FileSource, table
from paretoken.points.importers.document import ParsedFile, parse, text_of, yaml_of
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


class TextFormat(Protocol):
    """A foreign format that is no JSON and no YAML: a CSV table, a page, what a tool prints."""

    NAME: str
    ORIGIN: str

    def detects_text(self, text: str) -> bool:
        """Whether the text is of this format."""

    def text_rows(self, text: str, file: str) -> list[LevelReading]:
        """A reading for every entry, in order."""


class FolderFormat(Protocol):
    """A foreign format whose tool writes a folder with a file for each run."""

    def result_files(self, folder: Path) -> list[Path]:
        """The files of the runs, in order; none where the folder is of another tool."""


FORMATS: tuple[ResultFormat, ...] = (
    vllm,
    sglang,
    inferencex,
    inferencex_dump,
    aiperf,
    guidellm,
    atom,
    llmperf,
    llama_bench,
    llama_batched_bench,
    llama_benchy,
    genai_bench,
    evalscope,
    mlperf_endpoints,
)
TEXT_FORMATS: tuple[TextFormat, ...] = (
    guidellm_csv,
    guidellm_html,
    llama_bench,
    llama_batched_bench,
    llama_benchy,
    mlperf_loadgen,
    lmdeploy,
    dstack,
)
FOLDER_FORMATS: tuple[FolderFormat, ...] = (evalscope, genai_bench)
_OPENING = re.compile(r"\s*[{\[]|\s*window\.\w+\s*=")
_JSON_LINE = re.compile(r"^\s*[{\[]|^\s*window\.\w+\s*=", re.MULTILINE)


def read_foreign(
    path: Path, data: bytes, catalog: Catalog, values: Values, *, keep_going: bool = False
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of another tool's file, or of the folder of its runs, and the entries left out."""
    file = str(path)
    if path.is_dir():
        if files := next((files for f in FOLDER_FORMATS if (files := f.result_files(path))), []):
            read = [read_foreign(f, read_bytes(f), catalog, values, keep_going=keep_going) for f in files]
            return pl.concat(points for points, _ in read), [error for _, errors in read for error in errors]
        document: ParsedFile | None = _dump(path, keep_going)
    else:
        text = text_of(data, file)
        json = bool(_OPENING.match(text))
        form = None if json else next((f for f in TEXT_FORMATS if f.detects_text(text)), None)
        if form:
            source = FileSource(file, form.NAME, form.ORIGIN, [])
            return table(form.text_rows(text, file), source, catalog, values, keep_going=keep_going)
        json = json or bool(_JSON_LINE.search(text))
        document = parse(text, file, keep_going=keep_going) if json else yaml_of(text, file)
    chosen = next((f for f in FORMATS if document and f.detects(document.parsed)), None)
    if document is None or chosen is None:
        raise _unknown(file)
    source = FileSource(file, chosen.NAME, chosen.ORIGIN, document.places)
    points, errors = table(chosen.rows(document.parsed, file), source, catalog, values, keep_going=keep_going)
    return points, document.errors + errors


def _dump(folder: Path, keep_going: bool) -> ParsedFile:
    """The tables of a database dump's folder as one document."""
    tables = {
        name: parse(text_of(read_bytes(path), str(path)), str(path), keep_going=keep_going)
        for name, path in inferencex_dump.table_paths(folder).items()
    }
    errors = [e for t in tables.values() for e in t.errors]
    return ParsedFile({name: t.parsed for name, t in tables.items()}, [], errors)


def _unknown(file: str) -> BadFile:
    names = ", ".join(dict.fromkeys([*(f.NAME for f in FORMATS), *(f.NAME for f in TEXT_FORMATS)]))
    return BadFile(f"{file} has an unknown format; known: {names}, and CSV or Parquet of this project's schema")
