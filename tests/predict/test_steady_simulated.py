"""The steady state beside the simulation, and the step times that both run on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.calibration.sample import case_columns
from paretoken.predict.configure import case
from paretoken.predict.deployment import Deployment, Lengths
from paretoken.predict.first_token import START, START_S
from paretoken.predict.load import kv_slots
from paretoken.predict.predictor import predict_cases
from paretoken.predict.serving import served
from paretoken.predict.simulated import in_service, simulate_users
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import closed_loop
from paretoken.predict.steady import steady
from paretoken.predict.terms import TERMS

CATALOG = load_catalog()
LLAMA = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=4, tp=4)
CHAT = Lengths(1024, 1024, 0.8)
PIPELINE = replace(LLAMA, gpus=8, pp=2)


@pytest.mark.parametrize(
    "d", [LLAMA, PIPELINE, replace(PIPELINE, tp=2, pp=4), replace(PIPELINE, engine="sglang")], ids=str
)
def test_the_simulation_agrees_with_the_fixed_point(d):
    """Two ways through the same step times: request by request, and in the mean."""
    for users in (4, 64):
        s = simulate_users(d, CHAT, users)
        p = predict_cases([case(d, CHAT, users)], catalog=CATALOG)
        assert s.quantiles["tpot"]["p50"] == pytest.approx(p.tpot_s[0], rel=0.12)
        steady_rate = users * (CHAT.mean_isl + CHAT.mean_osl) / (p.e2e_s[0] * d.gpus)
        assert s.total_tput_per_gpu == pytest.approx(steady_rate, rel=0.12)


@pytest.mark.parametrize(
    ("isl", "osl", "users"), [(1024, 1024, 4), (1024, 1024, 64), (8192, 1024, 16), (1024, 4096, 64)]
)
def test_a_whole_run_begins_and_ends_as_simulated(isl, osl, users):
    """Ten requests a user, all users at once: means, the median TTFT and the rate of the run, without calibration."""
    plain, lengths = replace(shipped_calibration(), effects={}), Lengths(isl, osl, 0.8)
    one = served(LLAMA, lengths, calibration=plain, catalog=CATALOG)
    sources = [closed_loop(users, 10 * users, isl, osl, ratio=0.8, seed=seed) for seed in range(8)]
    runs = [simulate(one.step_time, one.limits, source, one.serving) for source in sources]
    median, mean, ends = np.mean(
        [(np.median(r.ttft_s), r.ttft_s.mean(), (r.last_s.max() - r.due_s.min()) / 10 / r.e2e_s.mean()) for r in runs],
        axis=0,
    )
    c, load = case_columns([case(LLAMA, lengths, users)], CATALOG)
    s = steady(c, np.ones((1, len(TERMS))), load, slots=kv_slots(c, load))
    assert s.ttft_s[0] == pytest.approx(median, rel=0.2)
    assert s.mean_ttft_s[0] - START * START_S == pytest.approx(mean, rel=0.2)  # what is simulated is warm
    assert s.run_s[0] / s.mean_e2e_s[0] == pytest.approx(ends, abs=0.008)


def test_step_times_are_affine_in_the_context_and_grow_with_the_batch():
    step = served(LLAMA, CHAT).step_time
    a, b = step.decode(32)
    assert step.step(32, 50_000, 0, 0.0) == pytest.approx(a + b * 50_000)
    assert step.decode(64)[0] >= a
    assert step.step(32, 50_000, 1024, 1024**2 / 2) > step.step(32, 50_000, 0, 0.0)


def test_a_run_that_ends_at_once_has_its_throughput_since_it_began():
    """One request alone, of many output tokens and of one."""
    for lengths in (Lengths(1000, 100), Lengths(10, 1)):
        one = simulate_users(LLAMA, lengths, 1, requests=1)
        tokens, seconds = one.run.input_tokens[0] + one.run.output_tokens[0], one.run.e2e_s[0]
        assert one.total_tput_per_gpu == pytest.approx(tokens / seconds / LLAMA.gpus)
        decodes_s = one.run.last_s[0] - one.run.first_s[0]
        assert in_service(one.run) == pytest.approx(decodes_s / seconds)
