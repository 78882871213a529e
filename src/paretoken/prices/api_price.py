"""API list prices against serving oneself: a million tokens either way, and the load from which it pays."""

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


@dataclass(frozen=True, slots=True)
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
        read = self.input if self.cached is None else self.cached
        given = self.input * (1 - cached_share) + read * cached_share
        return (isl * given + osl * self.output) / (isl + osl)


@dataclass(frozen=True, slots=True)
class SelfHost:
    """Serving oneself against one API price.

    `load` is the share of hours, at the stated throughput, from which serving oneself is the cheaper: the
    smallest deployment then serves `tokens_per_day`. Over 1 the API is the cheaper even at full load.
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
    where = path or SHIPPED
    try:
        with where.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as e:
        raise BadFile(f"API prices {where} cannot be read: {e}") from e
    if not rows or any(c not in rows[0] for c in REQUIRED):
        raise BadFile(f"API prices {where} need a header with {', '.join(REQUIRED)} and at least one row")
    return [_price(where, i, row) for i, row in enumerate(rows, 1)]


def own_price(model: str, given: float, made: float, cached: float | None = None) -> ApiPrice:
    """A price that the user states."""
    for what, usd in (("input", given), ("output", made), ("cached input", cached)):
        if usd is not None and not (usd >= 0 and isfinite(usd)):
            raise BadConfig(f"the price of {what} tokens is {usd} USD per million; it must be 0 or more")
    if given + made <= 0:
        raise BadConfig("the API is free at these prices; give what it costs per million tokens")
    return ApiPrice(model, "stated", model, given, made, cached, "", "the command line", "")


def self_host(
    api: ApiPrice,
    usd_per_gpu_h: float,
    tok_s_per_gpu: float,
    gpus: int,
    isl: float,
    osl: float,
    cached_share: float = 0.0,
) -> SelfHost:
    """Serving oneself on so many GPUs at the throughput against the API's price for the same mix of tokens."""
    if not 0 <= cached_share <= 1:
        raise BadConfig(f"the cached share of the input is {cached_share:g}; it must lie between 0 and 1")
    theirs, ours = api.usd_per_mtok(isl, osl, cached_share), usd_per_mtok(usd_per_gpu_h, tok_s_per_gpu)
    if theirs <= 0:
        raise BadConfig(f"{api.name} of {api.provider} is free at its prices; leave it out, no load can pay for a GPU")
    load = ours / theirs
    return SelfHost(api, theirs, ours, load, gpus, load * gpus * tok_s_per_gpu * SECONDS_PER_DAY)


def cheapest_first(found: Iterable[SelfHost]) -> list[SelfHost]:
    """By rising API cost, so by falling load."""
    return sorted(found, key=lambda s: (s.api_usd_per_mtok, s.api.provider, s.api.name))


def _price(where: Path, i: int, row: dict[str, str]) -> ApiPrice:
    def usd(column: str) -> float:
        try:
            value = float(row[column])
        except (TypeError, ValueError) as e:
            raise BadFile(f"{where}: row {i}, column {column}: {row[column]!r} is not a number") from e
        if not (value >= 0 and isfinite(value)):
            raise BadFile(f"{where}: row {i}, column {column}: {row[column]!r} must be 0 or more")
        return value

    return ApiPrice(
        row["model"],
        row["provider"],
        row.get("name") or row["model"],
        usd("input_usd_per_mtok"),
        usd("output_usd_per_mtok"),
        usd("cached_usd_per_mtok") if row.get("cached_usd_per_mtok") else None,
        row.get("date") or "",
        row.get("source") or where.name,
        row.get("licence") or "",
    )
