"""The one mechanism behind every verb: questions in from JSON, answers out to JSON, a JSON schema for both.

A question and an answer are frozen dataclasses. The Python API, the commands, the study, the report and any
server call the same function with the same classes:

    class CompareQuestion(PointsQuestion): ...
    class CompareAnswer: ...
    def compare(question: CompareQuestion, data: Data | None = None) -> CompareAnswer: ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, TypeVar

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaMode
from pydantic.main import IncEx

from paretoken.errors import BadConfig, nearest, quoted
from paretoken.plain_files import require_numbers_in_range


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked. Unknown keys are refused when a question is made from JSON."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)


Q = TypeVar("Q", bound=Question)


def question_from_json(kind: type[Q], data: bytes | str | Mapping[str, object]) -> Q:
    """A question of this kind from JSON text or from a mapping; BadConfig names the first key that is wrong."""
    keys = _parsed(kind, data) if isinstance(data, (bytes, str)) else data
    require_numbers_in_range(keys, kind.__name__, "correct it", BadConfig)
    adapter: TypeAdapter[Q] = _adapter(kind)
    try:
        if isinstance(data, (bytes, str)):
            return adapter.validate_json(data, strict=True)  # as the schema says: no "5" for 5
        return adapter.validate_python(data)
    except ValidationError as e:
        raise BadConfig(f"{kind.__name__}: {_first_error(e, kind)}") from e


def to_json(value: object, *, exclude: IncEx | None = None) -> Any:
    """A question or an answer as plain values; paths and dates become text.

    `exclude` names fields to leave out, as pydantic's `dump_python` takes them.
    """
    return _adapter(type(value)).dump_python(value, mode="json", exclude=exclude)


def json_schema(kind: type[object]) -> dict[str, Any]:
    """The JSON schema of a question as it is read, or of an answer as it is written."""
    return _adapter(kind).json_schema(mode=_mode(kind))


def json_schemas(kinds: Iterable[type[object]], ref_template: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The JSON schemas of several classes, and what they share by name, to which `ref_template` refers."""
    numbered = [(number, _mode(kind), _adapter(kind)) for number, kind in enumerate(kinds)]
    schemas, shared = TypeAdapter.json_schemas(numbered, ref_template=ref_template)
    return [schemas[number, mode] for number, mode, _ in numbered], shared.get("$defs", {})


def _mode(kind: type[object]) -> JsonSchemaMode:
    written = is_dataclass(kind) and not issubclass(kind, Question)
    return "serialization" if written else "validation"


def _adapter(kind: type[object]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type[object], TypeAdapter[Any]] = {}
"""Made once for each class: a pydantic schema takes milliseconds."""

_UNKNOWN_KEY = "unexpected_keyword_argument"


def _parsed(kind: type[Question], text: bytes | str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise BadConfig(f"{kind.__name__}: not valid JSON: {e}") from e


def _first_error(error: ValidationError, kind: type) -> str:
    # A misspelled key first: it is also why another one is missing.
    first = min(error.errors(), key=lambda e: e["type"] != _UNKNOWN_KEY)
    where = ".".join(map(str, first["loc"]))
    if first["type"] == _UNKNOWN_KEY:
        near = nearest(where, [f.name for f in fields(kind)])
        return f"unknown key {where!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if first["type"] == "dataclass_type":
        return f"{where or 'it'} must be an object, not {quoted(first['input'])}"
    if first["type"] in ("missing", "missing_keyword_only_argument"):
        return f"the key {where!r} is missing"
    return f"{where} = {quoted(first['input'])}: {first['msg'].lower()}" if where else first["msg"].lower()
