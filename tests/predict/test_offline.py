"""Offline maxima: which rows are learned from, what is known of their runs, and that they have a throughput alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.points.published import published_points
from paretoken.predict.calibration.design import Effects
from paretoken.predict.calibration.fit import fit, problem
from paretoken.predict.calibration.levels import groups
from paretoken.predict.calibration.make import calibrate
from paretoken.predict.calibration.sample import OUTCOMES, sample
from paretoken.predict.steady import TIMES

CATALOG = load_catalog()
SOURCE = "trtllm-perf-overview"


def maxima(model: str, *accelerators: str) -> pl.DataFrame:
    return published_points().filter(
        pl.col("source") == SOURCE, pl.col("model") == model, pl.col("accelerator").is_in(accelerators)
    )


def test_a_maximum_has_a_throughput_and_nothing_else():
    """Of output alone: with equal lengths the total follows, and so does what each request takes of a slot."""
    points = maxima("llama-3-70b", "H200").filter(isl=1024, osl=1024)
    s = sample(points, CATALOG)
    assert [x.harness for x in s.cases] == ["offline"]
    finite = np.isfinite(s.observed[0])
    assert [name for name, known in zip(OUTCOMES, finite, strict=True) if known] == ["e2e"]
    assert TIMES[s.times[0, 1]] == "e2e"
    users = s.cases[0].concurrency
    rate = points["output_tput_per_gpu_tok_s"][0] * points["n_gpus"][0] / 1024
    assert np.exp(s.observed[0, 1]) == pytest.approx(users / rate)


def test_requests_go_through_in_equal_waves():
    """1,000 requests of 33,792 tokens do not fit at once: so many waves that each does, all alike."""
    s = sample(maxima("llama-3-70b", "B200").filter(isl=32768), CATALOG)
    waves = 1000 / s.cases[0].concurrency
    assert waves == pytest.approx(round(waves)) and waves > 1
    short = sample(maxima("gpt-oss-20b", "B200").filter(isl=1000), CATALOG)
    assert short.cases[0].concurrency == 3000


@pytest.mark.parametrize(
    ("model", "accelerator", "ranks"),
    [("llama-4-maverick", "H200", 8), ("qwen3-30b-a3b", "B200", 1), ("llama-3-70b", "H100", 1)],
)
def test_moe_models_share_attention_by_requests_and_experts_by_gpus(model, accelerator, ranks):
    s = sample(maxima(model, accelerator), CATALOG)
    assert {(c.deployment.dp_attention, c.deployment.ep) for c in s.cases} == {(ranks > 1, ranks)}


@pytest.mark.parametrize(
    "changes",
    [
        {"source": pl.lit("another page")},
        {"isl": pl.lit(1023)},
        {"n_gpus": pl.lit(None, pl.Int64)},
        {"output_tput_per_gpu_tok_s": pl.lit(None, pl.Float64)},
        {"origin": pl.lit("emulated")},
    ],
)
def test_runs_of_which_too_little_is_known_are_left_out(changes):
    points = maxima("llama-3-70b", "H200")
    assert len(sample(points, CATALOG)) == len(points)
    assert len(sample(points.with_columns(**changes), CATALOG)) == 0


def test_a_users_own_maximum_counts_if_its_requests_are_stated():
    points = maxima("llama-3-70b", "H200").head(1).with_columns(origin=pl.lit("measured"), source=pl.lit("mine"))
    assert len(sample(points, CATALOG)) == 0
    assert len(sample(points.with_columns(concurrency=pl.lit(2000.0)), CATALOG)) == 1


def test_gpt_oss_has_four_bits_whatever_its_activations_have():
    assert {c.deployment.precision for c in sample(maxima("gpt-oss-120b", "H200", "B200"), CATALOG).cases} == {"fp4"}


def test_a_fit_of_maxima_alone_learns_and_has_no_effects_of_a_median():
    s = sample(maxima("llama-3-70b", "H200", "H100"), CATALOG)
    p = problem(s, Effects.of(s.cases, CATALOG), CATALOG)
    before, after = (np.nanmean(np.abs(p.observed - p.predict(v))[:, 1]) for v in (p.centre, fit(p)))
    assert after < before / 3
    assert groups(s.cases[0], CATALOG)["offline"] == "1"
    assert groups(s.cases[0], CATALOG)["curve+period"] == groups(s.cases[0], CATALOG)["lab"] == ""


def test_a_cell_without_a_tpot_has_no_error_of_it():
    """Beside a closed loop: the cells of maxima alone are learned from, and listed nowhere with a TPOT."""
    closed = published_points().filter(
        pl.col("source") == "inferencex-2026-07",
        model="llama-3-70b",
        precision="fp8",
        engine="vllm",
        accelerator="H100",
    )
    points = pl.concat([closed.head(12), maxima("llama-4-scout", "H200")])
    made = calibrate(points, splits=(), workers=1, catalog=CATALOG)
    assert [(c["accelerator"], c["engine"]) for c in made.errors["cells"]] == [("H100", "vllm")]
    assert {(c.accelerator, c.model) for c in made.seen} == {("H100", "llama-3-70b"), ("H200", "llama-4-scout")}
