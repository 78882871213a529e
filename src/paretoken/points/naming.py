"""Names and values of points: catalog ids for what files and users write, and values for cells left empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from paretoken.catalog.loader import Catalog, Registry
from paretoken.catalog.names import precision_id
from paretoken.emulated import EMULATED, PREFIX
from paretoken.errors import BadConfig, nearest
from paretoken.points.schema import BY_NAME, STORED
from paretoken.points.values import as_text, number

Values = Mapping[str, str | int | float]
AnyRegistry = Registry[Any]
NAMES = ("accelerator", "model", "engine")
UNSTATED = "unknown"


def checked_values(values: Mapping[str, str | int | float | None], catalog: Catalog) -> Values:
    """The values a user states for every row, names as catalog ids; BadConfig for a key that is not a stored column."""
    columns = [c.name for c in STORED]
    for name in values:
        if name not in columns:
            near = nearest(name, columns)
            hint = f"did you mean {near[0]!r}?" if near else "see docs/schema.md for the columns"
            raise BadConfig(f"unknown column {name!r}; {hint}")
    chosen = {name: value for name, value in values.items() if value is not None and value != ""}
    if "precision" in chosen:
        chosen["precision"] = precision_id(str(chosen["precision"]))
    return chosen | {name: registry_of(catalog, name).id_or_new(str(chosen[name])) for name in NAMES if name in chosen}


def filled(points: pl.DataFrame, file: str, catalog: Catalog, values: Values) -> pl.DataFrame:
    """Points of this project's own schema with catalog ids, and the empty cells of the stated columns filled.

    A point may be of a machine or a model that no catalog holds: its name stays as it is, unless it looks like a slip
    of the pen in a known one. The points of an emulated server are emulated, whatever they say.
    """
    points = points.with_columns(origin=pl.when(_of_emulator()).then(pl.lit(EMULATED)).otherwise("origin"))
    for name in NAMES:
        registry = registry_of(catalog, name)
        points = points.with_columns(pl.col(name).replace({v: registry.id_or_new(v) for v in points[name].unique()}))
    words = {v: precision_id(v) for v in points["precision"].drop_nulls().unique()}
    points = points.with_columns(pl.col("precision").replace(words))
    for name, value in values.items():
        if name in NAMES:  # as a run is labelled that was not told its machine
            points = points.with_columns(pl.when(pl.col(name) != UNSTATED).then(name).alias(name))
        other = next((v for v in points[name].drop_nulls().unique().to_list() if not agree(v, value)), None)
        if other is not None:
            raise contradiction(file, name, other, value)
        typed = pl.Series([as_text(name, value)]).cast(BY_NAME[name].dtype, strict=False)[0]
        if typed is None:
            raise BadConfig(f"{option_of(name)} {value!r} is not of the type {BY_NAME[name].kind}")
        points = points.with_columns(pl.col(name).fill_null(pl.lit(typed, dtype=BY_NAME[name].dtype)))
    return points


def _of_emulator() -> pl.Expr:
    """The rows whose engine or model's id is that of an emulated server."""
    ids = (pl.col(name).fill_null("").str.to_lowercase() for name in ("model", "model_variant"))
    return pl.any_horizontal(pl.col("engine") == EMULATED, *((i == EMULATED) | i.str.starts_with(PREFIX) for i in ids))


def registry_of(catalog: Catalog, name: str) -> AnyRegistry:
    """The part of the catalog that a column's names are of."""
    registries: dict[str, AnyRegistry] = {
        "accelerator": catalog.accelerators,
        "model": catalog.models,
        "engine": catalog.engines,
    }
    return registries[name]


def contradiction(file: str, name: str, stated: object, value: object) -> BadConfig:
    """The error for a value that a file states otherwise."""
    flag = option_of(name)
    return BadConfig(f"{file} says {name} is {as_text(name, stated)}, but {flag} {value} was given; leave {flag} out")


def agree(one: object, other: object) -> bool:
    """Whether two values are the same number, or the same text in any case."""
    left, right = number(one), number(other)
    if left is not None and right is not None:
        return left == right
    return str(one).strip().casefold() == str(other).strip().casefold()


_OPTIONS = {"n_gpus": "--gpus", "acceptance_length": "--acceptance", "load_kind": "--concurrency"}
"""Options with other names than their column. The figure gives the kind of load: concurrency means a closed loop."""


def option_of(name: str) -> str:
    """The option of `import` that states a column."""
    return _OPTIONS.get(name, f"--{name.replace('_', '-')}")
