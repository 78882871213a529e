"""Inputs of an owner's cost, as tests need them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paretoken.catalog.loader import load_catalog
from paretoken.prices.owner.figures import InputFigure
from paretoken.prices.owner.layers import Inputs, read_sets
from paretoken.prices.owner.price import owner_inputs

ADJUSTED = {
    "as the set": {},
    "free money": {"cost_of_capital_per_year": 0.0},
    "one month": {"life_months": 1.0},
    "dear power, short life, half sold": {"electricity_usd_per_kwh": 0.31, "life_months": 27.0, "sold_share": 0.5},
    "everything": {
        "electricity_usd_per_kwh": 0.0425,
        "cost_of_capital_per_year": 0.1875,
        "life_months": 61.0,
        "pue": 1.07,
        "colo_usd_per_kw_month": 88.5,
        "sold_share": 0.83,
    },
}
"""Inputs that a reader of the report changes, by name of the case."""
TAXED = {
    "straight-line over five years": {"tax_rate": 0.25, "depreciation_months": 60.0},
    "declining balance": {"tax_rate": 0.25, "depreciation_months": 66.0, "depreciation": 1.0},
    "MACRS": {"tax_rate": 0.21, "depreciation": 2.0, "insurance_share_per_year": 0.01},
    "as observed": {"tax_rate": 0.3, "depreciation": 3.0, "life_months": 50.0},
}
"""Inputs with income tax, by schedule of depreciation."""


def owned(
    accelerators: Sequence[str] | None = None,
    operator: str = "neocloud",
    sets: Iterable[str | Path | Mapping[str, object]] = (),
) -> list[Inputs]:
    """The inputs of the accelerators, or of all with shipped figures."""
    return owner_inputs(load_catalog(), operator, accelerators, read_sets(sets))


def certain(inputs: Inputs, **uncertain: InputFigure) -> Inputs:
    """The inputs without any range, but for those given."""
    figures = {n: replace(f, low=None, high=None) for n, f in inputs.figures.items()}
    return replace(inputs, figures={**figures, **uncertain})


def near(page: float, ours: float) -> bool:
    """Whether a figure of the page is the library's to 1e-9."""
    return math.isclose(page, ours, rel_tol=1e-9, abs_tol=1e-12)
