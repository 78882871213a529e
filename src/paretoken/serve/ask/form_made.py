"""The form of a question, as its file is made: from its JSON schema, with the catalog's names as choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from paretoken.answers.ask import verb_named
from paretoken.answers.seam import json_schema
from paretoken.report.asked.choices import Choices
from paretoken.report.asked.labels import label_and_unit
from paretoken.serve.ask.form import FormField, QuestionForm

_WHAT = ("scenario", "accelerator", "against", "model", "engine", "precision", "workload", "isl", "osl", "trace")
_WITHIN = ("e2e_s", "interactivity", "slo", "concurrency", "rate", "tp", "layout", "gpus")
_PRICED = ("rent_usd", "market", "operator", "term", "tier", "axis", "serving", "tokens_per_day")
COMMON = (*_WHAT, *_WITHIN, *_PRICED, "runs", "baselines", "log", "before", "after")
"""Fields that a form shows first, in this order; required ones are always among them."""
LENGTHS = ("isl", "osl")
"""Not common where a workload says the same."""
NOT_HERE = ("out", "api_key_file", "workers")
"""Fields that write files, or that only a command line has a use for."""


def made_form(verb: str) -> QuestionForm:
    """The form of a verb; UnknownName for one that does not exist."""
    schema = json_schema(verb_named(verb).question)
    choices = Choices.shipped()
    fields = list(_fields(schema, choices, schema.get("$defs", {})))
    order = {name: place for place, name in enumerate(COMMON)}
    common = sorted((f for f in fields if f.common), key=lambda f: order.get(f.name, len(order)))
    return QuestionForm(
        verb=verb,
        about=schema.get("description", "").partition("\n\n")[0],
        common=tuple(common),
        more=tuple(f for f in fields if not f.common and "." not in f.name),
        parts=tuple(_parts(fields)),
    )


def _parts(fields: list[FormField]) -> Iterator[tuple[str, tuple[FormField, ...]]]:
    outer = dict.fromkeys(f.name.partition(".")[0] for f in fields if "." in f.name)
    for name in outer:
        yield label_and_unit(name)[0], tuple(f for f in fields if f.name.startswith(f"{name}."))


def _fields(
    schema: Mapping[str, Any], choices: Choices, defs: Mapping[str, Any], prefix: str = ""
) -> Iterator[FormField]:
    required = schema.get("required", ())
    for name, prop in schema["properties"].items():
        if name in NOT_HERE:
            continue
        plain, nullable = _without_null(prop)
        inner = defs.get(plain.get("$ref", "").rpartition("/")[2])
        if inner and not prefix:
            yield from _fields(inner, choices, defs, f"{name}.")
        else:
            need = name in required
            common = name in COMMON and not (name in LENGTHS and "workload" in schema["properties"])
            field = _field(prefix + name, {**prop, **plain}, choices, required=need and not prefix, nullable=nullable)
            yield replace(field, common=not prefix and (need or common))


def _without_null(prop: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema without the choice of null; of several, the first."""
    options = prop.get("anyOf", [prop])
    kept = [o for o in options if o.get("type") != "null"]
    several = {} if len(kept) == 1 else {"several": True}
    return {k: v for k, v in kept[0].items() if k != "anyOf"} | several, len(kept) < len(options)


def _field(name: str, prop: Mapping[str, Any], choices: Choices, *, required: bool, nullable: bool) -> FormField:
    own = name.rpartition(".")[2]
    label, unit = label_and_unit(own)
    kind = _kind(prop)
    stated = tuple((str(v), _choice_text(str(v))) for v in prop.get("enum", ()))
    named = () if stated else choices.of(own, kind)
    empty = (("", "Default"),) if nullable and (stated or named) and not required else ()
    return FormField(
        name=name,
        label=label,
        unit=unit,
        help=prop.get("description", ""),
        kind=kind,
        choices=(*empty, *(stated or named)),
        free=bool(named),
        bounds=_bounds(prop),
        required=required,
        default=_text(prop.get("default")),
    )


def _kind(prop: Mapping[str, Any]) -> str:
    """text, number, integer, flag, date, list, numbers, pairs, or json for what is more than that."""
    kind = prop.get("type")
    if prop.get("several") or kind is None or "$ref" in prop:
        return "loose"
    if kind == "array":
        items = prop["items"]
        return {"string": "list", "number": "numbers", "integer": "numbers"}.get(items.get("type", ""), "json")
    if kind == "object":
        return "pairs" if prop.get("additionalProperties", {}) in ({"type": "number"},) else "json"
    if prop.get("format") == "date":
        return "date"
    return {"number": "number", "integer": "integer", "boolean": "flag"}.get(kind, "text")


def _bounds(prop: Mapping[str, Any]) -> str:
    low, high = prop.get("minimum"), prop.get("maximum")
    above, below = prop.get("exclusiveMinimum"), prop.get("exclusiveMaximum")
    words = [f"{low:g} or more"] if low is not None else [f"above {above:g}"] if above is not None else []
    words += [f"at most {high:g}"] if high is not None else [f"below {below:g}"] if below is not None else []
    return ", ".join(words)


def _choice_text(value: str) -> str:
    return {"e2e": "End-to-end latency", "tok_s_per_mw": "tokens per MW"}.get(value, value.replace("_", " "))


def _text(default: object) -> str:
    """A default as a reader would write it in the field."""
    if default is None or default == {}:
        return ""
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, list):
        return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in default)
    return f"{default:g}" if isinstance(default, float) else str(default)
