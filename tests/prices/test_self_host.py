"""Self-hosting against an API over a day: the worked case of docs/economics.md, and what holds for any."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.errors import BadConfig
from paretoken.prices.api_price import own_price
from paretoken.prices.self_host import ApiUse, OwnDeployment, cheapest_by_provider, own_day, own_or_api, self_host
from tests.support.patience import PATIENT

OFFICE = tuple(3.0 if 1 <= hour < 10 else 1.0 for hour in range(24))
NODE = OwnDeployment(8, 2.5, 1000.0)
API = own_price("m", 1.0, 1.0)


def test_the_worked_case_of_the_docs():
    use = ApiUse(isl=3000, osl=1000, day=OFFICE)
    s = self_host(API, NODE, use, tokens_per_day=1e9)
    assert s.own_usd_per_mtok == pytest.approx(0.6944, abs=5e-5) and s.load == pytest.approx(0.6944, abs=5e-5)
    assert s.most_load == pytest.approx(0.5833, abs=5e-5) and not s.pays
    day = own_day(NODE, 1e9, use.own_day)
    assert (day.deployments, day.gpus, day.idle_gpus, day.usd_per_day) == (3, 24, 16, 1440.0)
    assert day.utilisation == pytest.approx(0.4823, abs=5e-5) and day.usd_per_mtok == pytest.approx(1.44)
    decision = own_or_api([s], day)
    assert (decision.cheaper, decision.saved_usd_per_day) == ("API", pytest.approx(440.0))
    waiting = ApiUse(isl=3000, osl=1000, day=OFFICE, batch_share=0.3)
    t = self_host(API, NODE, waiting)
    assert t.most_load == pytest.approx(0.8333, abs=5e-5) and t.pays
    day = own_day(NODE, 1e9, waiting.own_day)
    assert (day.gpus, day.idle_gpus, day.usd_per_day) == (16, 0, 960.0)


def test_the_cheapest_of_each_provider():
    use = ApiUse(isl=1, osl=1)
    comparisons = [self_host(own_price("m", usd, usd), NODE, use) for usd in (3.0, 1.0, 2.0)]
    assert [s.api_usd_per_mtok for s in cheapest_by_provider(comparisons)] == [1.0]


@settings(PATIENT)
@given(st.floats(1e6, 1e13), st.lists(st.floats(0.1, 9), min_size=24, max_size=24).map(tuple))
def test_the_fleet_serves_the_busiest_hour(tokens, day):
    fleet = own_day(NODE, tokens, day)
    busiest_tok_s = tokens / 86_400 * max(day) * 24 / sum(day)
    assert fleet.deployments * NODE.tok_s >= busiest_tok_s * (1 - 1e-6)
    assert (fleet.deployments - 1) * NODE.tok_s < busiest_tok_s
    assert 0 < fleet.utilisation <= 1 + 1e-9 and 0 <= fleet.idle_gpus < fleet.gpus
    assert own_day(NODE, 2 * tokens, day).gpus >= fleet.gpus


@settings(PATIENT)
@given(st.floats(0.01, 9), st.floats(1e8, 1e12))
def test_a_load_that_pays_is_a_volume_that_pays(usd, tokens):
    use = ApiUse(isl=1, osl=1, day=OFFICE)
    s = self_host(own_price("m", usd, usd), NODE, use, tokens_per_day=tokens)
    fleet = own_day(NODE, tokens, use.own_day)
    assert (fleet.usd_per_day < s.api_usd_per_day) == (fleet.utilisation > s.load)


@pytest.mark.parametrize("tokens", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_no_volume_is_no_day(tokens):
    with pytest.raises(BadConfig, match="give more than 0, at most 1e"):
        own_day(NODE, tokens)


def test_a_few_tokens_need_one_deployment():
    assert (own_day(NODE, 1e-9).gpus, own_day(NODE, 1e-9).usd_per_day) == (8, 480.0)
