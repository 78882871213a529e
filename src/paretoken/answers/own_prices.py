"""Your own prices of a GPU-hour: the part that all questions about money share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Annotated

from pydantic import Field

from paretoken.answers.seam import Question
from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig


@dataclass(frozen=True, kw_only=True)
class PricesQuestion(Question):
    """A question whose prices of a GPU-hour may be replaced, accelerator by accelerator."""

    price_usd_per_gpu_h: Annotated[
        Mapping[str, float],
        Field(description="Your own prices by accelerator, USD per GPU-hour; they replace the listed ones"),
    ] = field(default_factory=dict)

    def own_prices(self, catalog: Catalog, of_points: Iterable[str] = ()) -> dict[str, float]:
        """The prices by catalog id. Accelerators that only the points have keep their names.

        UnknownName for any other name, BadConfig for a price that is not above 0 or is stated twice.
        """
        measured, prices = tuple(of_points), dict[str, float]()
        for name, usd in self.price_usd_per_gpu_h.items():
            key = catalog.accelerators.id_or_own(name, measured)
            if key in prices:
                raise BadConfig(f"the price of {key} is stated twice, once as {name}; state it once")
            if not 0 < usd < inf:
                raise BadConfig(f"the price of {key} is {usd:g} USD per GPU-hour; it must be above 0")
            prices[key] = usd
        return prices
