"""TOML, YAML, JSON and Parquet of others: plain values or a table, bounded, with one error for all that is wrong."""

from __future__ import annotations

import io
import os
import stat
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
import yaml

from paretoken.errors import BadFile, ParetokenError, quoted

if TYPE_CHECKING:
    import polars as pl
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
MOST_NODES = 500_000
DEEPEST = 30
MOST_BYTES = 256_000_000
MOST_ROWS = 50_000_000
MOST_CELLS = 30_000_000
"""Rows times columns of a Parquet file that has fewer bytes: a few can hold many equal rows."""
BIGGEST = 2.0**63
"""No number of a file that this program wrote is as large."""
_STDERR = 2
_SILENCING = Lock()
_ADAPTERS: dict[object, TypeAdapter[object]] = {}

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSES = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def read_toml(file: Path, what: str = "") -> dict[str, Any]:
    """A TOML file as a table; BadFile, which begins with `what` the file is, if it cannot be read."""
    name = f"{what} {file}".strip()
    try:
        table = tomllib.loads(read_bytes(file, what).decode("utf-8"))
    except (ValueError, RecursionError) as e:  # a bad table, bad UTF-8, a number of 5,000 digits, 500 brackets
        raise BadFile(f"{name} is not valid TOML: {_why(e)}") from e
    require_numbers_in_range(table, name, "correct it", BadFile)
    return table


def read_json(file: Path, what: str = "") -> Any:
    """What a JSON file holds, as plain values; BadFile, which begins with `what` the file is, if it cannot be read."""
    name = f"{what} {file}".strip()
    try:
        return orjson.loads(read_bytes(file, what))
    except orjson.JSONDecodeError as e:
        raise BadFile(f"{name} is not valid JSON: {_why(e)}") from e


def as_type(kind: type[T], value: object, where: object, remedy: str = "was it edited by hand?") -> T:
    """Plain values of JSON as that type; BadFile names the first key that does not fit, then says what to do."""
    from pydantic import TypeAdapter, ValidationError

    require_numbers_in_range(value, where, remedy, BadFile)
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    try:
        return cast("T", _ADAPTERS[kind].validate_python(value))
    except ValidationError as e:
        raise BadFile(f"{where}: {_first_misfit(e)}; {remedy}") from e


def read_versioned(file: Path, versions: Sequence[int], remedy: str) -> dict[str, Any]:
    """The keys of a JSON file of this program; BadFile for another version, or with `remedy` for another file."""
    document = read_json(file)
    if not isinstance(document, dict) or "schema_version" not in document:
        raise BadFile(f"{file} {remedy}")
    if document["schema_version"] not in versions:
        ours = " and ".join(map(str, versions))
        raise BadFile(f"{file} has schema version {quoted(document['schema_version'])}; this paretoken reads {ours}")
    return document


def load_yaml(text: str, where: str, error: type[BadFile] = BadFile, *, any_number: bool = False) -> Any:
    """The document as plain values; `error` if it is broken, nested too deep, or grows too large through aliases.

    `any_number` takes infinities and integers beyond 64 bits, too, as benchmark clients write them.
    """
    try:
        _measure(text, where, error)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as e:
        raise error(f"{where} is not valid YAML: {_why(e)}") from e
    if not any_number:
        require_numbers_in_range(value, where, "correct it", error)
    return value


def read_parquet(
    source: Path | bytes, name: str, columns: list[str] | None = None, *, most_rows: int = MOST_ROWS
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The table of a Parquet file, or of its bytes, and the file's own metadata; BadFile if it is damaged or too large.

    A damaged file may make the reader panic, which is no Exception and prints a stack.
    """
    import polars as pl  # only here: it takes a while

    size = len(source) if isinstance(source, bytes) else _bytes_of(source, name)
    try:
        with _stderr_silenced():
            table = pl.scan_parquet(_opened(source), glob=False)
            rows = table.select(pl.len()).collect().item()
            cells = rows * (len(columns) if columns else table.collect_schema().len())
            if rows <= most_rows and cells <= max(MOST_CELLS, size):
                metadata = pl.read_parquet_metadata(_opened(source))
                return pl.read_parquet(_opened(source), columns=columns, glob=False), metadata
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as e:
        raise BadFile(f"{name} is a truncated or damaged Parquet file; write or copy it again") from e
    most = f"more than {most_rows:,}" if rows > most_rows else f"more than its {size:,} bytes can hold"
    raise BadFile(f"{name} has {rows:,} rows, {most}; check that it is the right file")


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


def _bytes_of(file: Path, name: str) -> int:
    """The size of a file; BadFile if it is none, or cannot be opened.

    Only regular files have an end that a reader is sure to reach: a pipe may wait for ever, a device go on for ever.
    """
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise BadFile(f"{name} is not a regular file; copy it into one")
        with file.open("rb") as opened:
            return os.fstat(opened.fileno()).st_size
    except FileNotFoundError as e:
        raise BadFile(f"{name} does not exist; check the path") from e
    except OSError as e:
        raise BadFile(f"{name} cannot be read: {e.strerror}") from e


def _first_misfit(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part)[:40] for part in first["loc"])
    return f"{key}: {first['msg'][:200].lower()}" if key else first["msg"][:200].lower()


def require_numbers_in_range(value: object, where: object, remedy: str, error: type[ParetokenError]) -> None:
    """`error` where a number is too large to be counted or squared; no recursion, for values may be deep."""
    open_: list[tuple[object, tuple[object, ...]]] = [(value, ())]
    while open_:
        inner, path = open_.pop()
        if isinstance(inner, dict):
            open_ += [(v, (*path, k)) for k, v in inner.items() if not isinstance(v, str)]
        elif isinstance(inner, list):
            open_ += [(v, (*path, n)) for n, v in enumerate(inner) if not isinstance(v, str)]
        elif isinstance(inner, (int, float)) and abs(inner) >= BIGGEST:
            key = ".".join(str(part)[:40] for part in path)
            raise error(f"{where}: {key}: {quoted(inner)} is out of range; {remedy}")


def read_bytes(file: Path, what: str = "") -> bytes:
    """What a file holds; BadFile, which begins with `what` the file is, if it cannot be read or is too large."""
    name = f"{what} {file}".strip()
    size = _bytes_of(file, name)
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1) if size <= MOST_BYTES else b""
    except OSError as e:
        raise BadFile(f"{name} cannot be read: {e.strerror}") from e
    if max(size, len(content)) > MOST_BYTES:
        raise BadFile(f"{name} is larger than {MOST_BYTES // 1_000_000} MB; check that it is the right file")
    return content


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if "integer string conversion" in str(error):
        return "it has a number of more than 4,300 digits"
    return " ".join(str(error).split())[:200]


def _measure(text: str, where: str, error: type[BadFile]) -> None:
    """Count the nodes with every alias written out, without building any."""
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_):
                raise error(f"{where} has the alias {event.anchor!r} inside its own anchor; refused")
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
