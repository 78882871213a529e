"""What must not leave with a published run: anything that looks like a key or a password."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import orjson
import polars as pl

from paretoken.errors import quoted
from paretoken.secret_names import HIDDEN, has_key, is_secret, secret_in_words, without_keys

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

_OPEN = re.compile(r"^(\$\w+|\$\{\w+\}|@.*|\*{3})$")
"""Words that stand for a secret and are none: a variable, a file, a mask."""
_COMMANDS = ("command",)
_PACKAGES = "packages"
"""Names of distributions by their versions, PyJWT among them."""
_TEXTS = (pl.String, pl.Categorical, pl.Enum)
_ARROW_SCHEMA, _OURS = "ARROW:schema", "paretoken."
"""Names in the metadata of a Parquet file; ours ends like the name of a secret."""


def key_in_json(content: bytes) -> str | None:
    """Where a JSON document holds what looks like a key; None if it holds none."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "a file that is not valid JSON"
    return next(_keys(document, ""), None)


def key_in_table(table: pl.DataFrame, metadata: Mapping[str, str]) -> str | None:
    """Where a Parquet file, its table and its own metadata, holds what looks like a key; None if nowhere."""
    for name, value in metadata.items():
        if has_key(name) or has_key(_metadata_text(name, value)) or _is_named_secret(name, value):
            return f"the file's metadata {_shown(name)}"
    for column in table.iter_columns():
        if has_key(column.name) or not _holds_known_types(column.dtype) or any(map(_any_key, _texts(column))):
            return f"the column {_shown(column.name)} of type {_shown(str(column.dtype))}"
    return None


def _is_named_secret(name: str, value: str) -> bool:
    return is_secret(name.removeprefix(_OURS)) and not _OPEN.match(value)


def _shown(name: str) -> str:
    return without_keys(quoted(name), HIDDEN)


def _metadata_text(name: str, value: str) -> str:
    """A value of a Parquet file's metadata as text; its Arrow schema, with metadata of its columns, is in Base64."""
    try:
        return base64.b64decode(value).decode("latin-1") if name == _ARROW_SCHEMA else value
    except ValueError:
        return value


def _holds_known_types(kind: pl.DataType) -> bool:
    """Whether all that a column holds can be looked through: no bytes, no objects."""
    if isinstance(kind, pl.Struct):
        return all(not has_key(field.name) and _holds_known_types(_typed(field.dtype)) for field in kind.fields)
    if isinstance(kind, (pl.List, pl.Array)):
        return _holds_known_types(_typed(kind.inner))
    return kind.is_numeric() or kind.is_temporal() or isinstance(kind, (*_TEXTS, pl.Boolean, pl.Null))


def _texts(column: pl.Series) -> Iterator[pl.Series]:
    """The texts of a column, at any depth."""
    kind = column.dtype
    if isinstance(kind, _TEXTS):
        yield column.cast(pl.String)
    elif isinstance(kind, (pl.List, pl.Array)) and _holds_text(_typed(kind.inner)):
        yield from _texts(column.explode())
    elif isinstance(kind, pl.Struct):
        for field in column.struct.fields:
            yield from _texts(column.struct.field(field))


def _holds_text(kind: pl.DataType) -> bool:
    """Whether a type has texts in it: lists of numbers are long and need not be looked through."""
    if isinstance(kind, pl.Struct):
        return any(_holds_text(_typed(field.dtype)) for field in kind.fields)
    return _holds_text(_typed(kind.inner)) if isinstance(kind, (pl.List, pl.Array)) else isinstance(kind, _TEXTS)


def _typed(kind: PolarsDataType) -> pl.DataType:
    return kind if isinstance(kind, pl.DataType) else kind()


def _any_key(texts: pl.Series) -> bool:
    return any(map(has_key, texts.drop_nulls().unique()))


def _keys(value: object, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if has_key(str(name)):
                yield f"the name of a value in {path or 'the file'}"
            yield from _keys(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner, path)
    elif isinstance(value, str) and value:
        above, _, name = path.rpartition(".")
        named = is_secret(name) and not _OPEN.match(value) and not above.endswith(_PACKAGES)
        if named or has_key(value) or (name in _COMMANDS and secret_in_words(_stated(value))):
            yield path


def _stated(command: str) -> list[str]:
    """The words of a command but for those that only stand for a secret."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return [word for word in words if not _OPEN.match(word) and not _OPEN.match(word.partition(":")[2].strip())]
