"""`pricing.yml` of gcosts (Cyclenerd/google-cloud-pricing-cost-calculator): Google Cloud by machine and region.

Prices are of the whole machine: an hour, an hour of spot, and a month of 730 hours under a commitment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from paretoken.prices.finance import HOURS_PER_MONTH
from paretoken.prices.market.lists.plain import mapping, price

_PRICES = (
    ("on-demand", "hour", 1),
    ("spot", "hour_spot", 1),
    ("1-year", "month_1y", HOURS_PER_MONTH),
    ("3-year", "month_3y", HOURS_PER_MONTH),
)
"""Term, key and hours of each price."""
_GPU = re.compile(r"([a-z]{1,2}\d{1,3})(?:-(\d+)gb)?(?:-mega|-ultra)?")
_NO_GPU = ("cost", "cpu", "ram")


def recognises(content: object) -> bool:
    return "about" in mapping(content) and "instance" in mapping(mapping(content).get("compute"))


def rows(content: object) -> Iterator[Mapping[str, object]]:
    day = _day(mapping(mapping(content).get("about")).get("timestamp"))
    for machine, entry in mapping(mapping(mapping(content).get("compute")).get("instance")).items():
        gpu = _gpu(mapping(entry))
        if not gpu:
            continue
        accelerator, count = gpu
        for region, prices in mapping(mapping(entry).get("cost")).items():
            for term, key, hours in _PRICES:
                if usd := price(mapping(prices).get(key)):
                    yield {
                        "provider": "gcp",
                        "region": region,
                        "instance": machine,
                        "accelerator": accelerator,
                        "count": count,
                        "term": term,
                        "price": round(usd / hours / count, 4),
                        "currency": "USD",
                        "date": day,
                        "source": "gcosts pricing.yml",
                        "licence": "Apache-2.0",
                    }


def _day(timestamp: object) -> str | None:
    """The day of a Unix time; None if it is none, which the reader of rows then says."""
    seconds = price(timestamp)
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat() if seconds else None
    except (OverflowError, OSError, ValueError):
        return None


def _gpu(entry: Mapping[str, object]) -> tuple[str, int] | None:
    """(accelerator, how many) of a machine; those of 8 with NVLink are SXM."""
    for key, value in entry.items():
        name, count = _GPU.fullmatch(key), price(value)
        if key not in _NO_GPU and name and count:
            memory = f" {name[2]}GB" if name[2] else " 40GB" if name[1] == "a100" else ""
            form = " SXM" if name[1] in ("a100", "h100", "h200", "b200") else ""
            return f"{name[1].upper()}{form}{memory}", int(count)
    return None
