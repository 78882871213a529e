"""The first token: the closed form against the simulation, its floor, and that it never falls as users are added."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from paretoken.catalog.loader import load_catalog
from paretoken.errors import BadConfig
from paretoken.predict.calibration.file import shipped_calibration
from paretoken.predict.calibration.sample import case_columns
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.first_token import QUANTILES, bunch_decay, density, length_spread, poisson_quantile
from paretoken.predict.load import co_running, kv_slots, prompt_pairs
from paretoken.predict.predictor import predict_cases
from paretoken.predict.prompts import prompt_terms
from paretoken.predict.settings import EngineSettings
from paretoken.predict.simulated import simulate_users
from paretoken.predict.simulation.run import ServingOptions
from paretoken.predict.steady import SteadyState, steady
from paretoken.predict.terms import TERMS, decode_seconds, total

CATALOG = load_catalog()
PLAIN = replace(shipped_calibration(), effects={})
"""Without effects: what is compared is two ways through the same step times."""


def served_by(model, engine, tp, accelerator="H200", precision="fp8", **settings) -> Deployment:
    return Deployment(
        accelerator=accelerator,
        model=model,
        precision=precision,
        engine=engine,
        gpus=tp,
        tp=tp,
        settings=EngineSettings(**settings),
    )


DENSE = served_by("llama-3-70b", "vllm", 4)
DEPLOYMENTS = [
    DENSE,
    served_by("llama-3-70b", "sglang", 2),
    served_by("deepseek-r1", "sglang", 8, "B200"),
    served_by("deepseek-r1", "vllm", 8, "MI300X"),
    served_by("gpt-oss-120b", "trtllm", 1, precision="fp4"),
    served_by("llama-3.1-8b", "vllm", 1, "H100", "bf16", prefix_hits=0.5, max_batched_tokens=2048),
    served_by("qwen3-235b-a22b", "sglang", 4, "MI355X", max_batched_tokens=32768),
]
PAIRS = [(1024, 1024), (8192, 1024), (1024, 8192), (100, 100)]


def closed_form(cases: list[Case]) -> SteadyState:
    c, load = case_columns(cases, CATALOG)
    return steady(c, np.ones((len(cases), len(TERMS))), load, slots=kv_slots(c, load))


def within_slots(cases: list[Case]) -> np.ndarray:
    c, load = case_columns(cases, CATALOG)
    return load.users <= 0.8 * kv_slots(c, load)


@cache
def compared() -> tuple[list[Case], np.ndarray, np.ndarray]:
    """Cases, and their median, p90, p99, mean TTFT, TPOT and E2E of the closed form and of the simulation."""
    grid = [
        Case(deployment=d, lengths=Lengths(*pair, ratio), concurrency=users)
        for d, pair, ratio, users in product(DEPLOYMENTS, PAIRS, (0.8, 1.0), (1, 2, 8, 32, 128, 512))
    ]
    cases = [x for x, inside in zip(grid, within_slots(grid), strict=True) if inside]
    s = closed_form(cases)
    ours = np.stack([s.ttft_s, s.p90_ttft_s, s.p99_ttft_s, s.mean_ttft_s, s.tpot_s, s.e2e_s], axis=1)
    loads = [simulate_users(x.deployment, x.lengths, int(x.concurrency), calibration=PLAIN, seed=3) for x in cases]
    q = [load.quantiles for load in loads]
    theirs = [
        (*(x["ttft"][n] for n in QUANTILES), load.mean_ttft_s, x["tpot"]["p50"], x["e2e"]["p50"])
        for x, load in zip(q, loads, strict=True)
    ]
    return cases, ours, np.array(theirs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("figure", "most", "share"),
    [(0, 0.15, 0.92), (1, 0.15, 0.85), (2, 0.15, 0.77), (3, 0.15, 0.97), (4, 0.12, 1.0), (5, 0.12, 1.0)],
    ids=["median", "p90", "p99", "mean", "TPOT", "E2E"],
)
def test_the_closed_form_is_what_is_simulated(figure, most, share):
    cases, ours, theirs = compared()
    assert len(cases) > 250
    off = np.abs(ours[:, figure] / theirs[:, figure] - 1)
    assert np.mean(off < most) >= share
    assert np.median(off) < 0.05
    assert np.quantile(off, 0.99) < 0.6  # near the limit of the cache a few requests wait for a whole answer


@pytest.mark.slow
def test_users_of_equal_lengths_part():
    """They do not move in step: at middle loads their first tokens are about those of lengths that differ a little."""
    for d, users in product(DEPLOYMENTS, (16, 64)):
        equal, drawn = (simulate_users(d, Lengths(1024, 1024, r), users, calibration=PLAIN) for r in (1.0, 0.8))
        assert equal.quantiles["ttft"]["p50"] < 1.5 * drawn.quantiles["ttft"]["p50"]


def test_no_first_token_comes_before_its_prompt_and_a_step():
    cases = [
        Case(deployment=d, lengths=Lengths(*pair, 0.8), concurrency=users)
        for d, pair, users in product(DEPLOYMENTS, PAIRS, (1, 2, 16, 256, 2048))
    ]
    c, load = case_columns(cases, CATALOG)
    m = np.ones((len(cases), len(TERMS)))
    m[:, TERMS.index("ahead")] = 0.01
    slots = kv_slots(c, load)
    s = steady(c, m, load, slots=slots)
    prompt = total(prompt_terms(c, m, load.computed, prompt_pairs(c, load), co_running(c, load, slots)))
    step = decode_seconds(c, m, s.batch, load.isl + load.osl / 2)
    assert (s.ttft_s >= (prompt + step) * (1 - 1e-6)).all()
    assert (s.p90_ttft_s >= s.ttft_s).all()
    assert (s.p99_ttft_s >= s.p90_ttft_s).all()


@given(mean=st.floats(0, 300), name=st.sampled_from(list(QUANTILES)))
def test_poisson_quantile_are_a_poisson_quantile(mean, name):
    exact = poisson.ppf(QUANTILES[name], mean) if mean else 0
    assert abs(poisson_quantile(np.array([mean]), name)[0] - exact) <= 1
    assert poisson_quantile(np.array([mean]), name) <= poisson_quantile(np.array([mean + 0.1]), name)


def test_users_part_with_every_round():
    bunched, loose = (bunch_decay(np.array([0.0]), np.array([s]), np.array([64.0])) for s in (0.01, 0.2))
    assert density(bunched) > 3
    assert density(loose) == pytest.approx(1.0, abs=0.01)
    assert length_spread(0.8) == pytest.approx(0.1 / 0.9 / 3**0.5)
    assert length_spread(1.0) > 0.03


CELLS = [
    ("H100", "llama-3-70b", "fp8", "vllm", 4),
    ("H200", "llama-3-70b", "fp8", "vllm", 8),
    ("B200", "llama-3-70b", "fp4", "trtllm", 2),
    ("MI300X", "llama-3-70b", "fp8", "vllm", 1),
    ("MI325X", "llama-3-70b", "fp8", "vllm", 8),
    ("MI355X", "llama-3-70b", "fp4", "vllm", 1),
    ("H200", "llama-3-70b", "fp8", "trtllm", 4),
    ("H200", "llama-3-70b", "bf16", "sglang", 4),
    ("B200", "deepseek-r1", "fp4", "sglang", 8),
    ("B200", "deepseek-r1", "fp8", "sglang", 8),
    ("H200", "deepseek-r1", "fp8", "sglang", 8),
    ("MI355X", "deepseek-r1", "fp8", "sglang", 8),
    ("B200", "deepseek-r1", "fp4", "trtllm", 4),
    ("MI355X", "deepseek-r1", "fp4", "atom", 8),
    ("MI300X", "deepseek-r1", "fp8", "sglang", 8),
    ("B300", "deepseek-r1", "fp4", "sglang", 4),
    ("B200", "gpt-oss-120b", "fp4", "vllm", 1),
    ("B200", "gpt-oss-120b", "fp4", "trtllm", 2),
    ("H100", "gpt-oss-120b", "fp4", "vllm", 8),
    ("MI355X", "gpt-oss-120b", "fp4", "vllm", 4),
    ("H200", "gpt-oss-120b", "fp4", "trtllm", 1),
    ("MI325X", "gpt-oss-120b", "fp4", "vllm", 8),
    ("H200", "minimax-m2.5", "fp8", "vllm", 4),
    ("B200", "minimax-m2.5", "fp8", "vllm", 2),
    ("B200", "qwen3.5-397b-a17b", "fp8", "sglang", 8),
    ("MI355X", "kimi-k2.5", "fp4", "vllm", 8),
    ("H200", "qwen3-235b-a22b", "fp8", "vllm", 8),
    ("H100", "llama-3.1-8b", "bf16", "vllm", 1),
    ("H100", "qwen3-32b", "bf16", "vllm", 2),
    ("H200", "glm-5", "fp8", "sglang", 8),
]


def test_no_time_falls_as_users_are_added():
    """180 sequences of 1 to 512 users, as calibrated, also beyond the KV cache and at loads between powers of two."""
    loads = (1, 2, 3, 4, 6, 8, 16, 24, 32, 64, 100, 110, 128, 256, 512)
    cases = [
        Case(
            deployment=served_by(model, engine, tp, accelerator, precision),
            lengths=Lengths(*pair, ratio),
            concurrency=users,
        )
        for accelerator, model, precision, engine, tp in CELLS
        for pair, ratio, users in product(PAIRS[:3], (0.8, 1.0), loads)
    ]
    p = predict_cases(cases, catalog=CATALOG)
    for name in ("ttft_s", "mean_ttft_s", "p90_ttft_s", "p99_ttft_s", "tpot_s", "e2e_s"):
        curves = getattr(p, name).reshape(180, len(loads))
        assert (np.diff(curves, axis=1) >= -1e-9 * curves[:, 1:]).all(), name
    assert p.cases == cases or {x.harness for x in p.cases} == {"lab", "public"}


def test_requests_are_on_their_way_to_the_scheduler_for_about_the_lead():
    drawn = ServingOptions(frontend_s=0.2, frontend_spread=0.5).frontends_s(4000)
    assert 0.1 <= drawn.min() < 0.11 and 0.29 < drawn.max() <= 0.3
    assert drawn.mean() == pytest.approx(0.2, rel=0.02)
    assert (ServingOptions(frontend_s=0.2).frontends_s(3) == 0.2).all()
    with pytest.raises(BadConfig, match="spread"):
        ServingOptions(frontend_spread=1.5)
