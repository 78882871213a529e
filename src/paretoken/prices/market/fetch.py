"""Today's offers of the clouds that `gpuhunt` knows, as rows of the price book."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import date
from typing import Protocol

import polars as pl

from paretoken.catalog.loader import Catalog
from paretoken.errors import BadConfig, NoData
from paretoken.prices.market.book import IDENTITY, SCHEMA
from paretoken.prices.market.names import accelerator_of


class CloudOffer(Protocol):
    """What is read of an offer of gpuhunt."""

    provider: str
    location: str | None
    instance_name: str
    gpu_name: str | None
    gpu_count: int | None
    gpu_memory: float | None
    price: float | None
    spot: bool


Query = Callable[..., Iterable[CloudOffer]]
LICENCE = "gpuhunt, MPL-2.0; list prices of the providers"


def fetch_prices(catalog: Catalog, today: date, query: Query | None = None) -> pl.DataFrame:
    """Every GPU offer of today. NoData if the network or the catalog of offers cannot be reached.

    `query` is gpuhunt's own unless given.
    """
    source, query = _query() if query is None else ("gpuhunt", query)
    try:
        offers = list(query(min_gpu_count=1))
    except Exception as e:
        reason = str(e).splitlines()[0][:160] if str(e) else type(e).__name__
        raise NoData(f"no offer could be fetched ({reason}); no prices were changed; try again online") from e
    rows = [row for offer in offers if (row := _row(offer, catalog, today, source))]
    if not rows:
        raise NoData("gpuhunt returned no offers; no prices were changed")
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").unique(IDENTITY, keep="first", maintain_order=True)


def _query() -> tuple[str, Query]:
    try:
        from importlib.metadata import version

        import gpuhunt
    except ImportError as e:
        raise BadConfig("'paretoken rent fetch' needs gpuhunt; pip install 'paretoken[market]'") from e
    # It logs a traceback for every provider that it cannot reach; the one sentence says it all.
    logging.getLogger("gpuhunt").setLevel(logging.CRITICAL)
    return f"gpuhunt {version('gpuhunt')}", gpuhunt.query


def _row(offer: CloudOffer, catalog: Catalog, today: date, source: str) -> list[object] | None:
    """A row, or None for an offer without GPU or price."""
    if not offer.gpu_count or not offer.gpu_name or not offer.price:
        return None
    name, form, _ = accelerator_of(offer.gpu_name, catalog, offer.instance_name, offer.gpu_memory)
    price = float(offer.price) / offer.gpu_count
    term = "spot" if offer.spot else "on-demand"
    return [
        offer.provider,
        offer.location,
        offer.instance_name,
        name,
        form,
        offer.gpu_memory,
        int(offer.gpu_count),
        term,
        "offer",
        0.0,
        price,
        "USD",
        price,
        today,
        source,
        LICENCE,
        "ok",
    ]
