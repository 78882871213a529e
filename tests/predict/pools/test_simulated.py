"""Disaggregated deployments simulated: against the closed form, whose step times they share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.pools import steady
from paretoken.predict.pools.layout import Pools, parse_layout, pooled_case
from paretoken.predict.pools.predictor import pool_columns, predict_pools
from paretoken.predict.pools.simulated import served_pools, simulate_pooled_rate, simulate_pooled_users
from paretoken.predict.pools.steady import prefill_times
from paretoken.predict.settings import EngineSettings
from paretoken.predict.simulated import simulate_users
from paretoken.predict.simulation.pools import simulate_pools
from paretoken.predict.simulation.router import ROUND_ROBIN, KvTransfer
from paretoken.predict.simulation.sources import closed_loop

CATALOG = load_catalog()
CHAT, PROMPTS, REASONING = Lengths(1024, 1024, 0.8), Lengths(8192, 1024, 0.8), Lengths(1024, 8192, 0.8)


def pools(layout: str, accelerator: str, model: str, precision: str, core: str, **changes: object) -> Pools:
    worker = Deployment(accelerator=accelerator, model=model, precision=precision, engine=core, gpus=1, tp=1, **changes)
    return parse_layout(layout, worker, worker, core)


GB200 = ("GB200", "deepseek-r1", "fp4", "trtllm")
H200 = ("H200", "deepseek-r1", "fp8", "sglang")
MI355X = ("MI355X", "deepseek-r1", "fp8", "sglang")
MI300X = ("MI300X", "llama-3-70b", "fp8", "vllm")
B200 = ("B200", "gpt-oss-120b", "fp4", "trtllm")
LAYOUTS = [
    ("1xDEP4+1xDEP8", GB200),
    ("2xDEP4+1xDEP16", GB200),
    ("4xDEP4+1xDEP32", GB200),
    ("1xTEP8+2xTEP8", GB200),
    ("1xDEP8+1xDEP16", H200),
    ("1xTP8+1xTP8", H200),
    ("1xTP8+2xTP8", MI355X),
    ("1xDEP8+1xDEP8", MI355X),
    ("2xDEP8+1xDEP16", MI355X),
    ("1xTP4+1xTP4", MI300X),
    ("2xTP2+1xTP8", MI300X),
    ("1xTP1+1xTP4", B200),
    ("2xTP1+1xTP8", B200),
]


def without_pools(calibration: Calibration) -> Calibration:
    """A calibration that has nothing on disaggregated serving."""
    effects = {key: value for key, value in calibration.effects.items() if not key.term.startswith("pool_")}
    return replace(calibration, effects=effects)


def both(p: Pools, lengths: Lengths, users: int):
    """(the closed form's state, a simulated load) of a closed loop."""
    state = predict_pools([pooled_case(p, lengths, users, catalog=CATALOG)], catalog=CATALOG).state
    return state, simulate_pooled_users(p, lengths, users, requests=max(640, 10 * users), catalog=CATALOG)


@pytest.mark.parametrize(("layout", "of"), LAYOUTS, ids=str)
def test_all_times_are_those_of_the_closed_form(layout, of, monkeypatch):
    """Where neither pool is full; three workloads, two loads each. No users of the simulation come in bunches."""
    monkeypatch.setattr(steady, "BUNCHED", 0.0)
    p, compared = pools(layout, *of), 0
    for lengths in (CHAT, PROMPTS, REASONING):
        for users in (16, 64):
            state, load = both(p, lengths, users)
            if state.prefill_busy[0] < 0.7 and not load.preemptions:
                compared += 1
                assert load.quantiles["tpot"]["p50"] == pytest.approx(float(state.tpot_s[0]), rel=0.05)
                if state.prefill_busy[0] < 0.5:
                    assert load.mean_ttft_s == pytest.approx(float(state.ttft_s[0]), rel=0.2)
                rate = users / float(state.e2e_s[0])
                assert load.output_tput_per_gpu == pytest.approx(rate * lengths.mean_osl / p.gpus, rel=0.05)
    assert compared >= 4


@pytest.mark.parametrize(("layout", "of"), LAYOUTS[::3], ids=str)
def test_ttft_of_one_user_is_that_of_the_closed_form(layout, of):
    state, load = both(pools(layout, *of), PROMPTS, 1)
    assert load.mean_ttft_s == pytest.approx(float(state.ttft_s[0]), rel=0.03)


@pytest.mark.parametrize(("layout", "of"), [LAYOUTS[4], LAYOUTS[5], LAYOUTS[9]], ids=str)
@pytest.mark.parametrize("budget", [2048, 8192])
def test_a_prompt_of_several_chunks_reads_the_weights_once_for_each(layout, of, budget):
    """As in the simulated steps, of which each reads them."""
    p, isl = pools(layout, *of, settings=EngineSettings(max_batched_tokens=budget)), 8192
    lengths = Lengths(isl, 1024, 1.0)
    x = pool_columns([pooled_case(p, lengths, 16, catalog=CATALOG)], shipped_calibration(), CATALOG)
    times = prefill_times(x.prefill, x.prefill_multipliers, x.prefill_load).stretched(np.exp(x.prefill_pace))
    worker = served_pools(p, lengths, 16, catalog=CATALOG).workers.prefill[0]
    whole = max(isl, worker.limits.max_batched_tokens)
    steps, tokens = divmod(whole, worker.limits.max_batched_tokens)
    assert tokens == 0
    pairs = whole / isl * isl * (isl + 1) / 2 / steps
    full_s = steps * worker.step_time.step(0, 0.0, whole // steps, pairs) * isl / whole
    assert float(times.full_s[0]) == pytest.approx(full_s, rel=0.04)


def test_one_worker_each_with_infinite_links_decodes_as_an_engine_that_never_prefills():
    p = pools("1xTP8+1xTP8", *H200)
    plain = without_pools(shipped_calibration())
    load = simulate_pooled_users(p, REASONING, 1, requests=640, calibration=plain, catalog=CATALOG)
    alone = replace(p.decode, settings=EngineSettings(prefix_hits=0.999))
    aggregated = simulate_users(alone, REASONING, 1, calibration=plain, catalog=CATALOG)
    assert load.quantiles["tpot"]["p50"] == pytest.approx(aggregated.quantiles["tpot"]["p50"], rel=0.02)
    state, load = both(p, REASONING, 16)
    assert load.quantiles["tpot"]["p50"] == pytest.approx(float(state.tpot_s[0]), rel=0.02)


@pytest.mark.parametrize(("layout", "of"), [LAYOUTS[1], LAYOUTS[6]], ids=str)
def test_decode_workers_draft_and_prefill_workers_do_not(layout, of, monkeypatch):
    monkeypatch.setattr(steady, "BUNCHED", 0.0)
    plain = pools(layout, *of)
    p = pools(layout, *of, speculative="mtp", speculative_tokens=3, acceptance_length=2.4)
    s, none = (served_pools(one, CHAT, 32, catalog=CATALOG) for one in (p, plain))
    (prefill, *_), (decode, *_) = s.workers.prefill, s.workers.decode
    assert (prefill.limits.drafted_tokens, decode.limits.drafted_tokens) == (0, 3)
    assert none.workers.decode[0].limits.drafted_tokens == 0
    assert s.serving.acceptance_length == pytest.approx(2.4) and none.serving.acceptance_length == 1
    fewer = none.workers.decode[0].step_time.decode(32)[0]
    assert decode.step_time.decode(32)[0] > fewer
    state, load = both(p, CHAT, 32)
    assert load.quantiles["tpot"]["p50"] == pytest.approx(float(state.tpot_s[0]), rel=0.05)
    assert load.mean_ttft_s == pytest.approx(float(state.ttft_s[0]), rel=0.2)


def test_link_speed_moves_ttft_and_nothing_else():
    s = served_pools(pools("2xDEP4+1xDEP16", *GB200), PROMPTS, 32, catalog=CATALOG)
    source = closed_loop(32, 600, 8192, 1024, ratio=0.8, think_s=0.0005)
    runs = []
    for by in (0.0, 1.0, 10.0, 100.0):
        transfer = KvTransfer(s_per_token=s.workers.transfer.s_per_token * by, links=s.workers.transfer.links)
        runs.append(simulate_pools(replace(s.workers, transfer=transfer), source, s.serving))
    ttft, tpot = ([float(np.mean(getattr(r, name))) for r in runs] for name in ("ttft_s", "tpot_s"))
    assert ttft == sorted(ttft) and ttft[-1] > 1.05 * ttft[0]
    assert tpot == pytest.approx([tpot[0]] * 4, rel=0.02)


def test_the_links_of_a_worker_are_those_of_all_its_gpus():
    """A prompt of an attention-DP rank leaves over its own GPU's link, one of a TP worker over all of them."""
    assert served_pools(pools("1xDEP8+1xDEP8", *H200), CHAT, 8, catalog=CATALOG).workers.transfer.links == 8
    assert served_pools(pools("1xTP8+1xTP8", *H200), CHAT, 8, catalog=CATALOG).workers.transfer.links == 1


def test_arrivals_below_the_capacity_are_served_and_above_it_come_ever_later():
    p = pools("1xTP8+1xTP8", *H200)
    some = simulate_pooled_rate(p, CHAT, 1.0, requests=600, catalog=CATALOG)
    many = simulate_pooled_rate(p, CHAT, 60.0, requests=3000, router=ROUND_ROBIN, catalog=CATALOG)
    assert not some.overloaded and many.overloaded
    assert some.output_tput_per_gpu == pytest.approx(CHAT.mean_osl / p.gpus)
    assert some.quantiles["ttft"]["p50"] < many.quantiles["ttft"]["p50"]
    with pytest.raises(BadConfig, match="above 0"):
        simulate_pooled_rate(p, CHAT, 0.0, catalog=CATALOG)


def test_step_times_are_those_of_the_calibration_of_pools():
    p = pools("1xTP8+1xTP8", *H200)
    slow = replace(shipped_calibration(), effects={})
    one, other = (
        served_pools(p, CHAT, 8, calibration=c, catalog=CATALOG).workers for c in (shipped_calibration(), slow)
    )
    assert one.decode[0].step_time.decode(8) != other.decode[0].step_time.decode(8)
    assert one.prefill[0].step_time.prefill(100, 5000.0) != other.prefill[0].step_time.prefill(100, 5000.0)
