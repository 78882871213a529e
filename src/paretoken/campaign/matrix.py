"""From the matrix to cells: every combination, with include and exclude. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product

from paretoken.campaign.config import AXES, AxisValue, Campaign, Condition
from paretoken.catalog.loader import Catalog
from paretoken.catalog.names import precision_id
from paretoken.errors import BadConfig

CPU_NAMES = ("cpu",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingConfig:
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
        """Its folder name."""
        parts = [self.accelerator, self.engine, self.model, self.precision, f"tp{self.tp}"]
        parts += [f"ep{self.ep}"] if self.ep > 1 else []
        parts += ["dpa"] if self.dp_attention else []
        return slugged("-".join(p for p in parts if p))


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One serving configuration and one workload: what one ladder of loads is measured on."""

    serving: ServingConfig
    workload: str

    @property
    def slug(self) -> str:
        return slugged(self.workload)

    def matches(self, values: Mapping[str, Sequence[AxisValue]]) -> bool:
        """Whether the cell has one of the values of every axis; see `resolve`."""
        own = asdict(self.serving) | {"workload": self.workload}
        return all(own[axis] in allowed for axis, allowed in values.items())


def slugged(text: str) -> str:
    """The text in lower case; every run of other characters than letters, digits and dots becomes one dash."""
    return re.sub(r"[^a-z0-9.]+", "-", text.casefold()).strip("-")


def cells(campaign: Campaign, catalog: Catalog) -> list[MatrixCell]:
    """Every cell once, in the order of the matrix; BadConfig if none is left."""
    matrix = campaign.matrix
    axes = {axis: list(getattr(matrix, axis)) for axis in AXES}
    tables: list[Condition] = [{}, *matrix.include]
    combined: dict[MatrixCell, None] = {}
    for table in tables:
        for cell in _combinations(campaign, catalog, axes | {axis: _listed(value) for axis, value in table.items()}):
            combined[cell] = None
    excluded = [resolve(campaign, catalog, table) for table in matrix.exclude]
    kept = [cell for cell in combined if not any(cell.matches(values) for values in excluded)]
    if not kept:
        empty = [axis for axis, values in axes.items() if not values]
        why = f"the axis {empty[0]!r} has no value" if empty else "exclude removes every cell"
        raise BadConfig(f"campaign {campaign.name!r} has no cells: {why}; add one under [matrix]")
    return kept


def _combinations(
    campaign: Campaign, catalog: Catalog, axes: Mapping[str, Sequence[AxisValue]]
) -> Iterator[MatrixCell]:
    for values in product(*(axes[axis] for axis in AXES)):
        accelerator, engine, model, precision, tp, ep, dp_attention, workload = (
            _value(campaign, catalog, axis, value) for axis, value in zip(AXES, values, strict=True)
        )
        serving = ServingConfig(
            accelerator=str(accelerator),
            engine=str(engine),
            model=str(model),
            precision=str(precision),
            tp=int(tp),
            ep=int(ep),
            dp_attention=bool(dp_attention),
        )
        yield MatrixCell(serving, str(workload))


def resolve(campaign: Campaign, catalog: Catalog, condition: Condition) -> dict[str, list[AxisValue]]:
    """The values of each axis that a condition names, written as the cells write them."""
    return {
        axis: [_value(campaign, catalog, axis, value) for value in _listed(values)]
        for axis, values in condition.items()
    }


def _value(campaign: Campaign, catalog: Catalog, axis: str, value: AxisValue) -> AxisValue:
    """The value with a name replaced by its catalog id; models and engines of the campaign's own stay. UnknownName."""
    if not isinstance(value, str):
        return value
    match axis:
        case "accelerator":
            return "CPU" if value.casefold() in CPU_NAMES else catalog.accelerators.id_of(value)
        case "engine":
            return catalog.engines.id_or_own(value, campaign.recipes)
        case "model":
            return catalog.models.id_or_own(value, campaign.models)
        case "workload":
            return catalog.workload_id(value)
        case "precision":
            return precision_id(value)
        case _:
            return value


def _listed(value: AxisValue | list[AxisValue] | list[str | int]) -> list[AxisValue]:
    return list(value) if isinstance(value, list) else [value]
