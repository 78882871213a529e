"""The price book: quality flags, one by one; cells, index, term structure; the verbs."""

from __future__ import annotations

import json
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.answers.market import MarketQuestion, rental_prices
from paretoken.errors import BadConfig, UnknownName
from paretoken.prices import finance
from paretoken.prices.market.book import IDENTITY, SCHEMA, shipped_prices
from paretoken.prices.market.cells import availability, cell_at, vendors_offered
from paretoken.prices.market.history import basket, index_of
from paretoken.prices.market.names import accelerator_of
from paretoken.prices.market.quality_flags import EXCLUDING, QUALITY_FLAGS, flagged
from paretoken.prices.market.structure import forward_curve, forward_rent, forwards, levelled, ratios, term_rents
from paretoken.prices.market.terms import term_of
from tests.support.patience import PATIENT

DAY = date(2026, 8, 22)
TODAY = date(2026, 11, 24)


def row(provider="a", usd=2.0, **other):
    """A sound price, with what is given changed."""
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
    return sound | other


def table(*rows):
    return pl.DataFrame(list(rows), schema=SCHEMA)


def caught(catalog, *rows):
    """The quality flags of each row."""
    return flagged(table(*rows), catalog)["flags"].to_list()


@pytest.fixture(scope="module")
def book(catalog):
    return rental_prices()


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


@settings(PATIENT)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0.5, 9)), min_size=1, max_size=20), st.randoms())
def test_a_cell_does_not_depend_on_the_order(offers, random):
    from paretoken.catalog.loader import load_catalog

    rows = [row(provider=p, usd=x, instance=str(i)) for i, (p, x) in enumerate(offers)]
    shuffled = random.sample(rows, len(rows))
    cells = [cell_at(flagged(table(*r), load_catalog()), "H200", "on-demand", DAY) for r in (rows, shuffled)]
    assert [(c.median_usd_per_gpu_h, c.q1, c.q3, c.providers, c.rows) for c in cells[:1]] == [
        (c.median_usd_per_gpu_h, c.q1, c.q3, c.providers, c.rows) for c in cells[1:]
    ]


def test_median_of_provider_medians(catalog):
    """Many rows of one provider weigh as one."""
    rows = [row("a", 5.0, instance=str(i)) for i in range(7)] + [row("b", 2.0), row("c", 3.0)]
    found = cell_at(flagged(table(*rows), catalog), "H200", "on-demand", DAY)
    assert (found.median_usd_per_gpu_h, found.providers, found.rows, found.q1, found.q3) == (3.0, 3, 9, 2.5, 4.0)


def test_too_few_shows_rows_and_no_median(catalog):
    found = cell_at(flagged(table(row("a", 2.0), row("b", 4.0)), catalog), "H200", "on-demand", DAY)
    assert (
        found.too_few and found.median_usd_per_gpu_h is None and [o.usd_per_gpu_h for o in found.offers] == [2.0, 4.0]
    )
    assert found.indication == 3.0 and "too few" in found.evidence


def test_staleness_window_and_latest_day(catalog):
    rows = [row(p, x, date=d) for p, x, d in (("a", 5.0, DAY - timedelta(days=170)), ("a", 2.0, DAY), ("b", 3.0, DAY))]
    rows += [row("c", 4.0), row("d", 99.0, date=DAY - timedelta(days=200))]
    found = cell_at(flagged(table(*rows), catalog), "H200", "on-demand", DAY)
    assert (found.median_usd_per_gpu_h, found.providers, found.age_days, found.stale) == (3.0, 3, 0, False)
    later = cell_at(flagged(table(*rows), catalog), "H200", "on-demand", DAY + timedelta(days=91))
    assert later.stale and later.age_days == 91
    assert (
        cell_at(flagged(table(*rows), catalog), "H200", "on-demand", DAY + timedelta(days=300)).evidence == "no price"
    )


def test_pcie_and_nvl_stay_out_unless_asked(catalog):
    rows = [row(p, 2.0) for p in "abc"] + [row(p, 9.0, form="NVL") for p in "def"]
    marked = flagged(table(*rows), catalog)
    assert cell_at(marked, "H200", "on-demand", DAY).providers == 3
    assert cell_at(marked, "H200", "on-demand", DAY, forms=("NVL",)).median_usd_per_gpu_h == 9.0


def test_the_index_holds_the_mix_fixed(catalog):
    """Nobody changes a price, a dear provider joins: the median moves, the chain does not."""
    days = [date(2026, 2, 1), date(2026, 5, 1), date(2026, 8, 1)]
    rows = [row(p, x, date=d) for d in days for p, x in (("a", 2.0), ("b", 3.0), ("c", 4.0))]
    rows += [row(p, 12.0, date=days[1]) for p in ("x", "y")]
    periods = index_of(flagged(table(*rows), catalog), "H200")
    assert [p.median for p in periods] == [3.0, 4.0, 3.0]
    assert [p.index for p in periods] == [3.0, 3.0, 3.0]
    assert periods[1].entered == ("x", "y") and periods[2].left == ("x", "y")
    assert periods[1].from_mix == pytest.approx(1 / 3)
    assert [x for _, x in basket(flagged(table(*rows), catalog), "H200", ["a", "x"])] == [
        None,
        pytest.approx(24**0.5),
        None,
    ]


def test_the_index_follows_a_price_cut(catalog):
    rows = [
        row(p, x * f, date=d)
        for d, f in ((date(2026, 2, 1), 1), (date(2026, 5, 1), 0.7))
        for p, x in (("a", 2.0), ("b", 3.0), ("c", 4.0))
    ]
    rows += [row("d", 9.0, date=date(2026, 5, 1))]
    before, after = index_of(flagged(table(*rows), catalog), "H200")
    assert after.index == after.median == pytest.approx((2.1 + 2.8) / 2) and after.linked == 3
    assert before.index == pytest.approx(after.median / 0.7)


def test_quarters_and_links_of_too_few_providers_are_not_shown(catalog):
    """A quarter of two has no median, and a link of two no weight: the chain breaks and each part ends at a median."""
    quarters = {date(2025, 11, 1): "abcd", date(2026, 2, 1): "ab", date(2026, 5, 1): "abcx", date(2026, 8, 1): "bxyz"}
    rows = [row(p, 2.0 + i + ord(p) % 5, date=d) for i, (d, who) in enumerate(quarters.items()) for p in who]
    first, thin, third, last = index_of(flagged(table(*rows), catalog), "H200")
    assert (thin.median, thin.q1, thin.index, thin.link, thin.linked, thin.providers) == (None, None, None, None, 0, 2)
    assert third.linked == 3 and third.index == third.median
    assert first.index == pytest.approx(third.median / third.link)
    assert (last.link, last.linked, last.from_mix, last.index) == (None, 0, None, last.median)


def test_a_chain_of_the_shipped_prices_ends_at_the_medians_of_the_market(book):
    for name in ("H100", "H200", "B200", "MI300X"):
        assert index_of(book, name)[-1].index == cell_at(book, name, "on-demand", TODAY).median_usd_per_gpu_h


def test_ratios_of_the_shipped_data(book):
    """The same seller on the same day, as others computed them from the same rows."""
    by_term = {r.term: r.by_provider for r in ratios(book)}
    assert by_term["1-year"]["aws"] == pytest.approx(0.585, abs=1e-3)
    assert by_term["3-year"]["aws"] == pytest.approx(0.354, abs=1e-3)
    assert by_term["1-year"]["gcp"] == pytest.approx(0.697, abs=2e-3)
    assert by_term["3-year"]["gcp"] == pytest.approx(0.450, abs=1e-3)
    recent = {r.term: r.by_provider for r in ratios(book, ["H100-NVL"], date(2025, 1, 1))}
    assert recent["1-year"]["azure"] == pytest.approx(0.832, abs=1e-3)


def test_forward_rents():
    assert forward_rent(12, 2.0, 36, 1.5) == pytest.approx((36 * 1.5 - 12 * 2) / 24)
    with pytest.raises(BadConfig):
        forward_rent(12, 2, 12, 2)
    with pytest.raises(BadConfig):
        forward_curve({}, 12)
    curve = forward_curve({"on-demand": 3.0, "1-year": 2.4, "3-year": 1.8}, 48)
    assert len(curve) == 48 and curve[0] == 3.0
    assert sum(curve[:12]) == pytest.approx(12 * 2.4) and sum(curve[:36]) == pytest.approx(36 * 1.8)
    assert curve[36:] == [curve[35]] * 12


@settings(PATIENT)
@given(
    st.dictionaries(
        st.sampled_from(["on-demand", "1-month", "1-year", "2-year", "3-year", "5-year"]), st.floats(0.5, 9), min_size=1
    ),
    st.integers(1, 72),
)
def test_a_forward_curve_reprices_its_terms(rents, months):
    from paretoken.prices.market.terms import TERMS

    rents.pop("on-demand", None) if "1-month" in rents else None
    curve = forward_curve(rents, 60) if rents else []
    for term, rent in rents.items():
        n = int(max(TERMS[term].months, 1))
        assert sum(curve[:n]) == pytest.approx(n * rent)


def test_availability_and_the_handful(book, catalog):
    offered = availability(book, TODAY)
    counts = dict(offered.select("accelerator", "any").iter_rows())
    assert counts["H100"] > 20 and counts["MI300X"] < 6
    vendors = vendors_offered(book, {k: a.vendor for k, a in catalog.accelerators.items()}, TODAY)
    assert vendors["NVIDIA"] > 4 * vendors["AMD"]


def test_the_shipped_book(book):
    assert book.height == shipped_prices().height == 3768
    assert book.select(pl.all_horizontal(pl.col("provider", "date", "source", "licence").is_not_null()).all()).item()
    assert book.unique(IDENTITY).height == book.height
    suspicious = book.filter(pl.col("flags").list.len() > 0)
    assert {"gpu-without-host", "outlier", "doubted", "form-unknown"} <= set(suspicious["flags"].explode())


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("reserved-1y", "1-year"),
        ("36 months", "3-year"),
        ("On Demand", "on-demand"),
        ("on_demand", "on-demand"),
        ("spot", "spot"),
        ("interruptible", "spot"),
        ("1 month", "1-month"),
        ("6mo", "3-6-month"),
        ("on-demand or spot", "on-demand or spot"),
        ("5yr", "5-year"),
        ("serverless", "serverless"),
        ("24-month", "2-year"),
    ],
)
def test_terms_as_written(text, term):
    assert term_of(text) == term


def test_a_term_nobody_knows():
    with pytest.raises(UnknownName, match="rental term"):
        term_of("forever")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A100-80GB-PCIe", ("A100", "PCIe", 80.0)),
        ("A100-40GB", ("A100-40GB", "", 40.0)),
        ("H100 (form unspecified)", ("H100", "", None)),
        ("H200-NVL", ("H200", "NVL", None)),
        ("H100 NVL", ("H100-NVL", "", None)),
        ("H100NVL", ("H100-NVL", "", None)),
        ("NVIDIA H100-NVL-94GB", ("H100-NVL", "", 94.0)),
        ("B200 NVL", ("B200", "NVL", None)),
        ("RTX PRO 6000", ("RTX-PRO-6000", "", None)),
        ("L4 PCIe", ("L4", "", None)),
        ("NVIDIA-GB200-NVL72", ("GB200", "NVL72", None)),
        ("NVIDIA H100 SXM5 80GB", ("H100", "SXM", 80.0)),
        ("mi300x", ("MI300X", "OAM", None)),
        ("AMD Instinct MI325X", ("MI325X", "OAM", None)),
        ("TPU v5e", ("TPUv5e", "", None)),
        ("Cerebras", ("Cerebras", "", None)),
    ],
)
def test_names_as_written(catalog, text, found):
    assert accelerator_of(text, catalog) == found


CHAT = "--model llama-3-70b --precision fp8 --workload chat --accelerator MI300X --against H200"


@pytest.mark.parametrize(
    "line",
    [
        "rent",
        "rent --json",
        "rent H200",
        "rent H200 --json",
        "rent MI325X",
        "rent H100 --history",
        "rent H100 --history --basket lambda --json",
        "rent --flagged",
        "rent A100 --form PCIe",
        "rent --at 2025-03-20 --term 1-year",
        "tco",
        "tco --explain --accelerator H200",
        "tco --explain --accelerator H200 --json",
        "tco --tornado --operator enterprise",
        "tco --tornado --json",
        "tco --monte-carlo 500",
        f"breakeven {CHAT} --market",
        f"breakeven {CHAT} --market --json",
        f"breakeven {CHAT} --tco neocloud",
        f"breakeven {CHAT} --tco enterprise --json",
        f"breakeven {CHAT} --market --rent 2.5 --term 1-year",
        f"breakeven {CHAT} --rent 2.5 --switching-cost 100 --json",
    ],
)
def test_verbs_run(call, line):
    code, out, err = call(line)
    assert (code, err) == (0, "")
    assert json.loads(out) if "--json" in line else len(out.splitlines()) > 3


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("rent H1000", "H100"),
        ("rent H100 --term on-deman", "on-demand"),
        ("rent H100 --at 2030-01-01", "is in the future"),
        ("rent H100 --at soon", "not a date"),
        ("rent --history", "needs one accelerator"),
        ("rent VR200 --history", "no on-demand price"),
        ("rent import none.csv", "does not exist"),
        ("tco --accelerator H2000", "H200"),
        ("tco --set none.toml", "does not exist"),
        ("tco --monte-carlo 0", "1 or more"),
        ("tco --tornado --explain", "use one of them"),
        (
            "tco --monte-carlo 9 --model deepseek-r1 --precision fp8 --workload chat --interactivity 40 "
            "--against h200 --rent -2",
            "above 0",
        ),
        ("tco --monte-carlo 10 --e2e 9", "needs a model"),
        ("tco --monte-carlo 10 --ttft p50=1s", "needs a model"),
        ("tco --accelerator TPU7x", "no capital cost"),
        (f"breakeven {CHAT}", "--rent, --market or --tco"),
        (f"breakeven {CHAT} --term 1-year --rent 2", "give --market too"),
        (f"breakeven {CHAT} --market --term 5-year", "no market price"),
        (f"breakeven {CHAT} --tco neocloud --rent 2", "give one basis"),
        (f"breakeven {CHAT} --rent 2 --switching-cost -1", "0 USD or more"),
    ],
)
def test_mistakes_are_one_sentence(call, line, says):
    code, out, err = call(line)
    assert (code, out) == (2, "") and says in err and err.startswith("error: ") and err.count("\n") == 1


def test_breakeven_against_the_market_agrees_with_the_plain_one(call):
    market = json.loads(call(f"breakeven {CHAT} --market --term on-demand --json")[1])
    term = market["terms"][0]
    plain = json.loads(call(f"breakeven {CHAT} --rent {term['against_usd_per_gpu_h']} --json")[1])["points"]
    assert [r["break_even_usd_per_gpu_h"] for r in plain] == pytest.approx(term["break_even_usd_per_gpu_h"])
    low, high = term["spread_usd_per_gpu_h"]
    sound = [r["break_even_usd_per_gpu_h"] for r in plain if not r["withheld"] and not r["data_end"]]
    assert low == pytest.approx(term["market_usd_per_gpu_h"] - max(sound)) and low < high
    assert len(sound) < len(plain)


def test_break_even_is_reciprocal_over_the_market(call):
    there = json.loads(call(f"breakeven {CHAT} --rent 2.5 --json")[1])["points"]
    back = CHAT.replace("MI300X", "X").replace("H200", "MI300X").replace("X --against MI300X", "H200 --against MI300X")
    for r in there[:: len(there) // 5]:
        rows = json.loads(call(f"breakeven {back} --rent {r['break_even_usd_per_gpu_h']} --json")[1])["points"]
        same = next(x for x in rows if x["value"] == pytest.approx(r["value"]))
        assert same["break_even_usd_per_gpu_h"] == pytest.approx(2.5)


def test_a_rent_paid_upfront_costs_more_at_a_cost_of_capital(catalog):
    rows = [
        row(term="3-year", upfront_share=0.25),
        row(provider="b", term="3-year"),
        row(provider="c", upfront_share=0.5),
    ]
    book = levelled(flagged(table(*rows), catalog), 0.12)
    paid = finance.level_rent(2.0, 0.25, 0.12, 36)
    assert book["usd_per_gpu_h"].to_list() == pytest.approx([paid, 2.0, 2.0]) and paid > 2.05
    assert levelled(flagged(table(*rows), catalog), 0.0)["usd_per_gpu_h"].to_list() == [2.0] * 3
    with pytest.raises(BadConfig, match="cost of capital"):
        rental_prices(MarketQuestion(cost_of_capital=4.0))


def test_rents_of_rare_terms_come_from_the_ratios(book):
    rents = term_rents(book, "H100", TODAY)
    ratio = {r.term: r.ratio for r in ratios(book, None, TODAY - timedelta(days=730), TODAY)}
    assert rents["1-year"][0] == pytest.approx(rents["on-demand"][0] * ratio["1-year"])
    assert "ratio at" in rents["3-year"][1] and "providers" in rents["on-demand"][1]
    assert term_rents(book, "MI355X", TODAY) == {}
    ahead = forwards(rents)
    assert [f.term for f in ahead] == ["on-demand", "1-year", "3-year"]
    assert sum(
        f.forward_usd * (f.months - before) for f, before in zip(ahead, (0, 1, 12), strict=True)
    ) == pytest.approx(36 * rents["3-year"][0])


def test_own_or_rent_verb(call):
    rows = {r["accelerator"]: r for r in json.loads(call("tco --or-rent --needed 0.6 --json")[1])}
    assert rows["MI355X"]["own_or_rent"] is None and "no market price" in rows["MI355X"]["basis"]
    assert rows["H200"]["own_or_rent"]["needed_share"] == 0.6 and "forward rents of" in rows["H200"]["basis"]
    flat = json.loads(call("tco --accelerator H200 --set h200-2025 --or-rent --rent 2 --json")[1])[0]["own_or_rent"]
    assert flat["break_even_share"] == pytest.approx(0.8291, abs=1e-4)
    code, _, err = call("tco --or-rent --needed 2")
    assert code == 2 and "share of hours" in err
