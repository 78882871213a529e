"""The Azure Retail Prices API: a page of it, or the `Items` of several, as JSON.

https://learn.microsoft.com/en-us/rest/api/cost-management/retail-prices/azure-retail-prices. Only Linux sizes in
`_SIZES` are read. A reservation's price is for its whole term; a savings plan's is by the hour.
A price counts from its `effectiveStartDate`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from paretoken.foreign_text import one_line
from paretoken.prices.finance import HOURS_PER_YEAR
from paretoken.prices.market.lists.plain import mapping, mappings, price

_SIZES = (
    (r"ND96isr?f?_(H100|H200)_v5", "{} SXM", 8),
    (r"ND96isr?f?_(MI300X)_v5", "{}", 8),
    (r"NCC?(40)ad[a-z]*_H100_v5", "H100 NVL", 1),
    (r"NC(80)ad[a-z]*_H100_v5", "H100 NVL", 2),
    (r"ND128isr_(?:NDR_)?(GB200|GB300)_v6", "{}", 4),
    (r"ND96amsr_(A100)_v4", "A100 SXM 80GB", 8),
    (r"ND96asr_(?:A100_)?(v4)", "A100 SXM 40GB", 8),
    (r"NC(24)ads_A100_v4", "A100 PCIe 80GB", 1),
    (r"NC(48)ads_A100_v4", "A100 PCIe 80GB", 2),
    (r"NC(96)ads_A100_v4", "A100 PCIe 80GB", 4),
)
"""Sizes by name: accelerator and how many."""
_YEARS = {"1 Year": 1, "3 Years": 3, "5 Years": 5}


def recognises(content: object) -> bool:
    first = next(_items(content), {})
    return "armSkuName" in first and "retailPrice" in first


def rows(content: object) -> Iterator[Mapping[str, object]]:
    for item in _items(content):
        size = _size(str(item.get("armSkuName", "")))
        if size and not _unused(item):
            for term, usd_h in _prices(item):
                yield {
                    "provider": "azure",
                    "region": item.get("armRegionName"),
                    "instance": item.get("armSkuName"),
                    "accelerator": size[0],
                    "count": size[1],
                    "term": term,
                    "price": usd_h / size[1],
                    "currency": item.get("currencyCode", "USD"),
                    "source": "Azure Retail Prices API",
                    "licence": "list prices of Microsoft",
                    "valid_from": str(item.get("effectiveStartDate") or "")[:10],
                    "meter": f"{item.get('meterId')} {item.get('type')}",
                }


def notes(content: object) -> Iterator[str]:
    """What was left out of the prices of accelerators, and whether the file is a part of the list."""
    left_out = Counter(
        why for item in _items(content) if _size(str(item.get("armSkuName", ""))) and (why := _unused(item))
    )
    if left_out:
        reasons = ", ".join(f"{n} {why}" for why, n in sorted(left_out.items()))
        yield f"left out: {reasons}"
    more = mapping(content).get("NextPageLink")
    if more:
        yield f"the file is one page of the list; the next is at {one_line(str(more))}"


def _unused(item: Mapping[str, object]) -> str:
    """Why no price of an item is taken; empty if one is."""
    wrong = re.search(r"Windows|Low Priority|Expired", _words(item))
    if wrong:
        return wrong[0]
    return "" if any(_prices(item)) else f"of type {one_line(str(item.get('type')))} without a usable price"


def _words(item: Mapping[str, object]) -> str:
    """The names of an item: product, meter and SKU."""
    return " ".join(str(item.get(k, "")) for k in ("productName", "meterName", "skuName"))


def _items(content: object) -> Iterator[Mapping[str, object]]:
    return mappings(mapping(content).get("Items", content))


def _size(name: str) -> tuple[str, int] | None:
    """(accelerator, how many) of a size."""
    for pattern, accelerator, count in _SIZES:
        match = re.fullmatch(rf"Standard_{pattern}", name)
        if match:
            return accelerator.format(match[1]), count
    return None


def _prices(item: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """(term, price of an hour) of an item: itself, and the savings plans that it lists."""
    usd = price(item.get("retailPrice"))
    years = _YEARS.get(str(item.get("reservationTerm")))
    if item.get("type") == "Reservation" and usd and years:
        yield f"{years}-year", usd / (years * HOURS_PER_YEAR)
    elif item.get("type") == "Consumption" and usd and item.get("unitOfMeasure") == "1 Hour":
        yield "spot" if "Spot" in _words(item) else "on-demand", usd
        for plan in mappings(item.get("savingsPlan")):
            plan_usd, plan_years = price(plan.get("retailPrice")), _YEARS.get(str(plan.get("term")))
            if plan_usd and plan_years:
                yield f"{plan_years}-year", plan_usd
