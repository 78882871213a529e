"""`vms.csv` of the SkyPilot catalog: one cloud's instances, on-demand and spot.

A row without an instance is a GPU to which Google's machine is added; the quality flag of such rows leaves it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from paretoken.prices.market.lists.plain import mappings, price

_MEMORY = re.compile(r"'SizeInMiB': (\d+)")
_COLUMNS = {"InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "SpotPrice", "Region"}


def recognises(content: object) -> bool:
    return next(mappings(content), {}).keys() >= _COLUMNS


def rows(content: object) -> Iterator[Mapping[str, object]]:
    for record in mappings(content):
        count = price(record.get("AcceleratorCount"))
        if not count or count < 1 or not record.get("AcceleratorName"):
            continue
        memory = _MEMORY.search(str(record.get("GpuInfo") or record.get("GPUInfo") or ""))
        for term, column in (("on-demand", "Price"), ("spot", "SpotPrice")):
            if usd := price(record.get(column)):
                yield {
                    "region": record.get("Region"),
                    "instance": record.get("InstanceType") or "gpu-only",
                    "accelerator": str(record["AcceleratorName"]).replace("-MEGA", ""),
                    "memory_gb": int(memory[1]) / 1024 if memory else None,
                    "count": int(count),
                    "term": term,
                    "price": usd / count,
                    "currency": "USD",
                    "source": "SkyPilot catalog",
                    "licence": "list prices of the providers",
                }
