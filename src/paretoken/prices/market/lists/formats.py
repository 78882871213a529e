"""Which published price list a file is, and its rows in our columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from paretoken.prices.market.lists import azure, ec2, gcosts, skypilot

Row: TypeAlias = Mapping[str, object]
"""A price of one GPU-hour under our column names."""


@dataclass(frozen=True, slots=True)
class PriceListFormat:
    """`recognises` a file's content, plain values of CSV, JSON or YAML; `rows` are its prices of accelerators.

    `lacks` are the columns that the form does not state: the user has to. `notes` says what was left out. A row's
    `valid_from` is the day from which its price counts, and its `meter` what it is the price of.
    """

    name: str
    text: str
    recognises: Callable[[object], bool]
    rows: Callable[[object], Iterator[Row]]
    lacks: tuple[str, ...]
    notes: Callable[[object], Iterator[str]] = lambda _content: iter(())


FORMATS = (
    PriceListFormat(
        "azure-retail", "Azure Retail Prices API, JSON", azure.recognises, azure.rows, ("date",), azure.notes
    ),
    PriceListFormat("ec2instances", "instances.json of ec2instances.info", ec2.recognises, ec2.rows, ("date",)),
    PriceListFormat("gcosts", "pricing.yml of gcosts (Google Cloud)", gcosts.recognises, gcosts.rows, ()),
    PriceListFormat(
        "skypilot", "vms.csv of the SkyPilot catalog", skypilot.recognises, skypilot.rows, ("date", "provider")
    ),
)


def format_of(content: object) -> PriceListFormat | None:
    """The published form that a file has, or None."""
    return next((f for f in FORMATS if f.recognises(content)), None)
