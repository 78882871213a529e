"""Load of the busiest rank: popularity of experts, redundant ones, and the bounds of chance."""

from __future__ import annotations

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.columns import deployment_columns
from paretoken.predict.deployment import Deployment
from paretoken.predict.imbalance import popular_load
from paretoken.predict.settings import EngineSettings
from paretoken.predict.terms import busiest_rank

CATALOG = load_catalog()


def deployed(ranks, redundant=0):
    d = Deployment(
        accelerator="GB200",
        model="deepseek-r1",
        precision="fp8",
        engine="sglang",
        gpus=ranks,
        tp=ranks,
        ep=ranks,
        dp_attention=True,
        settings=EngineSettings(redundant_experts=redundant),
    )
    return deployment_columns([d], CATALOG)


def test_calibrated_sizes_have_no_further_imbalance():
    assert [popular_load(n, 256, r) for n in (1, 2, 8) for r in (0, 32)] == [1.0] * 6


@pytest.mark.parametrize("ranks", [16, 32, 64])
def test_popularity_follows_draws_beyond_that_of_eight_ranks(ranks):
    shares = np.random.default_rng(1).exponential(size=(20_000, 256))
    busiest = {n: shares.reshape(-1, n, 256 // n).mean(axis=2).max(axis=1).mean() for n in (8, ranks)}
    assert popular_load(ranks, 256, 0) == pytest.approx(1 + busiest[ranks] - busiest[8], rel=0.12)


@pytest.mark.parametrize("redundant", [16, 32, 128])
def test_no_slot_has_more_than_its_bound_once_the_popular_are_copied(redundant):
    """Greedy copies of the most loaded, for draws of popularity: the hottest slot against t = ln(1 + E/r)."""
    rng, hottest = np.random.default_rng(1), []
    for _ in range(100):
        shares, copies = rng.exponential(size=256), np.ones(256)
        shares /= shares.mean()
        for _ in range(redundant):
            copies[np.argmax(shares / copies)] += 1
        hottest.append((shares / copies).max())
    assert popular_load(256, 256, redundant) == pytest.approx(max(1.0, np.mean(hottest)), rel=0.1)


def test_more_copies_are_never_less_even():
    loads = [popular_load(64, 256, r) for r in (0, 1, 8, 32, 64, 256)]
    assert loads == sorted(loads, reverse=True)
    assert loads[0] > 1.5 and loads[3] == 1.0


def test_the_imbalance_grows_with_the_ranks():
    loads = [popular_load(n, 256, 0) for n in (8, 16, 32, 64, 72, 128)]
    assert loads == sorted(loads)


@pytest.mark.parametrize("ranks", [32, 64])
def test_the_busiest_of_many_ranks_has_no_more_than_all_its_experts(ranks):
    """Against draws: experts of a rank are active with the same odds."""
    c, each = deployed(ranks), 256 // ranks
    rng = np.random.default_rng(1)
    for share in (0.2, 0.5, 0.9):
        drawn = rng.binomial(each, share, size=(20_000, ranks)).max(axis=1).mean() / (each * share)
        assert busiest_rank(c, each, share) == pytest.approx(drawn, rel=0.12)
        assert busiest_rank(c, each, share) <= 1 / share


def test_tokens_of_many_ranks_follow_draws():
    tokens = np.random.default_rng(1).multinomial(8 * 2048, [1 / 64] * 64, size=5_000)
    assert busiest_rank(deployed(64), 8.0 * 2048, 1 / 64) == pytest.approx(tokens.max(axis=1).mean() / 256, rel=0.05)
