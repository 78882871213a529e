"""Owner's TCO as a tariff, so that frontiers, rankings and break-evens take it like any other price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paretoken.catalog.loader import Catalog
from paretoken.prices.owner.layers import Inputs, inputs, operators, own_accelerators, shipped_accelerators
from paretoken.prices.owner.levelised import it_kw, total
from paretoken.prices.tariff import Tariff


def owner_inputs(
    catalog: Catalog,
    operator: str = "neocloud",
    accelerators: Iterable[str] | None = None,
    own: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> list[Inputs]:
    """The inputs of the accelerators named, or of all with a shipped set and those that the user's sets add."""
    added = own_accelerators(catalog, own)
    ids = [
        a if a in added else catalog.accelerators.id_of(a) for a in accelerators or (*shipped_accelerators(), *added)
    ]
    return [inputs(catalog, a, operator, own) for a in ids]


def owner_tariff(sets: Sequence[Inputs]) -> Tariff:
    """What a GPU-hour costs the owner, bottom up; power is IT power without the PUE."""
    operator = sets[0].operator
    dates = sorted({f.date for s in sets for f in s.figures.values() if f.date})
    return Tariff(
        "bottom-up",
        f"own-{operator}",
        f"Own: {operators()[operator]}",
        {s.accelerator: float(total(s.values)) for s in sets},
        {s.accelerator: float(it_kw(s.values)) for s in sets},
        "IT power, PUE not included",
        "owner's TCO from the bottom up; 'paretoken tco --explain' names every figure",
        dates[-1] if dates else "",
        tuple(s.accelerator for s in sets if s.capital_implied),
    )
