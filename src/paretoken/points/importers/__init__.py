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
from paretoken.errors import BadFile, BadRows, RowError
from paretoken.points.files import read_bytes
from paretoken.points.importers import (
    aiperf,
    aiperf_csv,
    aiperf_records,
    aiperf_sweep,
    atom,
    console,
    dstack,
    evalscope,
    genai_bench,
    genaiperf,
    guidellm,
    guidellm_csv,
    guidellm_html,
    inference_perf,
    inferencex,
    inferencex_dump,
    llama_batched_bench,
    llama_bench,
    llama_benchy,
    llmd_report,
    llmperf,
    lmdeploy,
    mlperf_endpoints,
    mlperf_loadgen,
    sglang,
    trtllm_bench,
    vllm,
    vllm_offline,
    vllm_sweep,
)
from paretoken.points.importers.complete import FileSource, table
from paretoken.points.importers.document import ParsedFile, parse, text_of, yaml_of
from paretoken.points.importers.reading import LevelReading, Parsed
from paretoken.points.importers.signatures import binary_kind, refusal, text_kind
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
    genaiperf,
    guidellm,
    atom,
    inference_perf,
    llmd_report,
    aiperf_sweep,
    aiperf_records,
    trtllm_bench,
    vllm_offline,
    llmperf,
    llama_bench,
    llama_batched_bench,
    llama_benchy,
    genai_bench,
    evalscope,
    mlperf_endpoints,
)
TEXT_FORMATS: tuple[TextFormat, ...] = (
    console,
    aiperf_csv,
    aiperf_sweep,
    vllm_sweep,
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
# A log opens with [2026-08-01 …], a list of results with an object.
_OPENING = re.compile(r"\s*\{|\s*\[\s*[\[{\]]|\s*window\.\w+\s*=")
_JSON_LINE = re.compile(r"^[ \t]*[{\[]|^[ \t]*window\.\w+\s*=", re.MULTILINE)


def formats() -> list[str]:
    """The names of all foreign formats that are read."""
    return [*dict.fromkeys([*(f.NAME for f in FORMATS), *(f.NAME for f in TEXT_FORMATS)])]


def read_foreign(
    path: Path, data: bytes, catalog: Catalog, values: Values, *, keep_going: bool = False
) -> tuple[pl.DataFrame, list[RowError]]:
    """The operating points of another tool's file, or of the folder of its runs, and the entries left out."""
    file = str(path)
    if path.is_dir():
        if files := next((files for f in FOLDER_FORMATS if (files := f.result_files(path))), []):
            read = [read_foreign(f, read_bytes(f), catalog, values, keep_going=keep_going) for f in files]
            return pl.concat(points for points, _ in read), [error for _, errors in read for error in errors]
        document, text = _dump(path, keep_going), ""
    else:
        text = _text(data, file)
        form = _text_format(text)
        if form:
            source = FileSource(file, form.NAME, form.ORIGIN, [])
            return table(form.text_rows(text, file), source, catalog, values, keep_going=keep_going)
        document = _document(text, file, keep_going)
    chosen = next((f for f in FORMATS if f.detects(document.parsed)), None)
    if chosen is None:
        raise BadFile(refusal(file, text_kind(text), formats()))
    source = FileSource(file, chosen.NAME, chosen.ORIGIN, document.places)
    points, errors = table(chosen.rows(document.parsed, file), source, catalog, values, keep_going=keep_going)
    return points, document.errors + errors


def _text(data: bytes, file: str) -> str:
    try:
        return text_of(data, file)
    except BadFile:
        if kind := binary_kind(data):
            raise BadFile(refusal(file, kind, formats())) from None
        raise


def _text_format(text: str) -> TextFormat | None:
    """The format of a text that does not begin as JSON does."""
    return None if _OPENING.match(text) else next((f for f in TEXT_FORMATS if f.detects_text(text)), None)


def _document(text: str, file: str, keep_going: bool) -> ParsedFile:
    """The JSON, JSON lines or YAML of a text; BadFile, with what it looks like, if it is none of them."""
    opens = bool(_OPENING.match(text))
    document = None if opens else yaml_of(text, file)
    if document is not None:
        return document
    if not opens and not _JSON_LINE.search(text):
        raise BadFile(refusal(file, text_kind(text), formats()))
    try:
        return parse(text, file, keep_going=keep_going)
    except BadRows:
        raise
    except BadFile:
        kind = text_kind(text)
        if opens and kind is None:
            raise
        raise BadFile(refusal(file, kind, formats())) from None


def _dump(folder: Path, keep_going: bool) -> ParsedFile:
    """The tables of a database dump's folder as one document."""
    tables = {
        name: parse(text_of(read_bytes(path), str(path)), str(path), keep_going=keep_going)
        for name, path in inferencex_dump.table_paths(folder).items()
    }
    errors = [e for t in tables.values() for e in t.errors]
    return ParsedFile({name: t.parsed for name, t in tables.items()}, [], errors)
