"""What must not leave with a published run: anything that looks like a key or a password."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

import orjson
import polars as pl

from paretoken.secret_names import has_key, is_secret, secret_in_words

_OPEN = re.compile(r"^(\$\w+|\$\{\w+\}|@.*|\*{3})$")
"""Words that stand for a secret and are none: a variable, a file, a mask."""
_COMMANDS = ("command",)
_PACKAGES = "packages"
"""Names of distributions by their versions, PyJWT among them."""


def key_in_json(content: bytes) -> str | None:
    """Where a JSON document holds what looks like a key; None if it holds none."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "a file that is not valid JSON"
    return next(_keys(document, ""), None)


def key_in_table(table: pl.DataFrame) -> str | None:
    """The column of a table that holds what looks like a key; None if none does."""
    for name in (c for c, kind in table.schema.items() if kind == pl.String):
        if any(map(has_key, table[name].drop_nulls().unique())):
            return f"the column {name}"
    return None


def _keys(value: object, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
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
