"""Waits before a prefill: SGLang's receive interval and TensorRT-LLM's batch wait, in closed form and simulated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.calibration.sample import case_columns
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.explain import explain_case
from paretoken.predict.load import kv_slots
from paretoken.predict.settings import EngineSettings
from paretoken.predict.simulated import simulate_users
from paretoken.predict.steady import steady
from paretoken.predict.terms import TERMS

CATALOG = load_catalog()
PLAIN = replace(shipped_calibration(), effects={})
CHAT = Lengths(1024, 1024, 0.8)
SGLANG = Deployment(accelerator="B200", model="deepseek-r1", precision="fp8", engine="sglang", gpus=8, tp=8)
TRTLLM = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="trtllm", gpus=4, tp=4)


def with_settings(d: Deployment, **settings: int) -> Deployment:
    return replace(d, settings=EngineSettings(**settings))


def closed_form(d: Deployment, users: int) -> tuple[float, float]:
    """Median TTFT and TPOT, uncalibrated, in seconds."""
    columns, load = case_columns([Case(deployment=d, lengths=CHAT, concurrency=users)], CATALOG)
    s = steady(columns, np.ones((1, len(TERMS))), load, slots=kv_slots(columns, load))
    return float(s.ttft_s[0]), float(s.tpot_s[0])


@pytest.mark.parametrize("users", [8, 32])
@pytest.mark.parametrize("d", [with_settings(SGLANG, receive_interval=30), with_settings(TRTLLM, batch_wait=20)])
def test_the_closed_form_waits_as_long_as_the_simulation(d, users):
    ttft_s, tpot_s = closed_form(d, users)
    simulated = simulate_users(d, CHAT, users, calibration=PLAIN, seed=3).quantiles
    assert ttft_s == pytest.approx(simulated["ttft"]["p50"], rel=0.17)
    assert tpot_s == pytest.approx(simulated["tpot"]["p50"], rel=0.1)


def test_a_receive_interval_costs_half_of_it_in_decode_steps():
    plain, (waiting, step_s) = closed_form(SGLANG, 8)[0], closed_form(with_settings(SGLANG, receive_interval=31), 8)
    assert (waiting - plain) / step_s == pytest.approx(15, rel=0.1)


@pytest.mark.parametrize(("interval", "steps"), [(1, 1), (30, 30), (1000, 1000), (1200, 200), (1920, 920)])
def test_a_step_with_a_prefill_counts_as_a_thousand(interval, steps):
    assert EngineSettings(receive_interval=interval).receive_steps == steps


def test_users_beyond_the_slots_do_not_change_the_steps_of_an_explanation():
    d = with_settings(TRTLLM, max_num_seqs=64)
    full, beyond = (explain_case(Case(deployment=d, lengths=CHAT, concurrency=n), catalog=CATALOG) for n in (64, 4096))
    decode = [[p.seconds for p in e.parts if p.phase == "decode"] for e in (full, beyond)]
    assert decode[1] == pytest.approx(decode[0], rel=0.02)
