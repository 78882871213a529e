"""One input as a file states it and as the calculation uses it: a figure with range, source and date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from paretoken.catalog.loader import explain
from paretoken.errors import BadConfig, UnknownName
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS

Per = Literal["gpu", "server", "rack", "server-price"]
Spread = Literal["lognormal", "triangular"]


class Stated(BaseModel):
    """A figure in a file. `low` and `high` bound 90 % of the probability if lognormal, all of it if triangular."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: float | None = None
    per: Per = Field("gpu", description="what capital or power is stated for; server-price: a share of the server's")
    low: float | None = None
    high: float | None = None
    spread: Spread = "triangular"
    holds_pue: bool | None = Field(None, description="whether the power already counts the site's losses")
    holds_power: bool = Field(False, description="whether the colocation price already holds the electricity")
    implied_from: str = Field("", description="TCO set whose USD per GPU-hour the capital is implied from")
    tier: str = ""
    times: PositiveFloat = 1.0
    source: str = ""
    date: str = ""
    range_source: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """An input in the calculation's unit: capital and power per GPU. `layer` is the file part it comes from."""

    value: float
    low: float | None
    high: float | None
    spread: Spread
    source: str
    date: str
    layer: str
    range_source: str = ""
    implied: bool = False

    @property
    def certain(self) -> bool:
        return self.low is None or self.low == self.high


def stated(name: str, raw: Any, where: str) -> Stated:
    """The figure of a file, checked; a plain number is taken as known. BadConfig says what is wrong where."""
    if name not in PARAMETERS:
        raise UnknownName(f"TCO input in {where}", name, list(PARAMETERS))
    if isinstance(raw, bool) or not isinstance(raw, (int, float, dict)):
        raise BadConfig(f"{where}: {name} = {raw!r} is not a number nor a table with a value; write {name} = 1.0")
    try:
        found = Stated.model_validate(raw if isinstance(raw, dict) else {"value": raw})
    except ValidationError as e:
        raise BadConfig(f"{where}, {name}: {explain(e, list(Stated.model_fields))}") from e
    _check(name, found, where)
    return found


def _check(name: str, found: Stated, where: str) -> None:
    if (found.value is None) == (not found.implied_from) or (found.implied_from and name != "all_in_usd"):
        raise BadConfig(f"{where}: {name} needs a value; all_in_usd alone may say implied_from, a TCO set, instead")
    allowed = PARAMETERS[name]
    for value in (v for v in (found.value, found.low, found.high) if v is not None):
        if not allowed.allows(value):
            raise BadConfig(f"{where}: {name} = {value:g}; {allowed.text} must be {allowed.rule} ({allowed.unit})")
    if name == "kw" and found.holds_pue is None:
        raise BadConfig(
            f"{where}: kw = {found.value:g} does not say whether it holds the PUE; "
            f'write kw = {{ value = {found.value:g}, per = "gpu", holds_pue = false }}'
        )
    if found.per != "gpu" and name not in (*CAPITAL, "kw"):
        raise BadConfig(f"{where}: {name} is {allowed.unit} and takes no 'per'; leave it out")
    _check_range(name, found, where)


def _check_range(name: str, found: Stated, where: str) -> None:
    if (found.low is None) != (found.high is None):
        raise BadConfig(f"{where}: {name} gives one end of its range; give both low and high, or none")
    if found.low is None:
        return
    if not found.low <= (found.value if found.value is not None else found.low) <= found.high:
        raise BadConfig(f"{where}: {name} = {found.value:g} lies outside its range {found.low:g} to {found.high:g}")
    if found.spread == "lognormal" and found.low <= 0:
        raise BadConfig(f"{where}: {name} has a lognormal range from {found.low:g}; it must be above 0, or triangular")
