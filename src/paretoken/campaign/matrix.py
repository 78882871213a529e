"""From the matrix to cells: every combination, with include and exclude. Pure functions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from math import prod
from typing import cast

from paretoken.campaign.config import AXES, AxisValue, Campaign, Condition
from paretoken.catalog.loader import Catalog
from paretoken.catalog.names import agreed_precision, precision_id
from paretoken.errors import BadConfig, quoted

CPU_NAMES = ("cpu",)
MOST_CELLS = 5_000
LONGEST_SLUG = 100
_LENGTHS = re.compile(r"\d+/\d+")
_PLAIN = re.compile(r"(?!\d+-\d+$)[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?")
"""Names that are folders as they are; two numbers are the folder of a workload by its lengths."""


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
        return slugged("-".join(p for p in parts if p))[:LONGEST_SLUG]


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One serving configuration and one workload: what one ladder of loads is measured on."""

    serving: ServingConfig
    workload: str

    @property
    def slug(self) -> str:
        """Its folder inside that of the job: another one for every workload, and no name of a file there."""
        name = self.workload.casefold()
        if _PLAIN.fullmatch(name) or _LENGTHS.fullmatch(name):
            return slugged(name)
        start = slugged(name).replace(".", "-").strip("-")[: LONGEST_SLUG - 10]
        return f"{start}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")

    def matches(self, values: Mapping[str, Sequence[AxisValue]]) -> bool:
        """Whether the cell has one of the values of every axis; see `resolve`."""
        own = asdict(self.serving) | {"workload": self.workload}
        return all(own[axis] in allowed for axis, allowed in values.items())


def slugged(text: str) -> str:
    """The text in lower case; every run of other characters than letters, digits and dots becomes one dash."""
    return re.sub(r"[^a-z0-9.]+", "-", text.casefold()).strip("-")


def cells(campaign: Campaign, catalog: Catalog) -> list[MatrixCell]:
    """Every cell once, in the order of the matrix; BadConfig if none is left, or for more than MOST_CELLS."""
    matrix = campaign.matrix
    axes: dict[str, list[AxisValue]] = {axis: list(getattr(matrix, axis)) for axis in AXES}
    tables = [axes, *(axes | _lists(table) for table in matrix.include)]
    many = sum(prod(map(len, table.values())) for table in tables)
    if many > MOST_CELLS:
        raise BadConfig(
            f"campaign {quoted(campaign.name)} has {many:,} cells, and {MOST_CELLS:,} are the most; "
            "split it into several campaigns"
        )
    combined = dict.fromkeys(cell for table in tables for cell in _combinations(campaign, catalog, table))
    excluded = [resolve(campaign, catalog, table) for table in matrix.exclude]
    kept = [cell for cell in combined if not any(cell.matches(values) for values in excluded)]
    if not kept:
        empty = [axis for axis, values in axes.items() if not values]
        why = f"the axis {empty[0]!r} has no value" if empty else "exclude removes every cell"
        raise BadConfig(f"campaign {quoted(campaign.name)} has no cells: {why}; add one under [matrix]")
    return kept


def _combinations(
    campaign: Campaign, catalog: Catalog, axes: Mapping[str, Sequence[AxisValue]]
) -> Iterator[MatrixCell]:
    for values in product(*(axes[axis] for axis in AXES)):
        named = dict(zip(AXES, values, strict=True))
        if named["model"] not in campaign.models:
            named["precision"] = agreed_precision(str(named["model"]), str(named["precision"])) or ""
        accelerator, engine, model, precision, tp, ep, dp_attention, workload = (
            _value(campaign, catalog, axis, value) for axis, value in named.items()
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
        axis: [_value(campaign, catalog, axis, value) for value in values] for axis, values in _lists(condition).items()
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


def _lists(condition: Condition) -> dict[str, list[AxisValue]]:
    """The values of each axis named, of which a file may give one alone."""
    values = cast(Mapping[str, AxisValue | list[AxisValue]], condition)
    return {axis: list(value) if isinstance(value, list) else [value] for axis, value in values.items()}
