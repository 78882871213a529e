"""TOML, YAML, JSON and Parquet of people and strangers: plain values, bounded, with one error for all that is wrong."""

from __future__ import annotations

import io
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import orjson
import yaml

from paretoken.errors import BadFile

if TYPE_CHECKING:
    import polars as pl

MOST_NODES = 500_000
DEEPEST = 30
MOST_BYTES = 256_000_000
MOST_ROWS = 50_000_000
_STDERR = 2
_SILENCING = Lock()

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSES = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def read_toml(file: Path, what: str = "") -> dict[str, Any]:
    """A TOML file as a table; BadFile, which begins with `what` the file is, if it cannot be read."""
    name = f"{what} {file}".strip()
    try:
        return tomllib.loads(_bytes(file, name).decode("utf-8"))
    except (ValueError, RecursionError) as e:  # a bad table, bad UTF-8, a number of 5,000 digits, 500 brackets
        raise BadFile(f"{name} is not valid TOML: {_why(e)}") from e


def read_json(file: Path, what: str = "") -> Any:
    """What a JSON file holds, as plain values; BadFile, which begins with `what` the file is, if it cannot be read."""
    name = f"{what} {file}".strip()
    try:
        return orjson.loads(_bytes(file, name))
    except orjson.JSONDecodeError as e:
        raise BadFile(f"{name} is not valid JSON: {_why(e)}") from e


def load_yaml(text: str, where: str, error: type[BadFile] = BadFile) -> Any:
    """The document as plain values; `error` if it is broken, nested too deep, or grows too large through aliases."""
    try:
        _measure(text, where, error)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        raise error(f"{where} is not valid YAML: {_why(e)}") from e


def read_parquet(
    source: Path | bytes, name: str, columns: list[str] | None = None, *, most_rows: int = MOST_ROWS
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The table of a Parquet file, or of its bytes, and the file's own metadata; BadFile if it is damaged or too large.

    A damaged file may make the reader panic, which is no Exception and prints a stack.
    """
    import polars as pl  # only here: it takes a while

    try:
        with _stderr_silenced():
            rows = pl.scan_parquet(_opened(source), glob=False).select(pl.len()).collect().item()
            metadata = pl.read_parquet_metadata(_opened(source)) if rows <= most_rows else {}
            frame = pl.read_parquet(_opened(source), columns=columns, glob=False) if rows <= most_rows else None
    except FileNotFoundError as e:
        raise BadFile(f"{name} does not exist; check the path") from e
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as e:
        raise BadFile(f"{name} is a truncated or damaged Parquet file; write or copy it again") from e
    if frame is None:
        raise BadFile(f"{name} has {rows:,} rows, more than {most_rows:,}; check that it is the right file")
    return frame, metadata


def _opened(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


@contextmanager
def _stderr_silenced() -> Iterator[None]:
    """Send what native code prints to standard error nowhere; one thread at a time, since the descriptor is shared."""
    with _SILENCING:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # it is closed
            yield
            return
        try:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), _STDERR)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)


def _bytes(file: Path, name: str) -> bytes:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise BadFile(f"{name} is larger than {MOST_BYTES // 1_000_000} MB; check that it is the right file")
        return file.read_bytes()
    except FileNotFoundError as e:
        raise BadFile(f"{name} does not exist; check the path") from e
    except OSError as e:
        raise BadFile(f"{name} cannot be read: {e.strerror}") from e


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return " ".join(str(error).split())[:200]


def _measure(text: str, where: str, error: type[BadFile]) -> None:
    """Count the nodes with every alias written out, without building any."""
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            total += sizes.get(event.anchor or "", 0)
        elif isinstance(event, (*_OPENS, yaml.ScalarEvent)):
            total += 1
        if isinstance(event, _OPENS):
            open_.append((event.anchor, total))
        elif isinstance(event, yaml.ScalarEvent) and event.anchor:
            sizes[event.anchor] = 1
        elif isinstance(event, _CLOSES):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = total - before + 1
        if total > MOST_NODES:
            raise error(f"{where} has more than {MOST_NODES:,} values with its aliases expanded; refused")
        if len(open_) > DEEPEST:
            raise error(f"{where} is nested more than {DEEPEST} levels deep; refused")
