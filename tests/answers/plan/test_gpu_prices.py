"""What a GPU-hour costs under each contract of a plan, and the names of contracts."""

from __future__ import annotations

import pytest

from paretoken.answers.plan.gpu_prices import contract_named, gpu_prices
from paretoken.errors import UnknownName


class TestPrices:
    def prices(self, shipped, *contracts, stated=None, accelerators=("H200",)):
        return gpu_prices(accelerators, contracts, stated or {}, shipped, "neocloud")

    def test_terms_say_what_is_billed(self, shipped):
        of = {p.contract: p for p in self.prices(shipped, "on-demand", "own")["H200"]}
        assert (of["on-demand"].billing, of["own"].billing) == ("hourly", "always")
        assert all(p.low <= p.usd <= p.high for p in of.values())

    def test_the_basis_says_each_thing_once(self, shipped):
        basis = self.prices(shipped, "on-demand")["H200"][0].basis
        assert basis.startswith("median of ") and basis.count("provider") == 1 and basis.count("rows") == 1

    def test_your_price_takes_the_place_of_the_markets(self, shipped):
        prices = self.prices(shipped, "on-demand", "own", stated={"H200": 1.25})["H200"]
        assert [(p.contract, p.usd, p.low, p.high) for p in prices[:1]] == [("stated", 1.25, 1.25, 1.25)]
        assert [p.contract for p in prices] == ["stated", "own"]

    def test_a_contract_without_a_price_is_left_out(self, shipped):
        assert self.prices(shipped, "5-year")["H200"] == []

    @pytest.mark.parametrize(
        ("text", "name"),
        [("OWN", "own"), ("On-Demand", "on-demand"), ("12 months", "1-year"), ("1year", "1-year"), (" spot ", "spot")],
    )
    def test_names_of_contracts(self, text, name):
        assert contract_named(text) == name

    def test_a_contract_is_compared_once(self, shipped):
        assert [p.contract for p in self.prices(shipped, "own", "OWN", "own")["H200"]] == ["own"]

    @pytest.mark.parametrize("text", ["yearly", "serverless", "on-demand or spot", "", "own it"])
    def test_what_is_no_contract(self, text, shipped):
        with pytest.raises(UnknownName, match="unknown contract"):
            self.prices(shipped, text)

    def test_an_unknown_operator(self, shipped):
        with pytest.raises(UnknownName, match="unknown operator 'me'"):
            gpu_prices(("H200",), ("own",), {}, shipped, "me")
