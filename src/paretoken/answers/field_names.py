"""Options of the command line in a sentence, as the fields of a question: for JSON, a form, an agent and Python.

What is wrong with a question is found in many rooms, and their sentences name options: `choose one with --precision`.
A reader of JSON sees `choose one with 'precision'`, and of a flag `add 'suspicious': true`, in Python
`add suspicious=True`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from paretoken.predict.settings import OTHER_NAMES as SETTING_NAMES

OTHER_NAMES = {
    **{option: (name,) for name, options in SETTING_NAMES.items() for option in options},
    "acceptance": ("acceptance_length",),
    "candidates": ("most_candidates",),
    "cold_start": ("cold_start_s",),
    "concurrency": ("users",),
    "day_curve": ("load_curve",),
    "disaggregated": ("layout", "layouts"),
    "e2e": ("e2e_s",),
    "host_cache": ("host_cache_gb",),
    "idle_cap": ("idle_cap_s",),
    "include_suspicious": ("suspicious",),
    "max_gpus": ("most_gpus",),
    "needed": ("needed_share",),
    "price": ("price_usd_per_gpu_h",),
    "prices": ("price_folders",),
    "rent": ("rent_usd",),
    "reserved": ("reserved_usd",),
    "split": ("split_tokens",),
    "ssd_cache": ("ssd_cache_gb",),
    "switching_cost": ("switching_usd",),
    "task": ("requests_per_task",),
    "tco": ("operator",),
    "trace": ("log",),
}
"""Fields of options that have neither the name of their field nor its singular."""
COMMAND = "paretoken "
"""What a command in an answer begins with; its options are those to type."""
_OPTION = re.compile(r"\bparetoken [a-z][^'`;]*|(?<![\w-])--([a-z][a-z0-9-]*)")
"""A command in a sentence, up to the quote or the semicolon that ends it, or the name of an option elsewhere."""


def in_fields(sentence: str, kind: type[object], *, python: bool = False) -> str:
    """The sentence with the fields of this kind of question for its options; flags as JSON or Python has them.

    Options that are no field stay, as do those of a command in the sentence: `'paretoken import --keep-going'`.
    """
    if "--" not in sentence:
        return sentence
    return _OPTION.sub(lambda m: (m[1] and _written(m[1].replace("-", "_"), kind, python=python)) or m[0], sentence)


def answer_in_fields(value: Any, kind: type[object]) -> Any:
    """An answer in plain values with fields for the options of its sentences; commands stay."""
    if isinstance(value, str):
        return value if value.startswith(COMMAND) else in_fields(value, kind)
    if isinstance(value, list | tuple):
        return [answer_in_fields(inner, kind) for inner in value]
    if isinstance(value, dict):
        return {key: answer_in_fields(inner, kind) for key, inner in value.items()}
    return value


def field_for(word: str, names: Collection[str]) -> str:
    """The one of these fields that an option or a word of an error means, written with underscores; "" for none."""
    spellings = (word, f"{word}s", *OTHER_NAMES.get(word, ()))
    return next((name for name in spellings if name in names), "")


def _written(option: str, kind: type[object], *, python: bool) -> str:
    """The field of an option as JSON or Python has it, a flag with its value; "" for an option that is no field."""
    if kind not in _TYPES:
        _TYPES[kind] = dict(_fields(kind))
    for word, value in ((option, True), (option.removeprefix("no_"), False)):
        for prefix, types in _TYPES[kind].items():
            if name := field_for(word, types):
                if types[name] is not bool:
                    return f"'{prefix}{name}'"
                return f"{prefix}{name}={value}" if python else f"'{prefix}{name}': {str(value).lower()}"
    return ""


def _fields(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The types of a question's fields by name, then those of each question inside, after the names that lead there."""
    hints = get_type_hints(kind)
    types = {f.name: hints[f.name] for f in fields(kind)}
    yield prefix, types
    for name, hint in types.items():
        for inner in (hint, *get_args(hint)):
            if is_dataclass(inner) and isinstance(inner, type):
                yield from _fields(inner, f"{prefix}{name}.")


_TYPES: dict[type[object], dict[str, dict[str, Any]]] = {}
"""Resolved once for each class: an answer may have thousands of sentences."""
