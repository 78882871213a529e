"""Money in another currency: columns of tables at a stated rate, never a silent one; JSON stays in USD."""

from __future__ import annotations

import re
from itertools import takewhile

import pytest
import rich_click as click

from paretoken.cli.money import KEY, Currency, amount, currency

EUR = Currency("EUR", 0.92)
CHAT = "--model llama-3-70b --precision fp8 --workload chat"
TOKENS = f"compare {CHAT} --e2e 20 --accelerator H200 --serving any"
POOLS = "--accelerator GB200 --model deepseek-r1 --precision fp4 --engine dynamo-trtllm --isl 8192 --osl 1024"
PLAN = (
    "--rate 2 --isl 1024 --osl 128 --model llama-3-70b --precision fp8 --accelerator H200 --engine vllm --tp 4 "
    "--slo ttft_p95=2s,tpot=50ms --at 2026-11-24 --coarse"
)
VERBS = (
    f"cost {CHAT} --accelerator H200 --tier hyperscaler",
    TOKENS,
    f"advise {CHAT} --e2e 20 --serving any",
    f"breakeven {CHAT} --accelerator MI300X --against H200 --rent 2.5 --serving any",
    f"selfhost {CHAT} --e2e 20 --serving any --rent 2 --input-price 1 --output-price 1",
    "outlook rent-cut --at 2026-11-24",
    "tco --accelerator H200",
    "tco --accelerator H200 --statement",
    "tco --accelerator H200 --tornado",
    "tco --accelerator H200 --monte-carlo 100",
    "tco --accelerator H200 --or-rent --rent 2",
    "rent --at 2026-11-24",
    "rent H200 --at 2026-11-24",
    "rent H100 --history --at 2026-11-24",
    f"predict {POOLS} --disaggregated 4xDEP4+1xDEP32 --rent 3",
    f"plan {PLAN}",
)


@pytest.mark.parametrize(
    ("title", "cells", "converted"),
    [
        ("$/GPU-h", [2.0, None, "withheld"], ("EUR/GPU-h", [pytest.approx(1.84), None, "withheld"])),
        ("capital, $/GPU", [40_000], ("capital, EUR/GPU", [pytest.approx(36_800)])),
        ("USD/M tok", [2.0], ("EUR/M tok", [pytest.approx(1.84)])),
        # numbers in words are in USD: so is their title
        ("equals, $", ["2.90 $/GPU-h", 2.0], ("equals, $", ["2.90 $/GPU-h", 2.0])),
        ("tok/s/GPU", [2000.0], ("tok/s/GPU", [2000.0])),
    ],
)
def test_columns_of_money_are_converted_whole_or_not_at_all(title, cells, converted):
    assert EUR.column(title, cells) == converted
    assert Currency().column(title, cells) == (title, cells)


def test_a_sentence_asks_for_an_amount():
    assert amount(2.6) == "2.60 USD"
    with click.Context(click.Command("x")) as context:
        context.meta[KEY] = {"code": "EUR", "per_usd": 0.92}
        assert (amount(2.6), currency()) == ("2.39 EUR", EUR)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_states_the_rate_and_keeps_what_is_not_money(call, verb):
    plain, euros = call(verb), call(f"{verb} --currency eur --usd-rate 0.5")
    assert (plain[0], euros[0], euros[2]) == (0, 0, "")
    assert "EUR at 0.5 EUR per USD, as stated" in " ".join(euros[1].split())
    assert "EUR" not in plain[1]


def test_a_price_is_multiplied_by_the_rate(call):
    def gpu_hour(options: str) -> float:
        _, titles, cells, *_ = (
            re.split(r"\s{2,}", x) for x in call(f"{TOKENS} --price H200=3 {options}")[1].splitlines()
        )
        return next(float(x) for title, x in zip(titles, cells, strict=False) if title.endswith("/GPU-h"))

    assert gpu_hour("") == 3.0
    assert gpu_hour("--currency CHF --usd-rate 0.5") == 1.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--currency EUR", "give the exchange rate too: --usd-rate, EUR per USD"),
        ("--usd-rate 0.92", "an exchange rate needs its currency"),
        ("--currency EUR --usd-rate 0", "0 is not an exchange rate"),
        ("--currency EUR --usd-rate nan", "not a finite number"),
        ("--currency E/ --usd-rate 1", "'E/' is not the code of a currency"),
        ("--currency EUR --usd-rate 0.92 --json", "JSON is in USD"),
    ],
)
def test_no_rate_is_assumed(call, options, words):
    code, out, err = call(f"{TOKENS} {options}")
    assert (code, out) == (2, "")
    assert words in err


def column(text: str, title: str) -> list[str]:
    """The cells of the first column whose title ends so, down to the first line of another shape."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    start = next(i for i, cells in enumerate(lines) if any(cell.endswith(title) for cell in cells))
    place = next(i for i, cell in enumerate(lines[start]) if cell.endswith(title)) - len(lines[start])
    width = len(lines[start + 1])
    return [cells[place] for cells in takewhile(lambda cells: len(cells) == width, lines[start + 1 :])]


@pytest.mark.parametrize(
    ("verb", "title"),
    [
        ("tco --accelerator H200", "total"),
        ("tco --accelerator H200 --statement", "per GPU-hour"),
        ("tco --accelerator H200 --or-rent --rent 2", "/needed GPU-h"),
        ("rent H200 --at 2026-08-31", "median"),
        ("rent --at 2026-08-31", "median"),
    ],
)
def test_cells_of_money_are_multiplied(call, verb, title):
    plain, halved = (column(call(f"{verb}{more}")[1], title) for more in ("", " --currency EUR --usd-rate 0.5"))
    pairs = [(float(a), float(b)) for a, b in zip(plain, halved, strict=True) if re.fullmatch(r"[\d.]+", a)]
    assert pairs and all(half == pytest.approx(usd / 2, rel=2e-3, abs=1e-4) for usd, half in pairs)


@pytest.mark.parametrize(
    ("verb", "usd", "halved"),
    [
        (
            f"selfhost {CHAT} --e2e 20 --serving any --rent 2 --input-price 1 --output-price 1 --tokens-per-day 1e9",
            "1 USD per million tokens",
            "0.5 EUR per million tokens",
        ),
        (f"{TOKENS} --token-price 0.6", "Earnings at 0.6 USD per", "Earnings at 0.3 EUR per"),
    ],
)
def test_sentences_are_in_the_currency_of_their_tables(call, verb, usd, halved):
    plain, euros = (call(f"{verb}{more}")[1] for more in ("", " --currency EUR --usd-rate 0.5"))
    assert usd in plain and halved in euros
    assert "USD" not in euros.replace("EUR per USD", "")


def test_a_calculation_stays_in_usd(call):
    code, out, err = call("tco --accelerator H200 --explain --currency EUR --usd-rate 0.92")
    assert (code, out) == (2, "") and "--explain prints the calculation in USD" in err


def test_one_pool_has_no_money(call):
    code, _, err = call(f"predict {POOLS} --tp 8 --currency EUR --usd-rate 0.92")
    assert code == 2 and "--currency needs --disaggregated" in err


def test_usd_itself_needs_no_rate(call):
    assert call(f"{TOKENS} --currency usd") == call(TOKENS)
