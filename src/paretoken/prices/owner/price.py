"""Owner's cost as a tariff, so that frontiers, rankings and break-evens take it like any other price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from paretoken.catalog.loader import Catalog
from paretoken.prices.owner.layers import (
    FigureSet,
    Inputs,
    inputs,
    operators,
    own_accelerators,
    shipped_accelerators,
)
from paretoken.prices.owner.levelised import it_kw, total
from paretoken.prices.tariff import Tariff


def owner_inputs(
    catalog: Catalog,
    operator: str = "neocloud",
    accelerators: Iterable[str] | None = None,
    own_sets: Sequence[FigureSet] = (),
) -> list[Inputs]:
    """The inputs of the accelerators named, or of all with a shipped set and those that the user's sets add."""
    added = own_accelerators(catalog, own_sets)
    names = tuple(accelerators or ()) or (*shipped_accelerators(), *added)
    ids = [a if a in added else catalog.accelerators.id_of(a) for a in names]
    return [inputs(catalog, a, operator, own_sets) for a in ids]


def owner_tariff(inputs_of_all: Sequence[Inputs]) -> Tariff:
    """The owner's cost of a GPU-hour, bottom up; power is IT power without the PUE."""
    operator = inputs_of_all[0].operator
    dates = sorted({f.date for i in inputs_of_all for f in i.figures.values() if f.date})
    return Tariff(
        price_set="bottom-up",
        tier=f"own-{operator}",
        name=f"Own: {operators()[operator]}",
        usd_per_gpu_h={i.accelerator: float(total(i.values)) for i in inputs_of_all},
        kw_per_gpu={i.accelerator: float(it_kw(i.values)) for i in inputs_of_all},
        kw_basis="IT power, PUE not included",
        source="owner's cost, bottom up; 'paretoken tco --explain' shows every figure",
        date=dates[-1] if dates else "",
        placeholders=tuple(i.accelerator for i in inputs_of_all if i.capital_implied),
    )
