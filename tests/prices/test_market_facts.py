"""The shipped facts about the market: dated, sourced, and chosen by topic."""

from __future__ import annotations

from paretoken.prices.market.facts import market_facts


def test_market_facts_are_dated_and_sourced():
    facts = market_facts()
    assert all(f.date and f.source and f.value for f in facts)
    assert {f.topic for f in market_facts(("rental", "supply"))} == {"rental", "supply"}
    assert any(f.value == ">100" for f in market_facts(("rental",)))
