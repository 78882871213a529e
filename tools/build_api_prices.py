"""Build the shipped table of API list prices from two collections, both under the MIT licence.

    pip install genai-prices==0.2.3 pyyaml
    pip install --no-deps litellm==1.110.2
    git clone https://github.com/pydantic/genai-prices
    python tools/build_api_prices.py --history genai-prices

Keeps the open models of the catalog at providers that serve them themselves: from `litellm` those that state batch or
peak prices and those of some makers, all others from `genai-prices`. `valid_from` is the day that a collection names.
Without one it is the day since which the history of `genai-prices` has had that price without a change. It stays empty
where neither is known: a price is never dated by the day of the collection.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import date
from importlib.metadata import distribution, version
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import yaml
from genai_prices.data import providers

OUT = Path(__file__).parent.parent / "src" / "paretoken" / "prices" / "data" / "api_prices.csv"
COLLECTED = date(2026, 11, 30)
LITELLM = "litellm/model_prices_and_context_window_backup.json"
LICENCE = "MIT (collection); list price of the provider"
MODELS = {
    "llama-3-70b": r"llama-?3[.p-]3-70b-(instruct|versatile)|llama-3[.]3-70b$|llama3-3-70b-instruct",
    "llama-3.1-405b": r"llama-3[.p]1-405b-instruct",
    "llama-4-maverick": r"llama-?4-maverick-17b(-128e)?-instruct",
    "llama-4-scout": r"llama-?4-scout-17b(-16e)?-instruct",
    "deepseek-r1": r"deepseek-r1(-0528)?(-maas)?$|deepseek[.]r1-v1|deepseek-v3(-0324|[.]1)?(-maas)?$|deepseek-v3p1",
    "deepseek-v3.2": r"deepseek[-.]v3[.p]2(-maas)?$",
    "deepseek-v4-pro": r"deepseek-v4-pro(-0813)?$",
    "glm-4.5": r"glm-4[.]5$",
    "glm-5": r"glm-5(-maas)?$",
    "glm-5.2": r"glm-5[.-]2(-maas)?$",
    "gpt-oss-120b": r"gpt-oss-120b(-1|-maas)?$",
    "gpt-oss-20b": r"gpt-oss-20b(-1|-maas)?$",
    "kimi-k2-thinking": r"kimi-k2-thinking$",
    "kimi-k2.5": r"kimi-k2[.p]5$",
    "kimi-k3": r"kimi-k3$",
    "minimax-m2.5": r"minimax-m2[.p]5$",
    "minimax-m3": r"minimax-m3$",
    "qwen3-235b-a22b": r"qwen3-235b-a22b(-instruct-2507|-2507)?(-v1|-maas)?$",
    "qwen3-next-80b-a3b": r"qwen3-next-80b-a3b-instruct$",
    "qwen3.5-397b-a17b": r"qwen3[.]5-397b-a17b$",
}
SERVE_THEMSELVES = {
    "avian",
    "baseten",
    "cerebras",
    "cloudflare",
    "databricks",
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
OF_LITELLM = {
    "bedrock_converse": "aws",
    "vertex_ai": "google",
    "deepinfra": "deepinfra",
    "deepseek": "deepseek",
    "tencent": "tencent",
    "minimax": "minimax",
    "dashscope": "alibaba",
}
"""Names of providers in litellm and ours. Regional editions of AWS are left out: what remains are its US prices."""
NO_LONGER_SOLD = {("deepseek", "deepseek-r1"), ("deepseek", "deepseek-v3.2")}
MAKERS = {"deepseek": "deepseek-", "zai": "glm-", "moonshotai": "kimi-", "minimax": "minimax-", "alibaba": "qwen"}


class Row(NamedTuple):
    """One line of the table; its columns, in order."""

    model: str
    provider: str
    maker: str
    name: str
    tier: str
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_usd_per_mtok: float | str
    cache_write_usd_per_mtok: float | str
    valid_from: str
    peak_hours_utc: str
    peak_days_a_week: int | str
    collected: str
    source: str
    licence: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", type=Path, required=True, help="clone of github.com/pydantic/genai-prices")
    history = parser.parse_args().history
    own = [row for p in providers if p.id in SERVE_THEMSELVES for row in _of_genai(p, _since(history, p.id))]
    # One price under two spellings of a name is one row; the one that also states cached input and a day is kept.
    every = sorted([*own, *_of_litellm()], key=lambda r: (r.cached_usd_per_mtok != "", r.valid_from, r.name))
    same = {(r.model, r.provider, r.tier, r.input_usd_per_mtok, r.output_usd_per_mtok): r for r in every}
    rows = sorted(same.values())
    with OUT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows(rows)
    print(f"{len(rows)} prices, {sum(r.valid_from != '' for r in rows)} with a day -> {OUT}")


def _row(model: str, provider: str, name: str, tier: str, usd: dict[str, float | None], source: str, **more) -> Row:
    """A row; `usd` per million tokens by kind, None where the provider has no price of its own for it."""
    cells = {kind: "" if value is None else round(value, 6) for kind, value in usd.items()}
    return Row(
        model=model,
        provider=provider,
        maker="true" if model.startswith(MAKERS.get(provider, "-")) else "",
        name=name,
        tier=tier,
        input_usd_per_mtok=cells["input"],
        output_usd_per_mtok=cells["output"],
        cached_usd_per_mtok=cells["cached"],
        cache_write_usd_per_mtok=cells["cache_write"],
        valid_from=more.get("valid_from", ""),
        peak_hours_utc=more.get("hours", ""),
        peak_days_a_week=more.get("days", ""),
        collected=str(COLLECTED),
        source=source,
        licence=LICENCE,
    )


def _ours(name: str) -> str | None:
    plain = name.casefold().split("/")[-1].split(":")[0].replace("_", "-").removeprefix("databricks-")
    return next((k for k, pattern in MODELS.items() if re.search(pattern, plain)), None)


def _of_genai(provider, since: dict[str, tuple]) -> Iterator[Row]:
    """Every price that has begun; those by time of day are taken from litellm."""
    name = provider.id.removeprefix("huggingface_")
    source = f"genai-prices {version('genai-prices')} <- {(provider.pricing_urls or [''])[0]}"
    for m in provider.models:
        if (ours := _ours(m.id)) is None:
            continue
        for begun, price in _begun(m.prices):
            usd = {kind: _usd(getattr(price, f"{kind}_mtok", None)) for kind in ("input", "output")}
            usd |= {"cached": _usd(price.cache_read_mtok) or None, "cache_write": _usd(price.cache_write_mtok) or None}
            if not usd["input"] or not usd["output"]:
                continue
            day, stated = since.get(m.id, ("", None))
            day = begun or (day if stated == (usd["input"], usd["output"]) else "")
            yield _row(ours, name, m.id, "standard", usd, source, valid_from=day)


def _begun(prices) -> Iterator[tuple[str, object]]:
    if not isinstance(prices, list):
        yield "", prices
        return
    if any("TimeOfDate" in type(p.constraint).__name__ for p in prices):
        return
    for p in prices:
        if p.constraint is None or p.constraint.start_date <= COLLECTED:
            yield ("" if p.constraint is None else str(p.constraint.start_date)), p.prices


def _usd(price) -> float | None:
    return float(getattr(price, "base", price)) if price is not None else None


def _since(clone: Path, provider: str) -> dict[str, tuple[str, tuple[float, float]]]:
    """By model the newest price in the history of a provider's file, and the day since which it has been there."""
    path = f"prices/providers/{provider}.yml"
    since: dict[str, tuple[str, tuple[float, float]]] = {}
    for line in _git(clone, "log", "--reverse", "--format=%H %as", "--", path).splitlines():
        commit, day = line.split()
        if not (text := _git(clone, "show", f"{commit}:{path}")):
            continue
        for m in yaml.load(text, Loader=yaml.CSafeLoader)["models"]:
            price = m["prices"]
            if isinstance(price, dict) and (pair := _pair(price)) and since.get(m["id"], ("", None))[1] != pair:
                since[m["id"]] = (day, pair)
    return since


def _pair(price: dict) -> tuple[float, float] | None:
    sides = [price.get(f"{side}_mtok") for side in ("input", "output")]
    sides = [s["base"] if isinstance(s, dict) else s for s in sides]
    return None if None in sides else (float(sides[0]), float(sides[1]))


def _git(clone: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(clone), *words], capture_output=True, text=True, check=False).stdout


def _of_litellm() -> Iterator[Row]:
    """Standard or peak and off-peak prices, and batch prices."""
    collection = distribution("litellm")
    prices = json.loads(Path(str(collection.locate_file(LITELLM))).read_text(encoding="utf-8"))
    for name, entry in prices.items():
        of = str(entry.get("litellm_provider", "")) if isinstance(entry, dict) else ""
        provider = OF_LITELLM.get("vertex_ai" if of.startswith("vertex_ai-") else of)
        ours, plain = _ours(name), name.split("/", 1)[-1]
        regional = provider == "aws" and re.match(r"(us|eu|in|jp|apac|au|global)[.]|.*us-gov", name)
        if not provider or not ours or regional or (provider, ours) in NO_LONGER_SOLD:
            continue
        source = f"litellm {collection.version} <- {entry.get('source') or provider}"
        usd, batch = _per_mtok(entry), _per_mtok(entry, "_batches")
        if not usd["input"] or not usd["output"]:
            continue
        if off_peak := entry.get("off_peak_pricing"):
            hours, days = _peak(off_peak["windows"])
            day = _peak_pricing_began(provider, plain)
            yield _row(ours, provider, plain, "off-peak", _per_mtok(off_peak), source, valid_from=day)
            yield _row(ours, provider, plain, "peak", usd, source, valid_from=day, hours=hours, days=days)
        else:
            yield _row(ours, provider, plain, "standard", usd, source)
        if batch["input"] and batch["output"]:
            yield _row(ours, provider, plain, "batch", batch, source)


def _per_mtok(entry: dict, suffix: str = "") -> dict[str, float | None]:
    named = {"input": "input_cost_per_token", "output": "output_cost_per_token"}
    named |= {"cached": "cache_read_input_token_cost", "cache_write": "cache_creation_input_token_cost"}
    usd = {kind: entry.get(key + suffix) for kind, key in named.items()}
    return {k: v * 1e6 if v is not None and (v or k in ("input", "output")) else None for k, v in usd.items()}


def _peak(windows: list[dict]) -> tuple[str, int]:
    """The peak hours between the off-peak ones of a weekday, and the days of the week that have them."""
    (weekday,) = (w for w in windows if isinstance(w["hours_utc"], list))
    off = sorted(tuple(hours.split("-")) for hours in weekday["hours_utc"])
    between = [(end, start) for (_, end), (start, _) in pairwise(off) if end < start]
    return " ".join(f"{start}-{end}" for start, end in between), len(weekday["weekdays"])


def _peak_pricing_began(provider: str, name: str) -> str:
    """The day that genai-prices names for the present price of a maker; "" for other providers."""
    models = {m.id: m.prices for p in providers if p.id == provider for m in p.models}
    days = [p.constraint.start_date for p in models.get(name, []) if hasattr(p.constraint, "start_date")]
    return str(max(days)) if days else ""


if __name__ == "__main__":
    main()
