"""Inputs of an owner's cost, as tests need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paretoken.catalog.loader import load_catalog
from paretoken.prices.owner.figures import InputFigure
from paretoken.prices.owner.layers import Inputs, read_sets
from paretoken.prices.owner.price import owner_inputs


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
