"""Money in another currency: columns of tables at a stated rate, never a silent one; JSON stays in USD."""

from __future__ import annotations

import re

import pytest
import rich_click as click

from paretoken.cli.money import KEY, Currency, amount, currency

EUR = Currency("EUR", 0.92)
CHAT = "--model llama-3-70b --precision fp8 --workload chat"
TOKENS = f"compare {CHAT} --e2e 20 --accelerator H200 --serving any"
VERBS = (
    f"cost {CHAT} --accelerator H200 --tier hyperscaler",
    TOKENS,
    f"advise {CHAT} --e2e 20 --serving any",
    f"breakeven {CHAT} --accelerator MI300X --against H200 --rent 2.5 --serving any",
    f"selfhost {CHAT} --e2e 20 --serving any --rent 2 --input-price 1 --output-price 1",
    "outlook rent-cut --at 2026-11-24",
)


@pytest.mark.parametrize(
    ("title", "cells", "converted"),
    [
        ("$/GPU-h", [2.0, None, "withheld"], ("EUR/GPU-h", [pytest.approx(1.84), None, "withheld"])),
        ("capital, $/GPU", [40_000], ("capital, EUR/GPU", [pytest.approx(36_800)])),
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
        ("--currency EUR --usd-rate 0.92 --json", "--json prints USD"),
    ],
)
def test_no_rate_is_assumed(call, options, words):
    code, out, err = call(f"{TOKENS} {options}")
    assert (code, out) == (2, "")
    assert words in err


def test_usd_itself_needs_no_rate(call):
    assert call(f"{TOKENS} --currency usd") == call(TOKENS)
