"""Price lists as clouds and their collectors publish them: recognised, per GPU-hour, every term, nothing else."""

from __future__ import annotations

import json
from datetime import date

import pytest

from paretoken.errors import BadFile, BadRows
from paretoken.prices.market.importing import import_prices
from paretoken.prices.market.mapping import ColumnMapping
from paretoken.prices.market.quality_flags import flagged

TODAY = date(2026, 11, 24)
DATED = ColumnMapping(constants={"date": "2026-11-01"})


def azure_item(**changes):
    return {
        "currencyCode": "USD",
        "retailPrice": 80.0,
        "armRegionName": "eastus",
        "meterName": "ND96isrH100v5",
        "productName": "Virtual Machines NDsr H100 v5 Series",
        "skuName": "ND96isrH100v5",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "armSkuName": "Standard_ND96isr_H100_v5",
    } | changes


AZURE = {
    "BillingCurrency": "USD",
    "Items": [
        azure_item(savingsPlan=[{"term": "1 Year", "retailPrice": 56.0}, {"term": "3 Years", "retailPrice": 40.0}]),
        azure_item(productName="Virtual Machines NDsr H100 v5 Series Windows", retailPrice=90.0),
        azure_item(skuName="ND96isrH100v5 Low Priority", retailPrice=9.0),
        azure_item(skuName="ND96isrH100v5 Spot", meterName="ND96isrH100v5 Spot", retailPrice=16.0),
        azure_item(type="Reservation", reservationTerm="1 Year", retailPrice=8760 * 48.0),
        azure_item(type="DevTestConsumption", retailPrice=70.0),
        azure_item(armSkuName="Standard_D2s_v5", retailPrice=0.1),
        azure_item(armSkuName="Standard_NC40ads_H100_v5", retailPrice=7.0),
        azure_item(armSkuName="Standard_ND96isr_MI300X_v5", retailPrice=48.0),
        azure_item(armSkuName="Standard_ND128isr_NDR_GB200_v6", retailPrice=100.0),
    ],
    "NextPageLink": None,
    "Count": 10,
}
EC2 = [
    {
        "instance_type": "p5.48xlarge",
        "GPU": 8,
        "GPU_model": "NVIDIA H100",
        "GPU_memory": 640,
        "pricing": {
            "us-east-1": {
                "linux": {
                    "ondemand": "55.2",
                    "spot_avg": "24.0",
                    "spot_min": "1.0",
                    "reserved": {
                        "yrTerm1Standard.noUpfront": "44.0",
                        "yrTerm3Savings.allUpfront": "24.0",
                        "yrTerm3Savings.partialUpfront": "25.6",
                        "yrTerm1Convertible.noUpfront": "46.0",
                    },
                },
                "mswin": {"ondemand": "70.0", "reserved": {}},
            }
        },
    },
    {"instance_type": "m5.large", "GPU": 0, "GPU_model": None, "pricing": {"us-east-1": {"linux": {"ondemand": "1"}}}},
    {"instance_type": "inf1.xlarge", "GPU": 1, "GPU_model": "AWS Inferentia", "pricing": {}},
]
GCOSTS = """
about: {timestamp: 1794528000, generated: x}
compute:
  instance:
    a3-megagpu-8g:
      cost:
        us-east4: {hour: 88.0, hour_spot: 24.0, month: 64240.0, month_1y: 46720.0, month_3y: 29200.0, month_spot: 1}
      cpu: 208
      h100-80gb-mega: 8
      local-ssd: 6000
      ram: 1872
    a2-ultragpu-1g: {cost: {us-east4: {hour: 5.0}}, cpu: 12, a100-80gb: 1, ram: 170}
    c2-standard-16: {cost: {us-east4: {hour: 0.9}}, cpu: 16, ram: 64}
"""
SKYPILOT = """InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice
cpu-4,,0,4,16,0.1,eu-north1,,
gpu-h200-sxm_8gpu-128vcpu-1600gb,H200,8,128,1600,28.0,eu-north1,"{'Gpus': [{'MemoryInfo': {'SizeInMiB': 144384}}]}",12.0
,H100-MEGA-80GB,8,,,70.0,us-east4,,
"""


def rows(catalog, tmp_path, name, content, mapping=DATED):
    file = tmp_path / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return flagged(import_prices(file, catalog, TODAY, mapping).rows, catalog)


def by_term(book, accelerator):
    cells = book.filter(book["accelerator"] == accelerator).sort("term", "usd_per_gpu_h")
    return cells.select("term", "usd_per_gpu_h").rows()


def test_azure(catalog, tmp_path):
    book = rows(catalog, tmp_path, "azure.json", AZURE)
    assert by_term(book, "H100") == [
        ("1-year", 6.0),
        ("1-year", 7.0),
        ("3-year", 5.0),
        ("on-demand", 10.0),
        ("spot", 2.0),
    ]
    assert by_term(book, "H100-NVL") == [("on-demand", 7.0)] and by_term(book, "MI300X") == [("on-demand", 6.0)]
    assert by_term(book, "GB200") == [("on-demand", 25.0)]
    assert not any(book["flags"].to_list()) and set(book["date"]) == {date(2026, 11, 1)}
    pages = rows(catalog, tmp_path, "pages.json", AZURE["Items"])
    assert pages.height == book.height


def test_an_azure_price_counts_from_its_first_day(catalog, tmp_path):
    """Of one meter the newest price that has begun; one of next month does not count."""
    prices = [("2025-01-01", 88.0), ("2026-10-01", 80.0), ("2026-12-01", 72.0)]
    items = [azure_item(meterId="m", effectiveStartDate=f"{day}T00:00:00Z", retailPrice=usd) for day, usd in prices]
    items += [azure_item(meterId="m", effectiveStartDate="2026-11-01T00:00:00Z", skuName="ND96isrH100v5 Spot")]
    book = rows(catalog, tmp_path, "azure.json", {"Items": items})
    assert by_term(book, "H100") == [("on-demand", 10.0), ("spot", 10.0)]
    with pytest.raises(BadFile, match="has no price of an accelerator"):
        rows(catalog, tmp_path, "azure.json", {"Items": items[2:3]})


def test_what_azure_leaves_out_is_counted_and_a_page_says_that_it_is_one(call, tmp_path):
    later = azure_item(effectiveStartDate="2027-01-01T00:00:00Z", retailPrice=10.0)
    page = AZURE | {"Items": [*AZURE["Items"], later], "NextPageLink": "https://prices.azure.com:443/next?$skip=100"}
    (tmp_path / "azure.json").write_text(json.dumps(page))
    code, out, err = call("rent import azure.json --date 2026-11-01 --into mine")
    assert code == 0 and out.startswith("8 prices (azure-retail)")
    assert err.splitlines() == [
        "left out: 1 Low Priority, 1 Windows, 1 of type DevTestConsumption without a usable price",
        "the file is one page of the list; the next is at https://prices.azure.com:443/next?$skip=100",
        "left out: 1 price not in force on the day of the list",
    ]
    (tmp_path / "all.json").write_text(json.dumps([azure_item()]))
    assert call("rent import all.json --date 2026-11-01 --into other")[2] == ""


def test_ec2instances(catalog, tmp_path):
    book = rows(catalog, tmp_path, "instances.json", EC2)
    assert book.sort("usd_per_gpu_h").select("term", "upfront_share", "usd_per_gpu_h", "form", "memory_gb").rows() == [
        ("spot", 0.0, 3.0, "SXM", 80.0),
        ("3-year", 1.0, 3.0, "SXM", 80.0),
        ("3-year", 0.5, 3.2, "SXM", 80.0),
        ("1-year", 0.0, 5.5, "SXM", 80.0),
        ("on-demand", 0.0, 6.9, "SXM", 80.0),
    ]
    assert not any(book["flags"].to_list())


def test_gcosts_states_its_day(catalog, tmp_path):
    book = rows(catalog, tmp_path, "pricing.yml", GCOSTS, ColumnMapping())
    assert by_term(book, "H100") == [("1-year", 8.0), ("3-year", 5.0), ("on-demand", 11.0), ("spot", 3.0)]
    assert by_term(book, "A100") == [("on-demand", 5.0)]
    assert set(book["date"]) == {date(2026, 11, 13)}


def test_skypilot(catalog, tmp_path):
    stated = ColumnMapping(constants={"date": "2026-11-01", "provider": "nebius"})
    book = rows(catalog, tmp_path, "vms.csv", SKYPILOT, stated)
    assert by_term(book, "H200") == [("on-demand", 3.5), ("spot", 1.5)]
    gpu_only = book.filter(book["accelerator"] == "H100").row(0, named=True)
    assert "gpu-without-host" in gpu_only["flags"] and not gpu_only["counts"]
    assert book.filter(book["accelerator"] == "H200")["counts"].all()


@pytest.mark.parametrize(
    ("name", "content", "mapping", "says"),
    [
        ("azure.json", AZURE, ColumnMapping(), "give --date"),
        ("vms.csv", SKYPILOT, ColumnMapping(), "give --date and --provider"),
        ("azure.json", {"Items": [azure_item(armSkuName="Standard_D2s_v5")]}, DATED, "has no price of an accelerator"),
        ("empty.json", {}, DATED, "expected a CSV with a header, a JSON list of objects, or one of: Azure"),
        ("pricing.yml", "about: [", DATED, "not valid YAML"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(catalog, tmp_path, name, content, mapping, says):
    with pytest.raises(BadFile, match=says):
        rows(catalog, tmp_path, name, content, mapping)


def test_prices_in_another_currency_need_a_rate(catalog, tmp_path):
    china = json.loads(json.dumps(EC2).replace("us-east-1", "cn-north-1"))
    with pytest.raises(BadRows, match="USD per CNY under"):
        rows(catalog, tmp_path, "cn.json", china)
    book = rows(catalog, tmp_path, "cn.json", china, DATED.model_copy(update={"rates": {"CNY": 0.5}}))
    assert book["usd_per_gpu_h"].max() == pytest.approx(3.45)


def test_the_verb_names_the_form_and_what_is_missing(call, tmp_path):
    (tmp_path / "azure.json").write_text(json.dumps(AZURE))
    assert "give --date" in call("rent import azure.json --into mine")[2]
    code, out, _ = call("rent import azure.json --date 2026-11-01 --into mine")
    assert code == 0 and out.startswith("8 prices (azure-retail), 0 already in the book, 0 flagged")
    assert "already in the book" in call("rent import azure.json --date 2026-11-01 --into mine")[1]
    answer = json.loads(call("rent H100 --term 1-year --prices mine --no-shipped-prices --json")[1])
    assert answer["cells"][0]["offers"][0]["usd_per_gpu_h"] == 6.5
    assert call("rent import azure.json --date soon --into mine")[0] == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("azure.json", {"Items": [azure_item(), 7, {}, azure_item(retailPrice=[1]), azure_item(savingsPlan="x")]}),
        ("azure.json", {"Items": [azure_item(retailPrice=1e300)]}),
        ("instances.json", [EC2[0], None, {"GPU": 1, "GPU_model": "NVIDIA H100", "pricing": 7}, {"GPU": "many"}]),
        ("pricing.yml", GCOSTS.replace("1794528000", "1.0e+300")),
        ("pricing.yml", GCOSTS.replace("hour: 88.0", "hour: {a: 1}")),
        ("vms.csv", SKYPILOT.replace("28.0", "-28").replace(",8,128", ",1e300,128")),
    ],
)
def test_broken_values_are_left_out_or_one_error(catalog, tmp_path, name, content):
    """Whatever stands in a cell, the answer is the sound rows or one error that names the file."""
    stated = ColumnMapping(constants={"date": "2026-11-01", "provider": "a"} if name != "pricing.yml" else {})
    try:
        assert rows(catalog, tmp_path, name, content, stated).height
    except BadFile as e:
        assert name in str(e)
