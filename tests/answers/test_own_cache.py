"""The effect of cache hits on one's own throughput, against the predictor itself, asked for each load."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretoken.answers.own_cache import own_cache
from paretoken.answers.points import Data
from paretoken.answers.predict import PredictQuestion, predict
from paretoken.points.selection import Selection
from paretoken.predict.settings import EngineSettings
from tests.support.points import prepared
from tests.support.served import CHAT, curve

RUNS = curve("H200", (20, 64 * 2048 / 20 / 8), (30, 128 * 2048 / 30 / 8), origin="measured", kv_cache_dtype="fp8")
CHOSEN = Selection(**CHAT)
LOADS = tuple(range(64, 161, 4))


def effect(catalog, share: float, axis="e2e"):
    data = Data(catalog, prepared(*RUNS))
    (curve_of_h200,) = data.curves(CHOSEN, axis)
    return own_cache(data, CHOSEN, axis, "H200", "vllm", curve_of_h200.rows[0], share)


def predicted(share: float, concurrency: tuple[int, ...]):
    question = PredictQuestion(
        accelerator="H200",
        engine="vllm",
        model="llama-3-70b",
        precision="fp8",
        tp=8,
        isl=1024,
        osl=1024,
        concurrency=concurrency,
        date="2026-01-01",
    )
    return predict(replace(question, settings=EngineSettings(kv_dtype="fp8", prefix_hits=share))).rows


def test_the_factor_is_that_of_the_predictor_at_one_latency(catalog):
    (without,) = predicted(0.0, (64,))
    rows = predicted(0.6, LOADS)
    within = [r for r in rows if r.median_e2el_ms <= without.median_e2el_ms]
    beyond = next(r for r in rows if r.median_e2el_ms > without.median_e2el_ms)
    low, high = (r.total_tput_per_gpu_tok_s / without.total_tput_per_gpu_tok_s for r in (within[-1], beyond))
    cache = effect(catalog, 0.6)
    assert (cache.origin, cache.share) == ("predicted", 0.6)
    assert 1.1 < low * 0.99 <= cache.factor <= high * 1.01


def test_no_hits_change_nothing_and_more_hits_help_more(catalog):
    assert effect(catalog, 0.0).factor == pytest.approx(1.0, abs=1e-6)
    for axis in ("e2e", "interactivity"):
        factors = [effect(catalog, share, axis).factor for share in (0.2, 0.5, 0.9)]
        assert 1 < factors[0] < factors[1] < factors[2] < 3
