"""Monte Carlo: moments against closed forms, common random numbers, order of accelerators, quantities derived."""

from __future__ import annotations

import json
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from paretoken.errors import BadConfig
from paretoken.prices.owner.figures import InputFigure
from paretoken.prices.owner.montecarlo import (
    Z90,
    UncertainThroughput,
    break_even_rent_draws,
    draw,
    p_cheaper,
    quantiles,
    rank_correlations,
    simulate,
)
from tests.support.owners import certain, owned
from tests.support.patience import PATIENT

N = 40_000


def figure(value, low, high, spread):
    return InputFigure(value=value, low=low, high=high, spread=spread, source="test", date="2026", layer="test")


@settings(PATIENT, max_examples=20)
@given(st.floats(0.01, 10), st.floats(1.05, 4), st.integers(0, 1000))
def test_lognormal_moments(low, factor, seed):
    high = low * factor
    x = draw(figure(low, low, high, "lognormal"), N, np.random.default_rng(seed))
    mu, sigma = (log(low) + log(high)) / 2, log(factor) / (2 * Z90)
    error = exp(mu + sigma**2 / 2) * np.sqrt(np.expm1(sigma**2) / N)
    assert abs(x.mean() - exp(mu + sigma**2 / 2)) < 6 * error
    assert np.quantile(x, (0.05, 0.95)) == pytest.approx([low, high], rel=0.05)
    assert np.log(x).std() == pytest.approx(sigma, rel=0.05)


@settings(PATIENT, max_examples=20)
@given(st.floats(0, 10), st.floats(0.1, 5), st.floats(0, 1), st.integers(0, 1000))
def test_triangular_moments(low, width, share, seed):
    mode, high = low + share * width, low + width
    x = draw(figure(mode, low, high, "triangular"), N, np.random.default_rng(seed))
    variance = (low**2 + mode**2 + high**2 - low * mode - low * high - mode * high) / 18
    assert abs(x.mean() - (low + mode + high) / 3) < 6 * np.sqrt(variance / N)
    assert x.var() == pytest.approx(variance, rel=0.06)
    assert low <= x.min() and x.max() <= high


def owner_with(name, **figures):
    """Inputs of which only those named are uncertain."""
    return certain(owned([name])[0], **figures)


def test_the_mean_of_a_linear_cost_is_exact():
    """Cost is linear in electricity, so its mean is the cost at the lognormal's mean."""
    electricity = figure(0.087, 0.05, 0.17, "lognormal")
    inputs = owner_with("H200", electricity_usd_per_kwh=electricity)
    found = quantiles(simulate([inputs], 200_000, 3).usd_per_gpu_h["H200"])
    mu, sigma = (log(0.05) + log(0.17)) / 2, (log(0.17) - log(0.05)) / (2 * Z90)
    from paretoken.prices.owner.levelised import total

    at = lambda x: float(total({**inputs.values, "electricity_usd_per_kwh": x}))  # noqa: E731
    assert found.mean == pytest.approx(at(exp(mu + sigma**2 / 2)), rel=1e-3)
    assert found.p50 == pytest.approx(at(exp(mu)), rel=1e-3)
    assert found.p5 == pytest.approx(at(0.05), rel=2e-3) and found.p95 == pytest.approx(at(0.17), rel=2e-3)


def test_random_numbers_are_common():
    """The same operator's inputs are drawn once: with nothing else uncertain the dearer machine never wins."""
    electricity = figure(0.087, 0.05, 0.17, "lognormal")
    a, b = (owner_with(n, electricity_usd_per_kwh=electricity) for n in ("H100", "B200"))
    found = simulate([a, b], 5000, 1)
    drawn = [found.inputs[name]["electricity_usd_per_kwh"] for name in ("H100", "B200")]
    assert np.array_equal(*drawn)
    assert p_cheaper(found) == {("H100", "B200"): 1.0, ("B200", "H100"): 0.0}


def test_capital_is_drawn_for_each_and_more_accelerators_change_nothing():
    alone = simulate(owned(["H200"]), 2000, 5)
    both = simulate(owned(["MI300X", "H200"]), 2000, 5)
    assert np.array_equal(alone.usd_per_gpu_h["H200"], both.usd_per_gpu_h["H200"])
    assert not np.array_equal(both.inputs["H200"]["capital_factor"], both.inputs["MI300X"]["capital_factor"])
    assert not np.array_equal(alone.usd_per_gpu_h["H200"], simulate(owned(["H200"]), 2000, 6).usd_per_gpu_h["H200"])


def test_throughput_enters():
    inputs = [owner_with("H200"), owner_with("MI300X")]
    found = simulate(
        inputs, N, 1, {"H200": UncertainThroughput(1000, 0.2), "MI300X": UncertainThroughput(800, 0.0)}, 0.5
    )
    assert quantiles(found.tok_s_per_gpu["H200"]).p95 == pytest.approx(1200, rel=0.01)
    assert quantiles(found.tok_s_per_gpu["H200"]).p5 == pytest.approx(1000 / 1.2, rel=0.01)
    assert np.ptp(found.usd_per_mtok["MI300X"]) == 0
    assert found.usd_per_mtok["MI300X"][0] == pytest.approx(1.16 / (800 * 0.0036) / 0.5)
    rent = break_even_rent_draws(found, "MI300X", "H200", 2.0)
    assert np.median(rent) == pytest.approx(1.6, rel=0.01)
    assert np.allclose(break_even_rent_draws(found, "H200", "MI300X", 1.0) * rent, 2.0)


def test_rank_correlations_against_scipy():
    found = simulate(owned(["H100", "MI355X"]), 3000, 2)
    for name, each in rank_correlations(found).items():
        for k, r in each.items():
            independent = spearmanr(found.inputs[name][k], found.usd_per_gpu_h[name]).statistic
            assert r == pytest.approx(independent, abs=1e-9)
        assert list(each.values()) == sorted(each.values(), key=abs, reverse=True)
        assert each["life_months"] < 0 < each["capital_factor"]


def test_p_cheaper_adds_up():
    chances = p_cheaper(simulate(owned(["H100", "H200", "MI300X"]), 2000, 1))
    for (a, b), p in chances.items():
        assert p + chances[b, a] == pytest.approx(1)
    assert chances["MI300X", "H200"] > 0.9


def test_no_draws_is_a_mistake():
    with pytest.raises(BadConfig, match="0 draws"):
        simulate(owned(["H100"]), 0, 1)


def test_the_verb(call):
    question = "--model deepseek-r1 --precision fp8 --workload chat --interactivity 40"
    line = f"tco --accelerator H200 --accelerator MI300X --monte-carlo 500 --seed 3 {question} --against H200 --json"
    code, out, _ = call(line)
    answer = json.loads(out)
    assert code == 0 and call(line)[1] == out
    for figures in (answer["usd_per_gpu_h"], answer["usd_per_mtok"], answer["break_even_rent_usd"]):
        assert all(q["p5"] < q["p50"] < q["p95"] for q in figures.values())
    assert set(answer["usd_per_mtok"]) == {"H200", "MI300X"} and set(answer["break_even_rent_usd"]) == {"MI300X"}
    assert answer["rank_correlation"]["H200"]["throughput"] < 0
