"""`instances.json` of ec2instances.info (Vantage), collected from the AWS Price List: Linux, instances with GPUs.

Every price is of an hour of the instance; those paid upfront are spread over the hours of their term already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from paretoken.prices.market.lists.plain import mapping, mappings, price

_RESERVED = re.compile(r"yrTerm([13])(?:Standard|Savings|InstanceSavings)\.(no|partial|all)Upfront")
_SXM = re.compile(r"\b(A100|H100|H200|B200|B300)\b")
"""Sold in the p instances as SXM."""
_UPFRONT = {"no": 0.0, "partial": 0.5, "all": 1.0}


def recognises(content: object) -> bool:
    first = next(mappings(content), {})
    return "instance_type" in first and "pricing" in first


def rows(content: object) -> Iterator[Mapping[str, object]]:
    for instance in mappings(content):
        count, model = price(instance.get("GPU")), str(instance.get("GPU_model") or "")
        if not count or not re.match(r"NVIDIA|AMD", model):
            continue
        memory = price(instance.get("GPU_memory"))
        if str(instance.get("instance_type")).startswith("p") and _SXM.search(model):
            model += " SXM"
        for region, systems in mapping(instance.get("pricing")).items():
            for term, upfront, usd in _prices(mapping(mapping(systems).get("linux"))):
                yield {
                    "provider": "aws",
                    "region": region,
                    "instance": instance.get("instance_type"),
                    "accelerator": model,
                    "memory_gb": memory and memory / count,
                    "count": int(count),
                    "term": term,
                    "upfront_share": upfront,
                    "price": usd / count,
                    "currency": "CNY" if region.startswith("cn-") else "USD",
                    "source": "ec2instances.info",
                    "licence": "list prices of AWS",
                }


def _prices(linux: Mapping[str, object]) -> Iterator[tuple[str, float, float]]:
    """(term, share paid upfront, price of an hour)."""
    for term, key in (("on-demand", "ondemand"), ("spot", "spot_avg")):
        if usd := price(linux.get(key)):
            yield term, 0.0, usd
    for key, value in mapping(linux.get("reserved")).items():
        plan, usd = _RESERVED.fullmatch(key), price(value)
        if plan and usd:
            yield f"{plan[1]}-year", _UPFRONT[plan[2]], usd
