"""From the matrix to cells: every combination, with include and exclude; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from paretoken.campaign.config import AXES, Campaign, When
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig

CPU_NAMES = ("cpu",)


@dataclass(frozen=True, slots=True)
class Serving:
    """One way to serve one model: what a server is started for. Names are catalog ids where the catalog has them."""

    accelerator: str
    engine: str
    model: str
    precision: str
    tp: int
    ep: int
    dp_attention: bool

    @property
    def slug(self) -> str:
        """A name for folders."""
        parts = [self.accelerator, self.engine, self.model, self.precision, f"tp{self.tp}"]
        parts += [f"ep{self.ep}"] if self.ep > 1 else []
        parts += ["dpa"] if self.dp_attention else []
        return slugged("-".join(p for p in parts if p))


@dataclass(frozen=True, slots=True)
class Cell:
    """One way to serve and one workload: what one ladder of loads is measured on."""

    serving: Serving
    workload: str

    @property
    def slug(self) -> str:
        return slugged(self.workload)

    def matches(self, when: When) -> bool:
        """Whether every key given is, or lists, the cell's own."""
        own = asdict(self.serving) | {"workload": self.workload}
        return all(own[k] in (v if isinstance(v, list) else [v]) for k, v in when.items())


def slugged(text: str) -> str:
    """Lower case, with all but letters, digits, dots and dashes replaced."""
    return re.sub(r"[^a-z0-9.]+", "-", text.casefold()).strip("-")


def cells(campaign: Campaign, catalog: Catalog) -> list[Cell]:
    """Every cell once, in the order of the matrix; BadConfig if none is left."""
    matrix = campaign.matrix
    axes = {axis: list(getattr(matrix, axis)) for axis in AXES}
    found: dict[Cell, None] = {}
    for more in ({}, *matrix.include):
        for cell in _combinations(campaign, catalog, axes | {k: _listed(v) for k, v in more.items()}):
            found[cell] = None
    leave_out = [resolve(campaign, catalog, when) for when in matrix.exclude]
    kept = [cell for cell in found if not any(cell.matches(when) for when in leave_out)]
    if not kept:
        empty = [axis for axis, values in axes.items() if not values]
        why = f"the axis {empty[0]!r} has no value" if empty else "exclude leaves nothing"
        raise BadConfig(f"the matrix of campaign {campaign.name!r} has no cell: {why}; add one under [matrix]")
    return kept


def _combinations(campaign: Campaign, catalog: Catalog, axes: dict[str, list[Any]]) -> Iterator[Cell]:
    for values in product(*(axes[axis] for axis in AXES)):
        own = {axis: _name(campaign, catalog, axis, value) for axis, value in zip(AXES, values, strict=True)}
        workload = own.pop("workload")
        yield Cell(Serving(**own), workload)


def resolve(campaign: Campaign, catalog: Catalog, when: When) -> dict[str, list[Any]]:
    """A condition with every name as the cells have it."""
    return {k: [_name(campaign, catalog, k, v) for v in _listed(values)] for k, values in when.items()}


def _name(campaign: Campaign, catalog: Catalog, axis: str, value: Any) -> Any:
    """The catalog's id of a name; models and engines of the campaign's own stay as they are. UnknownName otherwise."""
    match axis:
        case "accelerator":
            return "CPU" if value.casefold() in CPU_NAMES else catalog.accelerators.id_of(value)
        case "engine":
            return catalog.engines.id_or_own(value, campaign.recipes)
        case "model":
            return catalog.models.id_or_own(value, campaign.models)
        case "workload":
            return catalog.workload_id(value)
        case _:
            return value


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
