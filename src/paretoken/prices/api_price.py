"""API list prices and self-hosting: the cost of a million tokens either way, and the break-even load."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from paretoken.errors import BadConfig, BadFile
from paretoken.prices.cost import usd_per_mtok

SHIPPED = Path(__file__).parent / "data" / "api_prices.csv"
SECONDS_PER_DAY = 86_400
REQUIRED = ("model", "provider", "input_usd_per_mtok", "output_usd_per_mtok")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPrice:
    """USD per million tokens of each kind; `cached` is None where a provider has no price for cached input."""

    model: str
    provider: str
    name: str
    input: float
    output: float
    cached: float | None
    date: str
    source: str
    licence: str

    def usd_per_mtok(self, isl: float, osl: float, cached_share: float = 0.0) -> float:
        """A million tokens of a mix of isl input and osl output tokens, a share of the input read from cache."""
        cached = self.input if self.cached is None else self.cached
        input_usd = self.input * (1 - cached_share) + cached * cached_share
        return (isl * input_usd + osl * self.output) / (isl + osl)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfHost:
    """Self-hosting against one API price.

    `load` is the share of hours, at the stated throughput, from which self-hosting is cheaper: the
    smallest deployment then serves `tokens_per_day`. Above 1 the API is cheaper even at full load.
    """

    api: ApiPrice
    api_usd_per_mtok: float
    own_usd_per_mtok: float
    load: float
    gpus: int
    tokens_per_day: float

    @property
    def pays(self) -> bool:
        return self.load <= 1


def api_prices(path: Path | None = None) -> list[ApiPrice]:
    """The shipped list prices, or those of a CSV with the columns model, provider, input_usd_per_mtok, …"""
    path = path or SHIPPED
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise BadFile(f"API prices {path} cannot be read: {e}") from e
    if not rows or any(c not in rows[0] for c in REQUIRED):
        raise BadFile(f"API prices {path} need a header with {', '.join(REQUIRED)} and at least one row")
    return [_price(path, i, row) for i, row in enumerate(rows, 1)]


def own_price(model: str, input_usd: float, output_usd: float, cached_usd: float | None = None) -> ApiPrice:
    """A price that the user states."""
    for tokens, usd in (("input", input_usd), ("output", output_usd), ("cached input", cached_usd)):
        if usd is not None and not (usd >= 0 and isfinite(usd)):
            raise BadConfig(f"the price of {tokens} tokens is {usd} USD per million; it must be 0 or more")
    if input_usd + output_usd <= 0:
        raise BadConfig("the API is free at these prices; give its price per million tokens")
    return ApiPrice(
        model=model,
        provider="stated",
        name=model,
        input=input_usd,
        output=output_usd,
        cached=cached_usd,
        date="",
        source="the command line",
        licence="",
    )


@dataclass(frozen=True, slots=True)
class OwnDeployment:
    """The GPUs that one deployment needs, what each costs an hour, and its throughput."""

    gpus: int
    usd_per_gpu_h: float
    tok_s_per_gpu: float


def self_host(api: ApiPrice, deployment: OwnDeployment, isl: float, osl: float, cached_share: float = 0.0) -> SelfHost:
    """A deployment of one's own against the API's price for the same mix of tokens."""
    if not 0 <= cached_share <= 1:
        raise BadConfig(f"the cached share of the input is {cached_share:g}; it must be between 0 and 1")
    api_usd = api.usd_per_mtok(isl, osl, cached_share)
    own_usd = usd_per_mtok(deployment.usd_per_gpu_h, deployment.tok_s_per_gpu)
    if api_usd <= 0:
        raise BadConfig(f"{api.name} of {api.provider} is free at its prices; leave it out, no load can pay for a GPU")
    load = own_usd / api_usd
    return SelfHost(
        api=api,
        api_usd_per_mtok=api_usd,
        own_usd_per_mtok=own_usd,
        load=load,
        gpus=deployment.gpus,
        tokens_per_day=load * deployment.gpus * deployment.tok_s_per_gpu * SECONDS_PER_DAY,
    )


def cheapest_first(comparisons: Iterable[SelfHost]) -> list[SelfHost]:
    """By rising API cost, so by falling load."""
    return sorted(comparisons, key=lambda s: (s.api_usd_per_mtok, s.api.provider, s.api.name))


def _price(path: Path, number: int, row: dict[str, str]) -> ApiPrice:
    def usd(column: str) -> float:
        try:
            value = float(row[column])
        except (TypeError, ValueError) as e:
            raise BadFile(f"{path}: row {number}, column {column}: {row[column]!r} is not a number") from e
        if not (value >= 0 and isfinite(value)):
            raise BadFile(f"{path}: row {number}, column {column}: {row[column]!r} must be 0 or more")
        return value

    return ApiPrice(
        model=row["model"],
        provider=row["provider"],
        name=row.get("name") or row["model"],
        input=usd("input_usd_per_mtok"),
        output=usd("output_usd_per_mtok"),
        cached=usd("cached_usd_per_mtok") if row.get("cached_usd_per_mtok") else None,
        date=row.get("date") or "",
        source=row.get("source") or path.name,
        licence=row.get("licence") or "",
    )
