"""A deployment read from a serve command, merged with the options."""

from __future__ import annotations

from typing import Any

from paretoken.catalog.loader import Catalog
from paretoken.catalog.names import precision_id
from paretoken.errors import BadConfig, UnknownName
from paretoken.predict.serve_command.read import ServedDeployment
from paretoken.predict.settings import kv_dtype_id, shown_name


def with_serve_command(
    values: dict[str, Any], stated: frozenset[str], served: ServedDeployment, catalog: Catalog
) -> dict[str, Any]:
    """Values by the names in `request.FIELDS`, with those of the command where no option states one.

    BadConfig if an option and the command contradict each other.
    """
    merged = dict(values)
    for name, value in served.fields.items():
        if name not in stated:
            merged[name] = value
        elif _differs(name, values[name], value, catalog):
            option = shown_name(name).replace("_", "-")
            raise BadConfig(
                f"--{option} is {values[name]}, but the serve command states {value}; leave out --{option} or change "
                "the command"
            )
    return merged


def _differs(name: str, option: Any, value: Any, catalog: Catalog) -> bool:
    """Whether two spellings mean different values. A path that the catalog does not know may hold any model."""
    if name == "precision":
        return precision_id(option) != precision_id(value)
    if name == "kv_dtype":
        return kv_dtype_id(option) != kv_dtype_id(value)
    if name in ("model", "engine"):
        entries = catalog.models if name == "model" else catalog.engines
        try:
            return bool(entries.id_of(option) != entries.id_of(value))
        except UnknownName:
            return False
    return bool(option != value)
