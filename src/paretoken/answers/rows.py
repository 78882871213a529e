"""The table of an answer as flat rows: one value a column, its unit in the column's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from paretoken.answers.seam import to_json

Row: TypeAlias = dict[str, Any]
_WITHOUT_UNIT = "tput_per_gpu"


def flat_rows(records: Iterable[object], stated: Mapping[str, Any]) -> list[Row]:
    """The records as rows, with the columns `stated` where a record lacks them."""
    return [{**dict(_flat("", to_json(record))), **_missing(record, stated)} for record in records]


def _missing(record: object, stated: Mapping[str, Any]) -> Row:
    return {name: value for name, value in stated.items() if not hasattr(record, name)}


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Columns and values; those of a record within are named after it, and a list of records is left out."""
    for name, value in values.items():
        column = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _flat(f"{column}_", value)
        elif not (isinstance(value, list) and any(isinstance(x, (dict, list)) for x in value)):
            yield with_unit(column), "; ".join(map(str, value)) if isinstance(value, list) else value


def with_unit(column: str) -> str:
    """The column, throughputs with their unit: `tput_per_gpu_tok_s`, as predictions name it."""
    return f"{column}_tok_s" if column.endswith(_WITHOUT_UNIT) else column
