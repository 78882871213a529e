"""Prices of one's own and fetched ones: read, named, kept once, and every mistake one sentence."""

from __future__ import annotations

import json
from datetime import date
from types import SimpleNamespace

import polars as pl
import pytest

from paretoken.errors import BadConfig, BadFile, BadRows, NoData
from paretoken.prices.market.book import price_book, shipped_prices, write_prices
from paretoken.prices.market.fetch import fetch_prices
from paretoken.prices.market.importing import import_prices
from paretoken.prices.market.mapping import read_mapping
from paretoken.prices.market.quality_flags import flagged

TODAY = date(2026, 11, 24)
CSV = "provider,accelerator,term,price,date,currency,upfront_share\nme,H200 SXM,1 year,2.10,2026-11-01,USD,0.25\n"


def test_import_and_repeats(call, tmp_path):
    (tmp_path / "q.csv").write_text(CSV)
    code, out, _ = call("rent import q.csv --into mine --json")
    first = json.loads(out)
    assert (code, first["rows"], first["repeats"]) == (0, 1, 0)
    assert call("rent import q.csv --into mine")[1].startswith("0 prices, 1 already in the book")
    assert len(list((tmp_path / "mine").iterdir())) == 1
    stored = price_book([tmp_path / "mine"], shipped=False).row(0, named=True)
    assert (stored["accelerator"], stored["form"], stored["term"], stored["upfront_share"]) == (
        "H200",
        "SXM",
        "1-year",
        0.25,
    )
    code, out, _ = call("rent H200 --prices mine --term 1-year --json")
    assert json.loads(out)["cells"][0]["offers"][0]["usd_per_gpu_h"] == 2.10


def test_import_of_json_with_a_mapping(catalog, tmp_path):
    (tmp_path / "o.json").write_text(
        json.dumps({"offers": [{"cloud": "x", "gpu": "H100 PCIe", "kind": "pre", "eur": 2.0, "day": "2026-10-01"}]})
    )
    (tmp_path / "m.toml").write_text(
        '[columns]\nprovider = "cloud"\naccelerator = "gpu"\nterm = "kind"\nprice = "eur"\ndate = "day"\n'
        '[constants]\ncurrency = "EUR"\nlicence = "own"\n[terms]\npre = "spot"\n[rates]\nEUR = 1.1\n'
    )
    found = import_prices(tmp_path / "o.json", catalog, TODAY, read_mapping(tmp_path / "m.toml")).rows.row(
        0, named=True
    )
    assert (found["usd_per_gpu_h"], found["price"], found["currency"]) == (pytest.approx(2.2), 2.0, "EUR")
    assert (found["form"], found["term"], found["licence"], found["source"]) == ("PCIe", "spot", "own", "o.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("2.10", "-2"), "negative"),
        (("2.10", "cheap"), "not a number"),
        (("USD", "XXX"), "unknown currency"),
        (("USD", "EUR"), "has no rate"),
        (("2026-11-01", "2027-01-01"), "is in the future"),
        (("2026-11-01", "soon"), "not a date"),
        (("1 year", "ever"), "not a rental term"),
        (("0.25", "1.5"), "between 0 and 1"),
        (("0.25", "nan"), "not a finite number"),
        (("2.10", "inf"), "not a finite number"),
        (("me,", ","), "is missing"),
    ],
)
def test_a_bad_row_is_named_and_nothing_written(call, tmp_path, change, says):
    (tmp_path / "q.csv").write_text(CSV.replace(*change))
    code, out, err = call("rent import q.csv --into mine")
    assert (code, out) == (2, "") and says in err and "row 1" in err and err.count("\n") == 1
    assert not (tmp_path / "mine").exists() and "--keep-going" not in err


@pytest.mark.parametrize("count", ["nan", "inf"])
def test_a_count_is_a_finite_number(call, tmp_path, count):
    head, line = CSV.splitlines()
    (tmp_path / "q.csv").write_text(f"{head},count\n{line},{count}\n")
    code, _, err = call("rent import q.csv --into mine")
    assert code == 2 and f"column count: '{count}' is not a finite number" in err


def test_bad_files(catalog, tmp_path, call):
    for name, text, says in (
        ("h.csv", "cloud,gpu,usd\nx,H100,2\n", "has no column for provider"),
        ("e.csv", "", "not readable as CSV"),
        ("e.json", "[]", "has no prices"),
        ("b.json", "{", "not valid JSON"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadFile, match=says):
            import_prices(tmp_path / name, catalog, TODAY)
    assert "does not exist" in call("rent H100 --prices nowhere")[2]
    (tmp_path / "junk").mkdir()
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "junk" / "x.parquet")
    assert "not a file of prices" in call("rent H100 --prices junk")[2]
    (tmp_path / "m.toml").write_text("[colums]\n")
    with pytest.raises(BadConfig, match="columns"):
        read_mapping(tmp_path / "m.toml")


def test_a_zero_price_is_kept_and_flagged(call, tmp_path):
    (tmp_path / "q.csv").write_text(CSV.replace("2.10", "0"))
    code, out, err = call("rent import q.csv --into mine")
    assert code == 0 and "1 flagged" in out and "no-price" in err


def test_bad_rows_name_every_one(catalog, tmp_path):
    (tmp_path / "q.csv").write_text(
        CSV + CSV.splitlines()[1].replace("2.10", "-1") + "\nyou,H100,spot,x,2026-01-01,USD,0\n"
    )
    with pytest.raises(BadRows) as e:
        import_prices(tmp_path / "q.csv", catalog, TODAY)
    assert [x.row for x in e.value.errors] == [2, 3]


def test_shipped_rows_survive_a_round_trip(tmp_path):
    write_prices(shipped_prices().head(50), tmp_path / "p" / "x.parquet")
    assert price_book([tmp_path / "p"], shipped=False).height == 50
    assert price_book([tmp_path / "p"]).height == shipped_prices().height


def offer(**other):
    base = {
        "provider": "runpod",
        "location": "EU",
        "instance_name": "H100 SXM",
        "price": 16.0,
        "gpu_count": 8,
        "gpu_name": "H100",
        "gpu_memory": 80.0,
        "spot": False,
    }
    return SimpleNamespace(**base | other)


def test_fetched_offers_become_rows(catalog):
    found = fetch_prices(catalog, TODAY, lambda **_: [offer(), offer(spot=True, price=8.0), offer(gpu_count=0)])
    assert found.select("usd_per_gpu_h", "term", "form", "count").rows() == [
        (2.0, "on-demand", "SXM", 8),
        (1.0, "spot", "SXM", 8),
    ]
    with pytest.raises(NoData, match="no offer"):
        fetch_prices(catalog, TODAY, lambda **_: [])


@pytest.mark.parametrize(
    ("gpu_name", "gpu_memory", "instance_name", "accelerator"),
    [
        ("H100NVL", 94.0, "Standard_NC40ads_H100_v5", "H100-NVL"),
        ("H100", 94.0, "Standard_NC40ads_H100_v5", "H100-NVL"),
        ("H100", 94.0, "H100 NVL", "H100-NVL"),
        ("H100", 80.0, "H100 SXM", "H100"),
        ("MI325X", 288.0, "mi325x", "MI325X"),
        ("MI325X", 256.0, "mi325x", "MI325X"),
    ],
)
def test_memory_tells_apart_what_one_name_is_sold_with(catalog, gpu_name, gpu_memory, instance_name, accelerator):
    fetched = offer(gpu_name=gpu_name, gpu_memory=gpu_memory, instance_name=instance_name)
    book = flagged(fetch_prices(catalog, TODAY, lambda **_: [fetched]), catalog)
    assert (book["accelerator"].to_list(), book["counts"].to_list()) == ([accelerator], [True])


def test_offline_is_one_clear_sentence(catalog):
    def offline(**_):
        raise ConnectionError("Max retries exceeded\nmore lines")

    with pytest.raises(NoData, match="no offer could be fetched") as e:
        fetch_prices(catalog, TODAY, offline)
    assert "\n" not in str(e.value)


def test_without_gpuhunt_it_says_what_to_install(catalog, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gpuhunt", None)
    with pytest.raises(BadConfig, match=r"paretoken\[market\]"):
        fetch_prices(catalog, TODAY)


def test_gpuhunts_own_items_are_understood(catalog):
    gpuhunt = pytest.importorskip("gpuhunt")
    fields = dict.fromkeys(gpuhunt.CatalogItem.__dataclass_fields__)
    real = fields | {
        "instance_name": "mi325x",
        "location": "us",
        "price": 16.0,
        "gpu_count": 8,
        "gpu_name": "MI325X",
        "gpu_memory": 288.0,
        "spot": True,
        "provider": "vultr",
        "gpu_vendor": "amd",
    }
    found = fetch_prices(catalog, TODAY, lambda **_: [gpuhunt.CatalogItem(**real)])
    book = flagged(found, catalog)
    assert (book["flags"].to_list(), book["counts"].to_list()) == ([[]], [True]), "price lists say 288 GB of MI325X"
