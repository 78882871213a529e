"""The input files that `paretoken init` writes, each from the schema of the verb that reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import date

from paretoken.answers.study.config import Study
from paretoken.bench.config import BenchConfig
from paretoken.campaign.config import SET_BY_MATRIX, Campaign
from paretoken.catalog.entries import TcoSet
from paretoken.catalog.loader import load_catalog
from paretoken.prices.market.mapping import ColumnMapping
from paretoken.prices.outlook.scenario import Scenario
from paretoken.prices.owner.depreciation import DEPRECIATIONS
from paretoken.prices.owner.figures import StatedFigure
from paretoken.prices.owner.layers import DEPRECIATION, inputs
from paretoken.prices.owner.parameters import CAPITAL, PARAMETERS
from paretoken.start.commented import HINT, FileKind, Setting, SettingsTable, document, of_model

ACCELERATOR, OPERATOR = "H200", "neocloud"
"""Whose shipped figures an owner's file shows as defaults."""
UNUSED = {"gpus_per_rack": 72}
"""Figures that no shipped layer states for it, with an example."""
PRICE_SET = "our-prices"


def study_file() -> str:
    tables = of_model(Study, {"name": "study"})
    return document(f"A study: what is compared, and at which prices.\n{HINT}", tables)


def campaign_file(bench: Sequence[Setting] = ()) -> str:
    """A campaign that runs one engine; `bench` are the options of a benchmark, of which those of the matrix go."""
    stated = {
        "name": "campaign",
        "matrix.accelerator": ["H200"],
        "matrix.engine": ["vllm"],
        "matrix.model": ["llama-3-70b"],
        "matrix.precision": ["fp8"],
        "matrix.tp": [4, 8],
        "matrix.workload": ["chat"],
        "matrix.concurrency": "1:64:x2",
        "models.path": "nvidia/Llama-3.3-70B-Instruct-FP8",
    }
    tables = of_model(Campaign, stated, {"matrix.rate": "concurrency"})
    names = {f.name for f in fields(BenchConfig)} - SET_BY_MATRIX
    own = tuple(setting for setting in bench if setting.key in names)
    bench_table = SettingsTable(header="[bench]", about=Campaign.model_fields["bench"].description or "", settings=own)
    # The keys above all tables hold `bench` as a table: its own lines take that one's place.
    top = replace(tables[0], settings=tuple(s for s in tables[0].settings if s.key != "bench"))
    head = f"A campaign: a matrix of engines, models, workloads and loads. Every combination is measured.\n{HINT}"
    return document(head, [top, *tables[1:], bench_table])


def scenario_file() -> str:
    stated: dict[str, object] = {
        "name": "H200 against MI355X until 2027-10",
        "model": "deepseek-r1",
        "precision": "fp8",
        "workload": "chat",
        "interactivity": 40.0,
        "accelerators": ["H200", "MI355X"],
        "reference": "H200",
        "from": date(2026, 10, 1),
        "to": date(2027, 10, 1),
    }
    excludes = {"e2e_s": "interactivity", "term": "tier"}
    return document(
        f"A scenario: prices, software and accelerators to come.\n{HINT}", of_model(Scenario, stated, excludes)
    )


def mapping_file() -> str:
    return document(f"How the columns and words of a foreign price list map to ours.\n{HINT}", of_model(ColumnMapping))


def prices_file() -> str:
    """A set of prices in a catalog folder; the shipped sets stay beside it."""
    stated = {f.alias or n: f.examples[0] for n, f in TcoSet.model_fields.items() if f.examples and f.is_required()}
    stated.pop("tiers")
    tier = {"tiers.name": "Our contract", "tiers.usd_per_gpu_h": {"H200": 2.10, "MI355X": 2.60}}
    tables = of_model(TcoSet, {**stated, **tier}, header=f"[{PRICE_SET}]", about="A dated set of prices.")
    head = f"Prices of your own, USD per GPU-hour by tier. The file's name must stay tco.toml.\n{HINT}"
    return document(head, tables)


def owner_file() -> str:
    """Every figure of the owner's cost with its unit, and the value that the shipped layers have for one GPU."""
    shipped = inputs(load_catalog(), ACCELERATOR, OPERATOR)
    about = {p.name: f"{p.text}, {p.unit}; {p.rule}" for p in PARAMETERS.values()}
    of_all = [
        Setting(key=name, about=text, value=UNUSED.get(name, value), default="" if name in UNUSED else value)
        for name, text in about.items()
        if name not in (*CAPITAL, "kw")
        for value in [float(f"{shipped.values[name]:.6g}")]
    ]
    schedule = Setting(
        key=DEPRECIATION,
        about=f"how capital is written off for tax; one of {', '.join(DEPRECIATIONS)}",
        value=shipped.depreciation,
        default=shipped.depreciation,
    )
    text = Setting(key="text", about="what these figures are", value="our site, November 2026")
    name = Setting(key="name", about="name of the set", value="our-site")
    all_in = round(shipped.values["all_in_usd"])
    capital: list[Setting] = [
        Setting(key="all_in_usd", about=about["all_in_usd"], value=_figure(all_in), default=all_in),
        *(
            Setting(key=n, about=f"{about[n]}", value=_figure(1000), instead_of="all_in_usd")
            for n in CAPITAL
            if n != "all_in_usd"
        ),
        Setting(
            key="kw",
            about=f"{about['kw']}. holds_pue says whether it includes the site's losses",
            value={"value": shipped.values["kw"], "per": "gpu", "holds_pue": False},
            default=shipped.values["kw"],
        ),
    ]
    forms = ", ".join(StatedFigure.model_fields)
    head = (
        f"Your own cost of a GPU-hour. Defaults are those of {ACCELERATOR} at the operator {OPERATOR}.\n"
        f"A figure is a number, or a table with any of: {forms}. low and high bound 90 % of the probability "
        "if spread is lognormal, all of it if triangular.\n"
        "Figures above the tables hold for every accelerator; a table is named for an accelerator or an operator.\n"
        f"{HINT}"
    )
    return document(
        head,
        [
            SettingsTable(about="All accelerators", settings=(name, text, *of_all, schedule)),
            SettingsTable(
                header=f"[{ACCELERATOR}]", about="Capital and power of one accelerator", settings=tuple(capital)
            ),
        ],
    )


def _figure(value: float) -> dict[str, object]:
    return {"value": value, "low": round(value * 0.9), "high": round(value * 1.1), "per": "gpu", "source": "our quote"}


def file_kinds(bench: Callable[[], Sequence[Setting]] = tuple) -> dict[str, FileKind]:
    """The kinds that a schema describes, by name; `bench` gives the options of a benchmark."""
    tco = f"paretoken tco --accelerator {ACCELERATOR} --set {{path}} --explain"
    return {
        "study": FileKind("study.toml", study_file, "paretoken study {path} --out results"),
        "campaign": FileKind(
            "campaign.toml", lambda: campaign_file(bench()), "paretoken campaign run {path} --dry-run"
        ),
        "owner": FileKind("owner.toml", owner_file, tco),
        "prices": FileKind("prices/tco.toml", prices_file, f"paretoken catalog tco {PRICE_SET} --catalog {{folder}}"),
        "mapping": FileKind("mapping.toml", mapping_file, "paretoken rent import FILE --mapping {path}"),
        "scenario": FileKind("scenario.toml", scenario_file, "paretoken outlook {path}"),
    }
