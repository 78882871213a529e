"""A commented TOML file made of the schema that reads it, so that neither can age without the other.

A line that begins with # and no space is a setting: without the # it takes effect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from textwrap import wrap
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

WIDTH = 88
HINT = "Lines that begin with # and no space are settings; remove the # to change them."


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of input file: where it is written by default, its text, and the command that reads it."""

    path: str
    text: Callable[[], str]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A key with its meaning and unit, its default (None: not set) and the value of its line.

    `stated` writes it without the #. `instead_of` names what it excludes; then it is shown inside a comment.
    """

    key: str
    about: str
    value: object
    default: object = None
    stated: bool = False
    instead_of: str = ""

    def lines(self) -> Iterator[str]:
        assignment = f"{_key(self.key)} = {literal(self.value)}"
        words = [sentence(self.about), "" if self.default is None else f"Default: {_shown(self.default)}."]
        if self.instead_of:
            words.append(f"Instead of {self.instead_of}:")
        yield from comment(" ".join(filter(None, words)))
        if self.instead_of:
            yield f"#   {assignment}"
        else:
            yield assignment if self.stated else f"#{assignment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsTable:
    """A table of the file; `header` is empty for the keys above all tables, as in `[run]` or `[[override]]`."""

    header: str = ""
    about: str = ""
    settings: tuple[Setting, ...] = ()
    stated: bool = False

    def lines(self) -> Iterator[str]:
        yield ""
        yield from comment(sentence(self.about))
        if self.header:
            yield self.header if self.stated else f"#{self.header}"
        for setting in self.settings:
            yield from setting.lines()


def document(head: str, tables: Sequence[SettingsTable]) -> str:
    """The file: what it is, how to use it, then every table."""
    lines = [line for paragraph in head.split("\n") for line in (comment(paragraph) or [""])]
    return "\n".join([*lines, *(line for table in tables for line in table.lines()), ""])


def of_model(
    model: type[BaseModel],
    stated: Mapping[str, object] | None = None,
    excludes: Mapping[str, str] | None = None,
    *,
    header: str = "",
    about: str = "",
) -> list[SettingsTable]:
    """The tables of a model, those of nested models after its own keys.

    `stated` has the values that the file sets, `excludes` what a key excludes, both by dotted path (`matrix.rate`).
    """
    stated, excludes = stated or {}, excludes or {}
    properties = model.model_json_schema(by_alias=True)["properties"]
    own, below = [], []
    for name, field in model.model_fields.items():
        key = field.alias or name
        nested, form = _nested(field.annotation)
        inner_stated, inner_excludes = _below(stated, key), _below(excludes, key)
        if nested is None:
            own.append(_setting(key, field, properties[key], stated, excludes.get(key, "")))
        else:
            path = ".".join(filter(None, [header.strip("[]"), key]))
            path = f"{path}.{_key(str(_example(field)))}" if form is dict else path
            below += of_model(
                nested,
                inner_stated,
                inner_excludes,
                header=f"[[{path}]]" if form in (list, tuple) else f"[{path}]",
                about=field.description or _first_line(nested),
            )
    table = SettingsTable(header=header, about=about, settings=tuple(own), stated=bool(stated))
    return [table, *below]


def _setting(
    key: str, field: FieldInfo, schema: Mapping[str, Any], stated: Mapping[str, object], other: str
) -> Setting:
    default = None if field.is_required() else plain(field.get_default(call_default_factory=True))
    default = "" if default is None and not field.is_required() else default
    example = _example(field)
    value = stated.get(key, default if example is None else example)
    return Setting(
        key=key,
        about="; ".join(filter(None, [field.description, _limits(schema)])),
        value=value,
        default=default,
        stated=key in stated,
        instead_of=other,
    )


def _example(field: FieldInfo) -> object:
    return field.examples[0] if field.examples else None


def _nested(annotation: Any) -> tuple[type[BaseModel] | None, type | None]:
    """The model in a type, and the list, tuple or dict it is in."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None
    for inner in get_args(annotation):
        model, form = _nested(inner)
        if model:
            origin = get_origin(annotation)
            return model, origin if origin in (list, tuple, dict) else form
    return None, None


def _below(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {path.partition(".")[2]: value for path, value in values.items() if path.startswith(f"{key}.")}


def _limits(schema: Mapping[str, Any]) -> str:
    """The values that a property takes: its choices, or its range."""
    kinds = [schema, schema.get("items", {}), *schema.get("anyOf", [])]
    choices = [
        str(word) for kind in kinds for word in (*kind.get("enum", ()), *([kind["const"]] if "const" in kind else []))
    ]
    if choices:
        return f"one of {', '.join(choices)}"
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    limits = [f"{word} {kind[name]:,}" for kind in kinds for name, word in words.items() if name in kind]
    return ", ".join(dict.fromkeys(limits))


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]


def plain(value: object) -> object:
    """A value as TOML has it."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json", exclude_none=True))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def literal(value: object) -> str:
    """A value in one line of TOML."""
    value = plain(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(str(k))} = {literal(v)}" for k, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    bare = name.replace("-", "").replace("_", "").isalnum() and name.isascii()
    return name if bare else json.dumps(name)


def _shown(default: object) -> str:
    """A default in a comment; what is empty in words."""
    return "none" if default in ("", [], {}) else literal(default)


def sentence(text: str) -> str:
    """The text as a sentence: its first letter large where it begins a word of prose, a full stop at its end."""
    text = text.strip()
    first = text.split(" ", 1)[0].rstrip(",;").replace("-", "")
    text = text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text
    return text if not text or text.endswith((".", "!", "?", ":")) else f"{text}."


def comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)]
