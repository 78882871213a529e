"""Rental prices made for a test: one sound row, and changes to it."""

from __future__ import annotations

from datetime import date

import polars as pl

from paretoken.prices.market.book import SCHEMA

DAY = date(2026, 8, 22)
TODAY = date(2026, 11, 24)


def row(provider: str = "a", usd: float | None = 2.0, **changes: object) -> dict:
    sound = {
        "provider": provider,
        "region": None,
        "instance": "8 x",
        "accelerator": "H200",
        "form": "SXM",
        "memory_gb": 141.0,
        "count": 8,
        "term": "on-demand",
        "statistic": "offer",
        "upfront_share": 0.0,
        "price": usd,
        "currency": "USD",
        "usd_per_gpu_h": usd,
        "date": DAY,
        "source": "test",
        "licence": "MIT",
        "quality": "ok",
    }
    return sound | changes


def table(*rows: dict) -> pl.DataFrame:
    """A price book of the given rows."""
    return pl.DataFrame(list(rows), schema=SCHEMA)
