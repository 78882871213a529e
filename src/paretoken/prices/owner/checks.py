"""Implied capital held against public figures of the same time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from paretoken.catalog.loader import Catalog, read_toml
from paretoken.prices.owner.layers import DATA, implied_capital


@dataclass(frozen=True, slots=True)
class Check:
    """A public capital figure, USD per GPU, and what the published USD per GPU-hour of its time implies."""

    accelerator: str
    tier: str
    tco: str
    public_usd: float
    implied_usd: float
    text: str
    source: str

    @property
    def off(self) -> float:
        """How far the implied figure lies above the public one, as a fraction."""
        return self.implied_usd / self.public_usd - 1


def public_checks(catalog: Catalog, accelerator: str | None = None) -> list[Check]:
    """Every check, or those of one accelerator."""
    return [
        Check(
            c["accelerator"],
            c["tier"],
            c["set"],
            c["usd_per_gpu"],
            implied_capital(catalog, c["accelerator"], c["set"], c["tier"]),
            c["text"],
            c["source"],
        )
        for c in _listed()
        if accelerator in (None, c["accelerator"])
    ]


@cache
def _listed() -> list[dict]:
    return read_toml(DATA / "checks.toml")["check"]
