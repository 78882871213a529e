"""Spans of the JSON of OTLP: one document, or JSON lines as the file exporter of the OpenTelemetry Collector writes.

`resourceSpans` → `scopeSpans` → `spans`; times are nanoseconds since 1970, as text, and attributes are pairs of a key
and a value of a named type (opentelemetry-proto, `trace/v1/trace.proto`, in the JSON mapping of OTLP).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from paretoken.errors import quoted
from paretoken.sessions.fields import id_of, list_of, rows_of, text_of
from paretoken.trace_rows import LATEST_S, TraceRow

NS = 1_000_000_000
DEEPEST = 20
"""Values inside values of an attribute."""
_PLAIN = ("stringValue", "boolValue", "doubleValue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span with its attributes of generative AI. Times are ns since 1970."""

    id: str
    parent: str
    name: str
    begin_ns: int
    end_ns: int
    attributes: Mapping[str, object]
    place: str


def span_rows(row: TraceRow) -> Iterator[TraceRow]:
    """Every span of an object of OTLP with its place."""
    for resource in rows_of(row, "resourceSpans", "resourceSpans"):
        for scope in rows_of(resource, "scopeSpans", "scopeSpans"):
            spans = list_of(scope, "spans")
            for number, value in enumerate(spans, start=1):
                if not isinstance(value, dict):
                    raise row.bad(f"span {number} is {quoted(value)}, not an object")
                yield TraceRow(value, row.file, f"{row.place}, span {number}", row.size // len(spans))


def span_of(row: TraceRow) -> Span:
    """The span with those of its attributes that begin with `gen_ai.`."""
    begin_ns, end_ns = _time_ns(row, "startTimeUnixNano"), _time_ns(row, "endTimeUnixNano")
    if end_ns < begin_ns:
        raise row.bad("endTimeUnixNano is before startTimeUnixNano")
    attributes: dict[str, object] = {}
    for pair in rows_of(row, "attributes", "attribute"):
        key = text_of(pair, "key")
        if key.startswith("gen_ai."):
            attributes[key] = _value(pair, pair.values.get("value"), 0)
    return Span(
        id=id_of(row, "spanId", row.get("spanId")),
        parent=text_of(row, "parentSpanId"),
        name=text_of(row, "name"),
        begin_ns=begin_ns,
        end_ns=end_ns,
        attributes=attributes,
        place=row.place,
    )


def _time_ns(row: TraceRow, name: str) -> int:
    value = row.get(name)
    text = "" if isinstance(value, bool) or not isinstance(value, (int, str)) else quoted(value).strip("'")
    if not text.isdecimal():
        raise row.bad(f"{name} {quoted(value)} is not a whole number of ns since 1970")
    if int(text) > LATEST_S * NS:
        raise row.bad(f"{name} {quoted(value)} is later than the year 2200")
    return int(text)


def _value(row: TraceRow, value: object, depth: int) -> object:
    """The plain value of an attribute."""
    if not isinstance(value, dict):
        raise row.bad(f"the value of an attribute is {quoted(value)}, not an object with its type")
    if depth > DEEPEST:
        raise row.bad(f"an attribute is nested more than {DEEPEST} levels deep")
    if value.get("intValue") is not None:
        return _whole(row, value["intValue"])
    for key in _PLAIN:
        if value.get(key) is not None:
            return value[key]
    if isinstance(array := value.get("arrayValue"), dict):
        values = list_of(TraceRow(array, row.file, row.place), "values")
        return [_value(row, inner, depth + 1) for inner in values]
    if isinstance(pairs := value.get("kvlistValue"), dict):
        entries = rows_of(TraceRow(pairs, row.file, row.place), "values", "value")
        return {text_of(entry, "key"): _value(entry, entry.values.get("value"), depth + 1) for entry in entries}
    return None


def _whole(row: TraceRow, value: object) -> int:
    try:
        return int(value if isinstance(value, (int, str)) else "")
    except ValueError:
        raise row.bad(f"intValue {quoted(value)} is not a whole number") from None


def structured(row: TraceRow, name: str, value: object) -> object:
    """An attribute that may be written as JSON in a text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as e:
        raise row.bad(f"{name} is not whole JSON ({e.msg})") from None
