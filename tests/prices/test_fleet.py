"""A site's power limit is utility power: the PUE counts once, whether the published power holds it or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.prices.fleet import fleet, utility_power
from paretoken.prices.owner.price import owner_inputs, owner_tariff
from paretoken.prices.tariff import at_one_rent, tariff, with_prices


def gpus(power, accelerator="H200", mw=10.0):
    return fleet(mw, power.kw_per_gpu[accelerator], 1.0, 1000.0).gpus


@pytest.mark.parametrize(
    ("price_set", "tier", "pue"),
    [
        ("2026-09", "hyperscaler", 1.15),
        ("2026-07", "neocloud", 1.35),
        ("2026-07", "rent-3yr", 1.35),
        ("2026-09", "rent-retail", 1.35),
    ],
)
def test_it_power_counts_times_the_operators_pue(catalog, price_set, tier, pue):
    prices = tariff(catalog, price_set, tier)
    power = utility_power(prices)
    assert power.kw_per_gpu["H200"] == pytest.approx(1.37 * pue)
    assert f"PUE {pue:g}" in power.basis and "utility" in power.basis
    assert gpus(power) == int(10_000 / (1.37 * pue))


def test_published_utility_power_is_taken_as_it_is(catalog):
    prices = tariff(catalog, "2025-08", "hyperscaler")
    power = utility_power(prices)
    assert power.kw_per_gpu == prices.kw_per_gpu
    assert "PUE included" in power.basis
    assert gpus(power) == 5780


def test_two_sets_agree_on_how_many_gpus_a_site_holds(catalog):
    """10 MW held 26 % more H200 under the set without the PUE; what is left is the vintage of the figures."""
    held = [gpus(utility_power(tariff(catalog, s, "hyperscaler"))) for s in ("2025-08", "2026-09")]
    assert held[1] / held[0] < 1.10


def test_an_owner_and_own_prices_keep_their_operator(catalog):
    owner = owner_tariff(owner_inputs(catalog, "enterprise", ["H200"]))
    assert utility_power(owner).kw_per_gpu["H200"] == pytest.approx(owner.kw_per_gpu["H200"] * 1.54)
    own = with_prices(tariff(catalog, "2026-09", "hyperscaler"), {"H200": 2.0})
    assert "PUE 1.15" in utility_power(own).basis
    assert "PUE 1.35" in utility_power(at_one_rent(catalog, 2.5)).basis


def test_a_tariff_without_power_has_none(catalog):
    bare = replace(tariff(catalog), kw_per_gpu={}, kw_basis="")
    assert utility_power(bare).kw_per_gpu == {}
