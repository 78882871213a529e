"""The tables of any answer, made from its JSON: what a verb without words of its own shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from paretoken.plural import counted
from paretoken.report.asked.labels import head, label_and_unit
from paretoken.report.asked.view import AnswerTable, cell

MOST_ROWS = 200
MOST_COLUMNS = 16
DEEPEST = 3
LONG = 160
"""Characters of a cell that a table shows; the JSON has all."""
Plain = Mapping[str, object]


def tables_of(answer: object, title: str = "", depth: int = 0) -> Iterator[AnswerTable]:
    """A table of the answer's single values, then one of each of its lists and mappings."""
    if not isinstance(answer, Mapping):
        return
    name = title or "In short"
    yield AnswerTable(title=name, heads=("Figure", "Value"), rows=tuple(_facts(answer)))
    for key, value in answer.items():
        of_key = " · ".join(filter(None, (title, label_and_unit(key)[0])))
        if isinstance(value, Mapping) and value:
            yield from _of_mapping(value, of_key, depth)
        elif isinstance(value, Sequence) and not isinstance(value, str) and value and isinstance(value[0], Mapping):
            yield from _of_records([v for v in value if isinstance(v, Mapping)], of_key, depth)


def _facts(answer: Plain) -> Iterator[tuple[str, str | float | None]]:
    for key, value in answer.items():
        if value not in (None, "", [], {}) and _is_plain(value):
            yield head(key), _cut(value)


def _of_mapping(value: Plain, title: str, depth: int) -> Iterator[AnswerTable]:
    """A record, or rows by name where every value is a record or a plain value."""
    inner = list(value.values())
    if all(isinstance(v, Mapping) for v in inner):
        rows = [{"name": key, **v} for key, v in value.items() if isinstance(v, Mapping)]
        yield from _of_records(rows, title, depth)
    elif depth < DEEPEST:
        yield from tables_of(value, title, depth + 1)


def _of_records(records: Sequence[Plain], title: str, depth: int) -> Iterator[AnswerTable]:
    flat = [_flat(record) for record in records[:MOST_ROWS]]
    keys = [key for key in dict.fromkeys(k for row in flat for k in row) if any(_filled(row.get(key)) for row in flat)]
    left = len(records) - MOST_ROWS
    note = f"{counted(left, 'more row')}: the JSON has all" if left > 0 else ""
    columns = {key: head(key) for key in keys[:MOST_COLUMNS]}
    rows = [{key: _cut(row.get(key)) for key in columns} for row in flat]
    yield AnswerTable.of(f"{title}", columns, rows, note)
    if len(records) == 1 and depth < DEEPEST:
        for key, value in records[0].items():
            if isinstance(value, Sequence) and value and isinstance(value[0], Mapping):
                yield from _of_records([v for v in value if isinstance(v, Mapping)], _below(title, key), depth + 1)


def _below(title: str, key: str) -> str:
    return f"{title} · {label_and_unit(key)[0]}"


def _flat(record: Plain) -> dict[str, object]:
    """The plain values of a record, with those of the records in it by `outer.inner`."""
    flat: dict[str, object] = {}
    for key, value in record.items():
        if _is_plain(value):
            flat[key] = value
        elif isinstance(value, Mapping) and len(value) <= MOST_COLUMNS:
            flat |= {f"{key}.{k}": v for k, v in value.items() if _is_plain(v)}
    return flat


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(v, str | int | float) for v in value)
    return value is None or isinstance(value, str | int | float)


def _filled(value: object) -> bool:
    return value not in (None, "", [])


def _cut(value: object) -> str | float | None:
    shown = cell(value)
    return f"{shown[:LONG]}…" if isinstance(shown, str) and len(shown) > LONG else shown
