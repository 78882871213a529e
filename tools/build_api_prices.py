"""Build the shipped table of API list prices from an installed `genai-prices` (MIT).

    pip install genai-prices==0.2.3
    python tools/build_api_prices.py

Keeps the open models of the catalog at providers that serve them themselves, at the price valid
on the day of the collection. Prices by time of day are left out.
"""

from __future__ import annotations

import csv
import re
from datetime import date
from importlib.metadata import version
from pathlib import Path

from genai_prices.data import providers

OUT = Path(__file__).parent.parent / "src" / "paretoken" / "prices" / "data" / "api_prices.csv"
COLLECTED = date(2026, 11, 24)
MODELS = {
    "llama-3-70b": r"llama-?3[.p-]3-70b-(instruct|versatile)|llama-3[.]3-70b$|llama3-3-70b-instruct",
    "llama-3.1-405b": r"llama-3[.p]1-405b-instruct",
    "deepseek-r1": r"deepseek-r1(-0528)?$|deepseek[.]r1-v1|deepseek-v3(-0324|[.]1)?$|deepseek-v3p1",
    "gpt-oss-120b": r"gpt-oss-120b(-1)?$",
    "gpt-oss-20b": r"gpt-oss-20b(-1)?$",
    "qwen3-235b-a22b": r"qwen3-235b-a22b(-instruct-2507)?$",
    "qwen3.5-397b-a17b": r"qwen3[.]5-397b-a17b$",
    "kimi-k2.5": r"kimi-k2[.p]5$",
    "minimax-m2.5": r"minimax-m2[.p]5$",
    "glm-5": r"glm-5$",
    "deepseek-v4-pro": r"deepseek-v4-pro$",
}
SERVE_THEMSELVES = {
    "aws",
    "avian",
    "baseten",
    "cerebras",
    "cloudflare",
    "databricks",
    "deepseek",
    "doubleword",
    "fireworks",
    "groq",
    "huggingface_nebius",
    "huggingface_novita",
    "huggingface_sambanova",
    "moonshotai",
    "nebius",
    "novita",
    "ovhcloud",
    "sambanova",
    "together",
    "zai",
}
COLUMNS = (
    "model",
    "provider",
    "name",
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "cached_usd_per_mtok",
    "date",
    "source",
    "licence",
)


def main() -> None:
    prices = sorted({row for p in providers if p.id in SERVE_THEMSELVES for m in p.models if (row := _row(p, m))})
    # One model under two spellings is one price; the row that also states cached input is kept.
    rows = sorted({(r[0], r[1], r[3], r[4]): r for r in sorted(prices, key=lambda r: r[5] != "")}.values())
    with OUT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{len(rows)} prices -> {OUT}")


def _row(provider, model) -> tuple | None:
    plain = model.id.casefold().split("/")[-1].split(":")[0].replace("_", "-").removeprefix("databricks-")
    ours = next((k for k, pattern in MODELS.items() if re.search(pattern, plain)), None)
    price = _today(model.prices) if ours else None
    input_usd, output_usd = (_usd(getattr(price, side, None)) for side in ("input_mtok", "output_mtok"))
    if not input_usd or not output_usd:
        return None
    cached = _usd(price.cache_read_mtok)
    where = (provider.pricing_urls or [""])[0]
    name = provider.id.removeprefix("huggingface_")
    source = f"genai-prices {version('genai-prices')} <- {where}"
    return (
        ours,
        name,
        model.id,
        input_usd,
        output_usd,
        cached or "",
        str(COLLECTED),
        source,
        "MIT (collection); list price of the provider",
    )


def _today(prices):
    """The price valid on the day; None for one that depends on the time of day."""
    if not isinstance(prices, list):
        return prices
    if any("TimeOfDate" in type(p.constraint).__name__ for p in prices):
        return None
    begun = [p for p in prices if p.constraint is None or p.constraint.start_date <= COLLECTED]
    return begun[-1].prices if begun else None


def _usd(price) -> float | None:
    return float(getattr(price, "base", price)) if price is not None else None


if __name__ == "__main__":
    main()
