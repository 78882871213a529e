"""Quality flags of rental prices, one by one, and the shipped book."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from paretoken.prices.market.book import IDENTITY, shipped_prices
from paretoken.prices.market.quality_flags import EXCLUDING, QUALITY_FLAGS, flagged
from tests.support.rentals import DAY, row, table


def caught(catalog, *rows):
    """The quality flags of each row."""
    return flagged(table(*rows), catalog)["flags"].to_list()


PLANTED = {
    "no-price": [row(usd=0.0)],
    "placeholder": [row(usd=999.0)],
    "spot-above-on-demand": [row(usd=3.0, term="spot"), row(usd=2.5)],
    "committed-as-on-demand": [row(usd=1.2), row(usd=1.2, term="3-year", date=DAY - timedelta(days=30))],
    "gpu-without-host": [row(source="list <https://cloud.google.com/compute/gpus-pricing>")],
    "wrong-memory": [row(accelerator="MI325X", form="OAM", memory_gb=192.0)],
    "outlier": [row(usd=20.0), *(row(provider=p, usd=2.0) for p in "bcdefg")],
    "repeated": [row(source="z"), row(source="y")],
    "doubted": [row(quality="suspect")],
    "form-unknown": [row(form="")],
    "zones-apart": [row(usd=10.0, region="x"), row(usd=1.9, region="y")],
}


def test_every_trap_is_planted():
    assert set(PLANTED) == {f.name for f in QUALITY_FLAGS}


@pytest.mark.parametrize("trap", PLANTED)
def test_a_trap_catches_its_row(catalog, trap):
    found = caught(catalog, *PLANTED[trap])
    assert any(trap in flags for flags in found), found
    kept = flagged(table(*PLANTED[trap]), catalog)
    assert kept.height == len(PLANTED[trap])
    hit = kept.filter(pl.col("flags").list.contains(trap))
    assert not hit["counts"].any() or trap not in EXCLUDING


SOUND = [
    row(),
    row(usd=1.5, term="spot"),
    row(usd=1.2, term="3-year"),
    row(accelerator="MI325X", form="OAM", memory_gb=256.0),
    row(accelerator="MI325X", form="OAM", memory_gb=288.0, provider="c"),
    row(accelerator="H100-NVL", form="", memory_gb=94.0),
    row(accelerator="B200", memory_gb=180.0, usd=3.0),
    row(accelerator="B200", memory_gb=192.0, usd=3.1, provider="b"),
]


def test_sound_rows_are_in_no_trap(catalog):
    assert caught(catalog, *SOUND) == [[]] * len(SOUND)


def test_nan_and_a_missing_price_are_no_price(catalog):
    assert caught(catalog, row(usd=float("nan")), row(usd=None)) == [["no-price"]] * 2


def test_a_commitment_in_words(catalog):
    assert caught(catalog, row(instance="H200 reserved 36 months"))[0] == ["committed-as-on-demand"]


def test_permuted_rows_change_nothing(catalog):
    rows = [r for rows in PLANTED.values() for r in rows if r["source"] not in ("z", "y")]
    key = [
        "provider",
        "accelerator",
        "term",
        "usd_per_gpu_h",
        "region",
        "source",
        "memory_gb",
        "quality",
        "instance",
        "form",
    ]
    whole = [flagged(table(*order), catalog).sort(key) for order in (rows, rows[::-1])]
    assert whole[0].select(*key, "flags").equals(whole[1].select(*key, "flags"), null_equal=True)


def test_the_shipped_book(book):
    assert book.height == shipped_prices().height == 3862
    assert book.select(pl.all_horizontal(pl.col("provider", "date", "source", "licence").is_not_null()).all()).item()
    assert book.unique(IDENTITY).height == book.height
    suspicious = book.filter(pl.col("flags").list.len() > 0)
    assert {"gpu-without-host", "outlier", "doubted", "form-unknown"} <= set(suspicious["flags"].explode())
