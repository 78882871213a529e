"""The verbs on rental prices: answers, mistakes, and agreement between them."""

from __future__ import annotations

import json

import pytest

WHAT = "--model llama-3-70b --precision fp8 --workload chat"
CHAT = f"{WHAT} --accelerator MI300X --against H200"


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
        (f"breakeven {CHAT}", "--market or --operator"),
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
    for r in there[:: len(there) // 5]:
        rent = r["break_even_usd_per_gpu_h"]
        back = json.loads(call(f"breakeven {WHAT} --accelerator H200 --against MI300X --rent {rent} --json")[1])
        same = next(x for x in back["points"] if x["value"] == pytest.approx(r["value"]))
        assert same["break_even_usd_per_gpu_h"] == pytest.approx(2.5)


def test_own_or_rent_verb(call):
    rows = {r["accelerator"]: r for r in json.loads(call("tco --or-rent --needed 0.6 --json")[1])}
    assert rows["MI355X"]["contracts"] is None and "no offer within" in rows["MI355X"]["without_price"]["on-demand"]
    h200 = rows["H200"]
    assert h200["contracts"]["needed_share"] == 0.6 and set(h200["basis"]) == {"on-demand", "own"}
    assert h200["contracts"]["costs"][0]["contract"]["name"] == "own"
    assert "rents stay level: only 1 provider" in h200["price_decline_basis"] and "1-year" in h200["without_price"]
    flat = json.loads(call("tco --accelerator H200 --set h200-2025 --or-rent --rent 2 --json")[1])[0]
    assert flat["own_or_rent"]["break_even_share"] == pytest.approx(0.8291, abs=1e-4)
    own = next(c for c in flat["contracts"]["costs"] if c["contract"]["name"] == "own")
    assert own["turns_at_share"] == pytest.approx(0.8291, abs=1e-4)


def test_own_or_rent_with_quotes_of_ones_own(call):
    line = "tco --accelerator H200 --or-rent --rent 4 --reserved 1-year=3 --reserved 36-months=2 --price-decline 20%"
    row = json.loads(call(f"{line} --months 12 --needed 0.2 --json")[1])[0]
    costs = {c["contract"]["name"]: c for c in row["contracts"]["costs"]}
    assert {n: c["committed_months"] for n, c in costs.items()} == {
        "on-demand": 0,
        "1-year": 12,
        "3-year": 36,
        "own": 48,
    }
    assert costs["1-year"]["contract"]["price_decline_per_year"] == 0.2
    assert row["basis"]["3-year"] == "the stated price" and "fall 20% a year, as stated" in row["price_decline_basis"]
    assert row["contracts"]["costs"][0]["contract"]["name"] == "on-demand"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--needed 2", "share of hours"),
        ("--reserved 1-year", "write 1-year=2.10"),
        ("--reserved spot=2", "commits to no hours"),
        ("--reserved forever=2", "rental term"),
        ("--reserved 1-year=-2", "a price is above 0"),
        ("--price-decline 120%", "between -100 % and 100 %"),
        ("--price-decline much", "write 20% or 0.20"),
        ("--months 0", "months"),
    ],
)
def test_mistakes_in_contracts_are_one_sentence(call, options, says):
    code, out, err = call(f"tco --accelerator H200 --or-rent {options}")
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1


def test_a_term_without_offers_says_so(call):
    plain = call("rent H200")[1]
    assert plain.count("no price") >= 6 and "ratio" not in plain
    assert call("rent VR200")[1].count("no price") == 9
    assert "estimate: on-demand" in call("rent H200 --estimate-terms")[1]
    answer = json.loads(call("rent H200 --json")[1])
    assert answer["ratios_to_on_demand"] == [] and [f["term"] for f in answer["forward_rents"]] == ["on-demand"]


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ("--needed 1", "--needed"),
        ("--reserved 1-year=2.1", "--reserved"),
        ("--price-decline 20%", "--price-decline"),
        ("--months 24", "--months"),
        ("--estimate-terms", "--estimate-terms"),
        ("--rent 2.5", "--rent"),
        ("--price H200=2.5", "--price"),
    ],
)
@pytest.mark.parametrize("part", ["", "--tornado"])
def test_options_of_own_or_rent_are_refused_without_it(call, options, option, part):
    code, out, err = call(f"tco --accelerator H200 {options} {part}")
    assert (code, out, err.count("\n")) == (2, "", 1) and option in err and "add --or-rent" in err


def test_depreciation_needs_a_tax_rate_from_the_line_or_a_set(call, tmp_path):
    for options in ("--depreciation macrs-5", "--depreciation-months 60", "--depreciation macrs-5 --set h200-2025"):
        code, out, err = call(f"tco --accelerator H200 {options}")
        assert (code, out, err.count("\n")) == (2, "", 1) and "add --tax-rate" in err
    (tmp_path / "all.toml").write_text("tax_rate = 0.25\n")
    (tmp_path / "one.toml").write_text("[H200]\ntax_rate = 0.25\n")
    for name in ("all.toml", "one.toml"):
        assert call(f"tco --accelerator H200 --depreciation macrs-5 --set {name}")[0] == 0
    assert call("tco --accelerator H200 --depreciation macrs-5 --tax-rate 0")[0] == 0


def test_the_history_ends_with_the_yearly_change_at_the_same_sellers(call):
    assert "no yearly change of rents: only" in call("rent H200 --history --at 2026-11-24")[1]
    shown = call("rent A100 --history --at 2026-11-24")[1]
    assert "-13% a year at the same sellers, -41% to +2% with 90% confidence: 5 providers" in " ".join(shown.split())
    assert json.loads(call("rent A100 --history --term spot --json")[1])["decline"] is None
