"""Implied capital compared with public figures of the same time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel, ConfigDict

from paretoken.catalog.loader import Catalog
from paretoken.plain_files import read_toml
from paretoken.prices.owner.layers import DATA, implied_capital


@dataclass(frozen=True, slots=True, kw_only=True)
class CapitalCheck:
    """A public capital figure, USD per GPU, and what the TCO set of its time (`tco`) implies."""

    accelerator: str
    tier: str
    tco: str
    public_usd: float
    implied_usd: float
    text: str
    source: str

    @property
    def off(self) -> float:
        """How far the implied figure exceeds the public one, as a fraction."""
        return self.implied_usd / self.public_usd - 1


def public_checks(catalog: Catalog, accelerator: str | None = None) -> list[CapitalCheck]:
    """Every check, or those of one accelerator."""
    return [
        CapitalCheck(
            accelerator=c.accelerator,
            tier=c.tier,
            tco=c.set,
            public_usd=c.usd_per_gpu,
            implied_usd=implied_capital(catalog, c.accelerator, c.set, c.tier),
            text=c.text,
            source=c.source,
        )
        for c in _listed()
        if accelerator in (None, c.accelerator)
    ]


class _PublicFigure(BaseModel):
    """A public price of an accelerator as the file lists it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    accelerator: str
    tier: str
    set: str
    usd_per_gpu: int | float
    text: str
    source: str


@cache
def _listed() -> list[_PublicFigure]:
    return [_PublicFigure.model_validate(c) for c in read_toml(DATA / "checks.toml")["check"]]
