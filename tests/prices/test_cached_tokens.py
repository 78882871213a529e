"""The price of a cached token and the worth of a tier, against hours counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretoken.prices.cached_tokens import (
    PromptRates,
    prompt_prices,
    tier_usd_per_gb_month,
    tier_usd_per_gpu_h,
)
from paretoken.prices.cost import usd_per_session

RATE = st.floats(1.0, 1e5)


def test_the_example():
    prices = prompt_prices(
        7.2,
        PromptRates(computed=1000, hits=0, output=100),
        PromptRates(computed=500, hits=2000, output=250),
        prefill_share=0.8,
    )
    assert prices.computed_usd == pytest.approx(1.6)
    assert prices.output_usd == pytest.approx(4.0)
    assert prices.hit_usd == pytest.approx(0.1)


@given(RATE, RATE, RATE, RATE, RATE, st.floats(0.01, 0.99), st.floats(0.1, 100))
def test_both_hours_earn_the_rent(inputs, output, computed, hits, made, share, rent):
    without = PromptRates(computed=inputs, hits=0, output=output)
    cached = PromptRates(computed=computed, hits=hits, output=made)
    p = prompt_prices(rent, without, cached, share)
    for rates in (without, cached):
        earned = (p.computed_usd * rates.computed + p.hit_usd * rates.hits + p.output_usd * rates.output) * 3600 / 1e6
        assert earned == pytest.approx(rent, rel=1e-6, abs=1e-6 * abs(p.hit_usd) * rates.hits)


@given(st.floats(1.0, 1e4), st.floats(0.0, 0.99), st.floats(1e-7, 1e-3), st.floats(1e-7, 1e-1))
def test_a_hit_that_costs_no_time_is_free(prompt, hit_share, prompt_token_s, output_token_s):
    """GPU time of 10 output tokens and the prompt, counted by hand; hits take none."""
    output, hits = 10.0, prompt * max(hit_share, 0.01)
    prefill_s, decode_s = prompt * prompt_token_s, output * output_token_s
    cached_s = (prompt - hits) * prompt_token_s + decode_s
    p = prompt_prices(
        3.6,
        PromptRates(computed=prompt / (prefill_s + decode_s), hits=0, output=output / (prefill_s + decode_s)),
        PromptRates(computed=(prompt - hits) / cached_s, hits=hits / cached_s, output=output / cached_s),
        prefill_share=prefill_s / (prefill_s + decode_s),
    )
    # 3.6 USD per hour are 1000 USD per million seconds
    assert p.computed_usd == pytest.approx(prompt_token_s * 1000, rel=1e-6)
    assert p.hit_usd == pytest.approx(0, abs=1e-6 * (p.computed_usd + p.output_usd))


def test_what_a_tier_may_cost():
    assert tier_usd_per_gpu_h(4.0, 100, 125) == pytest.approx(1.0)
    assert tier_usd_per_gb_month(1.0, 200) == pytest.approx(3.65)


@given(st.floats(0.1, 50), st.floats(1, 1e4), st.floats(1.0, 10.0))
def test_at_its_break_even_price_a_tier_leaves_the_cost_of_a_task(rent, tasks, gain):
    most = tier_usd_per_gpu_h(rent, tasks, tasks * gain)
    assert usd_per_session(rent + most, tasks * gain) == pytest.approx(usd_per_session(rent, tasks))
