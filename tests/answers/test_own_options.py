"""Which deployment of one's own decides: the cheapest as run at full load, the lowest bill for a day's tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.answers.points import Data
from paretoken.answers.selfhost import selfhost
from paretoken.answers.selfhost_question import SelfhostQuestion
from paretoken.prices import usd_per_mtok
from tests.support.points import prepared
from tests.support.served import CHAT, curve

QUESTION = SelfhostQuestion(**CHAT, e2e_s=5.0, rent_usd=2.0, input_price=2.0, output_price=2.0)
STEEP = curve("H200", (2, 250), (8, 500))
"""Cheapest interpolated at 5 s, and dear as run."""
LEVEL = curve("MI300X", (2, 270), (4, 300))
WIDE = {"disaggregated": True, "prefill_tp": 8, "n_gpus": 24}
DAY = 200e6
"""Tokens of a day that 8 GPUs of `LEVEL` can serve."""


def served(catalog, *rows):
    return Data(catalog, prepared(*rows))


def of(answer):
    return answer.candidate.accelerator, answer.day_candidate and answer.day_candidate.accelerator


def test_the_cheapest_as_run_decides_over_the_cheapest_interpolated(catalog):
    answer = selfhost(QUESTION, served(catalog, *STEEP, *LEVEL))
    assert [c.accelerator for c in answer.cheapest_of] == ["H200", "MI300X"]
    assert of(answer) == ("MI300X", None)
    cheapest = answer.decision.cheapest
    assert cheapest.own_usd_per_mtok == pytest.approx(usd_per_mtok(2.0, 300)) and cheapest.pays


def test_a_second_engine_of_an_accelerator_may_decide(catalog):
    answer = selfhost(QUESTION, served(catalog, *STEEP, *curve("H200", (2, 250), (4, 300), engine="sglang")))
    assert answer.candidate.engine == "sglang" and answer.cheapest_of[0].engine == "vllm"


def test_a_stated_volume_is_decided_by_its_bill(catalog):
    large = curve("H200", (2, 500), (4, 600), n_gpus=16, tp=16)
    cheap_api = replace(QUESTION, serving="any", input_price=2.2, output_price=2.2, tokens_per_day=DAY)
    answer = selfhost(cheap_api, served(catalog, *large, *LEVEL))
    assert of(answer) == ("H200", "MI300X")
    assert (answer.day.gpus, answer.day.usd_per_day) == (8, 384.0)
    assert (answer.decision.cheaper, answer.decision.saved_usd_per_day) == ("own", pytest.approx(440 - 384))
    assert of(selfhost(replace(cheap_api, tokens_per_day=4 * DAY), served(catalog, *large, *LEVEL))) == ("H200", "H200")


@pytest.mark.parametrize("engine", ["vllm", "dynamo-vllm"])
@pytest.mark.parametrize("tokens_per_day", [1e6, DAY, 1e9, 1e10])
def test_the_best_known_is_never_dearer_than_plain(catalog, engine, tokens_per_day):
    """A run on more GPUs that hides the plain one on the curve of its engine does not hide it from the bill."""
    pools = curve("MI300X", (2.1, 2000), (4.1, 2500), engine=engine, **WIDE)
    data = served(catalog, *LEVEL, *pools)
    answer = selfhost(replace(QUESTION, tokens_per_day=tokens_per_day), data)
    best = answer.best_known
    assert best.day.usd_per_day <= answer.day.usd_per_day
    assert best.against_as_run[0].own_usd_per_mtok <= answer.against_as_run[0].own_usd_per_mtok
    assert best.day.gpus % 24 == (8 if tokens_per_day <= DAY else 0)
    assert best.candidate.recommended["n_gpus"] == 24
    alone = selfhost(replace(QUESTION, tokens_per_day=tokens_per_day, serving="any", speculative="any"), data)
    assert (alone.candidate, alone.day) == (best.candidate, best.day)


def test_hits_count_in_the_choice(catalog):
    slow = curve("H200", (20, 64 * 2048 / 20 / 8), (30, 128 * 2048 / 30 / 8))
    level = curve("MI300X", (20, 1110), (30, 1120))
    question = replace(QUESTION, e2e_s=30.0)
    data = served(catalog, *slow, *level)
    without, hits = selfhost(question, data), selfhost(replace(question, cached_share=0.6), data)
    assert without.candidate.accelerator == "MI300X"
    assert hits.candidate.accelerator == "H200" and hits.cache.factor > 1.05


def test_the_sentences_name_what_decides(shown):
    line = "selfhost --e2e 5 --rent 2 --input-price 2 --output-price 2"
    out = shown(line, *STEEP, *LEVEL)
    assert "H200 is cheapest interpolated at the limit, MI300X as run" in out
    assert "self-hosting on MI300X with vllm, TP8, 128 users (8 GPUs) costs less from a load of 93%" in out
    pools = curve("MI300X", (2.1, 2000), (4.1, 2500), **WIDE)
    out = shown(f"{line} --tokens-per-day 2e8", *LEVEL, *pools)
    assert "best known serving on MI300X with vllm, P8/D8, 128 users (24 GPUs) costs less from a load of 11%" in out
    assert out.count("own 384 USD on MI300X with vllm, TP8, 128 users (8 GPUs, 96% used") == 2


def test_a_stale_market_price_states_its_age(shown):
    out = shown("selfhost --e2e 5 --input-price 9 --output-price 9 --at 2026-11-24", *curve("B300", (2, 900)))
    assert "180 days before 2026-11-24; B300: stale, newest 94 days old" in out
