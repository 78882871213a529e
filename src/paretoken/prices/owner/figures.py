"""One input as a file states it and as the calculation uses it: a figure with range, source and date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError

from paretoken.catalog.loader import explain
from paretoken.errors import BadConfig, UnknownName
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS

Per: TypeAlias = Literal["gpu", "server", "rack", "server-price"]
Spread: TypeAlias = Literal["lognormal", "triangular"]
NOT_USED = "not used"
"""The layer of an input that no file states."""


class StatedFigure(BaseModel):
    """A figure in a file. `low` and `high` bound 90 % of the probability if lognormal, all of it if triangular."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: float | None = None
    per: Per = Field("gpu", description="what capital or power is stated for; server-price: a share of the server's")
    low: float | None = None
    high: float | None = None
    spread: Spread = "triangular"
    holds_pue: bool | None = Field(None, description="whether the power already includes the site's losses")
    holds_power: bool = Field(False, description="whether the colocation price already includes the electricity")
    implied_from: str = Field("", description="TCO set whose USD per GPU-hour the capital is implied from")
    tier: str = ""
    times: PositiveFloat = 1.0
    source: str = ""
    date: str = ""
    range_source: str = ""

    @property
    def number(self) -> float:
        """The value; only implied capital has none."""
        if self.value is None:
            raise BadConfig(f"a figure implied from TCO set {self.implied_from} has no value of its own")
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFigure:
    """An input in the calculation's unit: capital and power per GPU. `layer` is the file part it comes from."""

    value: float
    low: float | None = None
    high: float | None = None
    spread: Spread = "triangular"
    source: str = ""
    date: str = ""
    layer: str = NOT_USED
    range_source: str = ""
    implied: bool = False

    @property
    def certain(self) -> bool:
        return self.low is None or self.low == self.high

    @property
    def bounds(self) -> tuple[float, float]:
        """(low, high); the value itself without a range."""
        low = self.value if self.low is None else self.low
        return low, self.value if self.high is None else self.high


def stated(name: str, raw: object, where: str) -> StatedFigure:
    """The figure of a file, checked; a plain number is taken as certain. BadConfig says what is wrong where."""
    if name not in PARAMETERS:
        raise UnknownName(f"TCO input in {where}", name, list(PARAMETERS))
    if isinstance(raw, bool) or not isinstance(raw, (int, float, dict)):
        raise BadConfig(f"{where}: {name} = {raw!r} is not a number nor a table with a value; write {name} = 1.0")
    try:
        figure = StatedFigure.model_validate(raw if isinstance(raw, dict) else {"value": raw})
    except ValidationError as e:
        raise BadConfig(f"{where}, {name}: {explain(e, list(StatedFigure.model_fields))}") from e
    _check(name, figure, where)
    return figure


def _check(name: str, figure: StatedFigure, where: str) -> None:
    if (figure.value is None) == (not figure.implied_from) or (figure.implied_from and name != "all_in_usd"):
        raise BadConfig(f"{where}: {name} needs a value; only all_in_usd may give implied_from, a TCO set, instead")
    allowed = PARAMETERS[name]
    for value in (v for v in (figure.value, figure.low, figure.high) if v is not None):
        if not allowed.allows(value):
            raise BadConfig(f"{where}: {name} = {value:g}; {allowed.text} must be {allowed.rule} ({allowed.unit})")
    if name == "kw" and figure.holds_pue is None:
        raise BadConfig(
            f"{where}: kw = {figure.value:g} does not say whether it includes the PUE; "
            f'write kw = {{ value = {figure.value:g}, per = "gpu", holds_pue = false }}'
        )
    if figure.per != "gpu" and name not in (*CAPITAL, "kw"):
        raise BadConfig(f"{where}: {name} is {allowed.unit} and takes no 'per'; leave it out")
    _check_range(name, figure, where)


def _check_range(name: str, figure: StatedFigure, where: str) -> None:
    low, high, value = figure.low, figure.high, figure.value
    if low is None and high is None:
        return
    if low is None or high is None:
        raise BadConfig(f"{where}: {name} gives one end of its range; give both low and high, or none")
    if not low <= (low if value is None else value) <= high:
        raise BadConfig(f"{where}: {name} = {value:g} lies outside its range {low:g} to {high:g}")
    if figure.spread == "lognormal" and low <= 0:
        raise BadConfig(f"{where}: {name} has a lognormal range from {low:g}; it must be above 0, or triangular")
