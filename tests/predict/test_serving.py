"""What the simulation and the emulated endpoint run on: steps that hold prompts alone, and limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.catalog.loader import load_catalog
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.calibration.sample import case_columns
from paretoken.predict.columns import deployment_columns
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.load import kv_slots
from paretoken.predict.serving import served
from paretoken.predict.settings import EngineSettings
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import closed_loop
from paretoken.predict.steady import steady
from paretoken.predict.terms import TERMS
from tests.predict.test_simulation import assert_same

CATALOG = load_catalog()
CHAT = Lengths(1024, 1024, 0.8)
PLAIN = replace(shipped_calibration(), effects={})
MIXED = [
    Deployment(accelerator="MI355X", model="llama-3.1-405b", precision="fp8", engine="vllm", gpus=8, tp=8),
    Deployment(accelerator="MI300X", model="llama-3-70b", precision="fp8", engine="vllm", gpus=1, tp=1),
    Deployment(accelerator="H200", model="llama-3-70b", precision="bf16", engine="vllm", gpus=2, tp=2),
    Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="trtllm", gpus=4, tp=4),
    Deployment(accelerator="H200", model="deepseek-r1", precision="fp8", engine="vllm", gpus=8, tp=8),
    Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=4, pp=2),
]
PREFILL_FIRST_CORES = Deployment(
    accelerator="H200", model="llama-3-70b", precision="bf16", engine="sglang", gpus=2, tp=2
)


def pairs(tokens: int) -> float:
    return tokens * (tokens + 1) / 2


def read_s(d: Deployment) -> float:
    """Seconds in which the data sheet's bandwidth reads the dense weights."""
    c = deployment_columns([d], CATALOG)
    return float(c.memory.dense_weight_bytes[0] / c.rates.bandwidth[0])


@pytest.mark.parametrize("d", [*MIXED, PREFILL_FIRST_CORES], ids=str)
def test_a_step_of_a_prompt_alone_reads_the_weights(d):
    step = served(d, CHAT).step_time
    assert step.step(0, 0.0, 1, 1.0) > read_s(d)


@pytest.mark.parametrize("d", MIXED, ids=str)
def test_a_prompt_alone_takes_what_a_step_of_nobody_takes_and_no_more_than_beside_one(d):
    step = served(d, CHAT).step_time
    nobody, one = step.decode(0)[0], step.decode(1)[0]
    assert 0.7 * one < nobody <= one
    took = [step.step(0, 0.0, n, pairs(n)) for n in (1, 2, 16, 128, 1024, 8192)]
    assert took == sorted(took) and took[0] >= nobody
    for n in (1, 100, 10_000):
        assert step.step(0, 0.0, n, pairs(n)) <= step.step(1, 1.0, n, pairs(n))
        assert step.step(0, 0.0, n, pairs(n)) == pytest.approx(nobody + step.prefill(n, pairs(n)))


def test_an_engine_that_gives_prompts_steps_of_their_own_has_that_in_their_parts():
    step = served(PREFILL_FIRST_CORES, CHAT).step_time
    assert step.decode(0) == (0.0, 0.0)
    assert step.prefill(100, 5000.0) > read_s(PREFILL_FIRST_CORES)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([*MIXED, PREFILL_FIRST_CORES]), st.integers(1, 8192), st.floats(1.01, 3.0))
def test_more_bandwidth_is_never_slower(d, tokens, by):
    known = CATALOG.accelerators
    chip = known[d.accelerator]
    faster = chip.model_copy(update={"hbm_tb_per_s": chip.hbm_tb_per_s * by})
    shelf = replace(known, entries={**known.entries, d.accelerator: faster})
    before, after = (
        served(d, CHAT, catalog=c).step_time.step(0, 0.0, tokens, pairs(tokens))
        for c in (CATALOG, replace(CATALOG, accelerators=shelf))
    )
    assert after <= before


@pytest.mark.parametrize("d", MIXED[:4], ids=str)
def test_one_user_waits_as_long_as_in_the_closed_form(d):
    """Without calibration."""
    one = served(d, CHAT, calibration=PLAIN)
    found = simulate(one.step_time, one.limits, closed_loop(1, 20, 1024, 1024, ratio=0.8), one.serving)
    c, load = case_columns([Case(deployment=d, lengths=CHAT, concurrency=1.0)], CATALOG)
    s = steady(c, np.ones((1, len(TERMS))), load, slots=kv_slots(c, load))
    assert np.median(found.ttft_s) == pytest.approx(float(s.ttft_s[0]), rel=0.05)


@pytest.mark.parametrize("d", [MIXED[2], MIXED[5], PREFILL_FIRST_CORES], ids=str)
@pytest.mark.parametrize("users", [1, 3])
def test_equals_the_token_by_token_reference(d, users):
    s = served(replace(d, settings=EngineSettings(max_num_seqs=8)), CHAT)
    serving = replace(s.serving, frontend_spread=0.0)
    limits = replace(s.limits, max_batched_tokens=64 * d.pp, kv_blocks=12)
    assert_same((s.step_time, limits, closed_loop(users, 12, 100, 40, ratio=0.3, think_s=0.00171, seed=7), serving))
