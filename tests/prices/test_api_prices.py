"""API list prices: tiers, the blend of a task (worked by hand in docs/economics.md), the table and its mistakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadConfig, BadFile
from paretoken.prices.api_price import ApiPrice, TierPrice, own_price
from paretoken.prices.api_table import TIERS, api_prices
from paretoken.prices.self_host import ApiUse
from tests.support.patience import PATIENT

OFFICE = tuple(3.0 if 1 <= hour < 10 else 1.0 for hour in range(24))
DEEPSEEK = ApiPrice(
    model="m",
    provider="p",
    name="n",
    base=TierPrice(input=0.66, output=1.98, cached=0.022),
    peak=TierPrice(input=1.32, output=3.96, cached=0.044),
    peak_hours=((1, 4), (6, 10)),
    peak_days=5,
)
GOOGLE = ApiPrice(
    model="m",
    provider="p",
    name="n",
    base=TierPrice(input=0.07, output=0.25, cached=0.007),
    batch=TierPrice(input=0.035, output=0.125),
)
WRITTEN = ApiPrice(
    model="m", provider="p", name="n", base=TierPrice(input=0.3, output=1.2, cached=0.03, cache_write=0.375)
)


def test_the_worked_cases_of_the_docs():
    of = {"isl": 8000, "osl": 1000, "cached_share": 0.6}
    assert DEEPSEEK.base.usd_per_mtok(**of) == pytest.approx(0.4664, abs=5e-5)
    assert DEEPSEEK.peak_share() == pytest.approx(0.2083, abs=5e-5)
    assert DEEPSEEK.usd_per_mtok(**of) == pytest.approx(0.5636, abs=5e-5)
    assert DEEPSEEK.peak_share(OFFICE) == pytest.approx(0.3571, abs=5e-5)
    assert DEEPSEEK.usd_per_mtok(**of, day=OFFICE) == pytest.approx(0.6330, abs=5e-5)
    assert GOOGLE.usd_per_mtok(**of) == pytest.approx(0.0564, abs=5e-5)
    assert GOOGLE.usd_per_mtok(**of, batch_share=0.3) == pytest.approx(0.0530, abs=5e-5)
    assert WRITTEN.usd_per_mtok(**of) == pytest.approx(0.2560, abs=5e-5)
    assert WRITTEN.usd_per_mtok(**of, cache_write_share=0.4) == pytest.approx(0.2827, abs=5e-5)


def test_what_can_wait_is_sent_off_peak_where_there_is_no_batch_tier():
    of = {"isl": 8000, "osl": 1000, "cached_share": 0.6}
    assert DEEPSEEK.usd_per_mtok(**of, batch_share=1) == DEEPSEEK.base.usd_per_mtok(**of)
    assert DEEPSEEK.usd_per_mtok(**of, batch_share=0.3, day=OFFICE) == pytest.approx(0.5830, abs=5e-5)
    dear_nights = replace(DEEPSEEK, base=DEEPSEEK.peak, peak=DEEPSEEK.base)
    assert dear_nights.usd_per_mtok(1, 1, batch_share=1) == dear_nights.usd_per_mtok(1, 1)


def test_a_provider_without_tiers_bills_one_price():
    assert GOOGLE.usd_per_mtok(1, 1, day=OFFICE) == GOOGLE.usd_per_mtok(1, 1)
    assert WRITTEN.usd_per_mtok(1, 1, batch_share=1) == WRITTEN.usd_per_mtok(1, 1)


def test_each_tier_alone():
    assert list(DEEPSEEK.by_tier()) == ["off-peak", "peak"] and list(GOOGLE.by_tier()) == ["standard", "batch"]
    assert DEEPSEEK.by_tier()["peak"].usd_per_mtok(0, 1) == 3.96
    assert (DEEPSEEK.tier, GOOGLE.tier) == ("peak/off-peak", "standard")


share = st.floats(0, 1)


@settings(PATIENT)
@given(share, share, st.lists(st.floats(0.1, 9), min_size=24, max_size=24).map(tuple))
def test_a_blend_lies_between_its_tiers(cached, batch, day):
    price = ApiPrice(
        model="m",
        provider="p",
        name="n",
        base=DEEPSEEK.base,
        peak=DEEPSEEK.peak,
        peak_hours=DEEPSEEK.peak_hours,
        batch=TierPrice(input=0.3, output=0.9, cached=0.01),
    )
    alone = [p.usd_per_mtok(800, 100, cached) for p in price.by_tier().values()]
    blend = price.usd_per_mtok(800, 100, cached, batch_share=batch, day=day)
    assert min(alone) * (1 - 1e-9) <= blend <= max(alone) * (1 + 1e-9)


def test_shares_that_cannot_be():
    with pytest.raises(BadConfig, match="can wait is 2"):
        ApiUse(isl=1, osl=1, batch_share=2)
    with pytest.raises(BadConfig, match="together they must be at most 1"):
        ApiUse(isl=1, osl=1, cached_share=0.6, cache_write_share=0.6)
    with pytest.raises(BadConfig):
        own_price("m", float("nan"), 1)


def test_shipped_prices(catalog):
    prices = api_prices()
    assert len(prices) > 100 and all(p.model in catalog.models for p in prices)
    tiers = [t for p in prices for t in (p.base, p.peak, p.batch) if t]
    assert all(t.source and t.licence and t.collected >= "2026-11-30" for t in tiers)
    assert all(t.valid_from < t.collected for t in tiers) and any(t.valid_from for t in tiers)
    assert {"llama-3-70b", "deepseek-r1", "gpt-oss-120b"} <= {p.model for p in prices}
    assert {p.provider for p in prices if p.maker} == {"alibaba", "deepseek", "minimax", "moonshotai", "zai"}
    assert sum(p.batch is not None for p in prices) > 15 and sum(p.base.cache_write is not None for p in prices) >= 3
    assert all(p.batch.input < p.base.input for p in prices if p.batch)


def test_the_makers_price_by_time_of_day():
    (price,) = (p for p in api_prices() if p.maker and p.model == "deepseek-v4-pro")
    assert (price.base.input, price.base.output, price.base.cached) == (0.66, 1.98, 0.022)
    assert (price.peak.input, price.peak.output, price.peak.cached) == (1.32, 3.96, 0.044)
    assert (price.peak_hours, price.peak_days, price.valid_from) == (((1, 4), (6, 10)), 5, "2026-08-17")


HEAD = "model,provider,name,tier,input_usd_per_mtok,output_usd_per_mtok,valid_from,peak_hours_utc,peak_days_a_week\n"


def read(tmp_path, text, on=None):
    (tmp_path / "p.csv").write_text(text)
    return api_prices(tmp_path / "p.csv", on)


def test_a_list_with_peak_hours_replaces_a_flat_one(tmp_path):
    rows = "m,p,n,standard,4,4,,,\nm,p,n,off-peak,1,1,2026-08-17,,\nm,p,n,peak,2,2,2026-08-17,22:30-1,5\n"
    rows += "m,p,n,batch,.5,1,,,\n"
    (now,) = read(tmp_path, HEAD + rows)
    assert (now.base.input, now.peak.input, now.batch.input) == (1, 2, 0.5)
    assert now.peak_hours == ((22.5, 1.0),) and now.peak_share() == pytest.approx(5 / 7 * 2.5 / 24)
    (before,) = read(tmp_path, HEAD + rows, date(2026, 8, 16))
    assert (before.base.input, before.peak, before.batch.input) == (4, None, 0.5)
    assert read(tmp_path, HEAD + "m,p,n,standard,4,4,2027-01-01,,\n", date(2026, 12, 31)) == []


def test_a_table_of_the_old_form(tmp_path):
    head = "model,provider,input_usd_per_mtok,output_usd_per_mtok,cached_usd_per_mtok,date\n"
    one, other = read(tmp_path, head + "m,p,1,2,0.5,2026-01-02\nm,p,3,4,,\n")
    assert (one.name, one.base.cached, one.valid_from, one.base.source) == ("m", 0.5, "2026-01-02", "p.csv")
    assert (other.base.input, other.base.cached, other.maker) == (3, None, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "need a header"),
        (HEAD + "m,p,n,,x,1,,,\n", "not a number"),
        (HEAD + "m,p,n\n", "not a number"),
        (HEAD + "m,p,n,,-1,1,,,\n", "0 or more"),
        (HEAD + "m,p,n,night,1,1,,,\n", "is unknown; use " + ", ".join(TIERS)),
        (HEAD + "m,p,n,,1,1,last May,,\n", "is not a day"),
        (HEAD + "m,p,n,batch,1,1,,,\n", "no price of live requests"),
        (HEAD + "m,p,n,peak,1,1,,1-4,\n", "no off-peak price beside it"),
        (HEAD + "m,p,n,standard,1,1,,,\nm,p,n,standard,2,2,,,\n", "stated twice"),
        (HEAD + "m,p,n,off-peak,1,1,,,\nm,p,n,peak,1,1,,noon,\n", "not a list of hours"),
        (HEAD + "m,p,n,off-peak,1,1,,,\nm,p,n,peak,1,1,,,\n", "not a list of hours"),
        (HEAD + "m,p,n,off-peak,1,1,,,\nm,p,n,peak,1,1,,1-25,\n", "not a list of hours"),
        (HEAD + "m,p,n,off-peak,1,1,,,\nm,p,n,peak,1,1,,1-4,8\n", "from 1 to 7"),
    ],
)
def test_bad_tables(tmp_path, text, says):
    with pytest.raises(BadFile, match=says):
        read(tmp_path, text)
