"""The crude baseline: it finds its own parameters again, and the calibrated model beats it where it matters."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.points.files import write_points
from paretoken.points.published import published_points
from paretoken.predict.calibration import crude
from paretoken.predict.calibration.file import read_calibration, write_calibration
from paretoken.predict.calibration.make import calibrate
from paretoken.predict.calibration.sample import CalibrationSample, sample
from paretoken.predict.calibration.scoreboard import scores
from paretoken.predict.calibration.splits import SPLITS, Fold
from paretoken.predict.calibration.validate import HeldOut
from paretoken.predict.deployment import Case, Deployment, Lengths

CATALOG = load_catalog()
TRUE = {
    "H200": np.array([4e-5, 1.6, 1.4, 2.0, 4e-6, 1.8, 2e-5, 1.7]),
    "MI300X": np.array([7e-5, 2.1, 1.8, 3.0, 9e-6, 2.2, 3e-5, 2.4]),
}
CASES = [
    Case(
        deployment=Deployment(
            accelerator=accelerator, model="llama-3-70b", precision="fp8", engine="vllm", gpus=gpus, tp=gpus
        ),
        lengths=Lengths(isl, osl, 0.8),
        concurrency=users,
    )
    for accelerator in TRUE
    for gpus in (1, 2, 4, 8)
    for isl, osl in ((1024, 1024), (8192, 1024), (1024, 8192))
    for users in (1.0, 4.0, 16.0, 64.0)
]
CHIP = np.array([c.deployment.accelerator for c in CASES])
NO_TIMES = np.empty((len(CASES), 0), dtype=int)
"""The baseline does not ask which time an outcome is."""


@pytest.fixture
def synthetic() -> CalibrationSample:
    """What a world that obeys the closed form shows, each accelerator with parameters of its own."""
    seconds = np.einsum("nok,nk->no", crude.terms(CASES, CATALOG), np.array([TRUE[a] for a in CHIP]))
    observed = np.log(np.column_stack([seconds, seconds[:, 0]]))
    table = pl.DataFrame(
        [
            {
                **{k: getattr(c.deployment, k) for k in ("accelerator", "engine", "model", "precision", "drafting")},
                "harness": c.harness,
            }
            for c in CASES
        ]
    )
    return CalibrationSample(CASES, observed, NO_TIMES, np.ones(len(CASES)), table)


def held_back(sample: CalibrationSample, mask: np.ndarray) -> np.ndarray:
    """ln(observed/predicted) of the baseline for the cases of a mask, learned from all others."""
    return crude.hold_out(sample, [Fold("some", "", mask)], CATALOG)[0].residual


@pytest.mark.parametrize("chip", TRUE)
def test_the_baseline_finds_its_parameters_again(synthetic, chip):
    here = chip == CHIP
    rows, seconds = crude.terms(CASES, CATALOG)[here], np.exp(synthetic.observed[here, :2])
    seconds[::3, 1] = np.nan
    assert crude.fitted(rows, seconds, np.linspace(0.5, 1, len(rows))) == pytest.approx(TRUE[chip], rel=1e-6)


def test_each_cell_is_fitted_alone(synthetic):
    residual = held_back(synthetic, np.arange(len(CASES)) % 2 == 0)
    assert np.abs(residual[:, :2]).max() < 1e-9
    assert np.isnan(residual[:, 2]).all()


@pytest.mark.parametrize("relabelled", [{}, {"precision": "bf16"}])
def test_a_cell_that_nothing_is_known_of_has_the_parameters_of_others(synthetic, relabelled):
    """Those of its model and precision elsewhere; of everything where there is none."""
    held = CHIP == "MI300X"
    there = pl.Series(held)
    table = synthetic.table.with_columns(
        pl.when(there).then(pl.lit(v)).otherwise(pl.col(k)).alias(k) for k, v in relabelled.items()
    )
    as_h200 = np.log(crude.terms(CASES, CATALOG)[held] @ TRUE["H200"])
    off = held_back(replace(synthetic, table=table), held)[:, :2] - (synthetic.observed[held, :2] - as_h200)
    assert np.abs(off).max() < 1e-9


@pytest.mark.parametrize(("known", "own"), [(crude.PARAMETERS - 1, False), (crude.PARAMETERS, True)])
def test_a_cell_is_its_own_from_as_many_rows_as_parameters(synthetic, known, own):
    rows = np.flatnonzero(CHIP == "MI300X")
    learned = rows[np.random.default_rng(3).permutation(len(rows))[:known]]
    held = np.isin(np.arange(len(CASES)), np.setdiff1d(rows, learned))
    assert (np.abs(held_back(synthetic, held)[:, :2]).max() < 1e-6) == own


def test_an_error_is_finite_where_no_fitted_term_bears(synthetic):
    """Times that are all links say nothing about one GPU."""
    links = np.log(np.maximum(crude.terms(CASES, CATALOG)[:, :, 4], 1e-3))
    held = np.array([c.deployment.gpus == 1 for c in CASES])
    residual = held_back(replace(synthetic, observed=np.column_stack([links, links[:, 0]])), held)
    assert residual[:, 0] == pytest.approx(np.log(1e-3 / crude.LEAST_S))


def test_the_closed_loop_adds_up():
    """TPOT is the step and the prompts of others, E2E the prompt and all tokens after the first."""
    c = Case(
        deployment=Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=8),
        lengths=Lengths(1024, 512),
        concurrency=8.0,
    )
    tpot, e2e = crude.terms([c], CATALOG)[0]
    prompt = e2e - tpot * 511
    only = np.array([0, 0, 0, 0, 0, 1, 0, 1])
    assert prompt * (1 - only) == pytest.approx(np.zeros(8), abs=1e-9 * e2e.max())
    flops = 1024 * 2 * 70e9 / 8
    assert prompt[7] == pytest.approx(flops / (CATALOG.accelerators["H200"].fp8_tflops * 1e12), rel=0.05)
    assert tpot[7] == pytest.approx(8 / 512 * prompt[7])
    assert tpot[1] == pytest.approx(70e9 / 8 / (CATALOG.accelerators["H200"].hbm_tb_per_s * 1e12), rel=0.05)


def test_users_beyond_the_cache_wait():
    """Twice the users take twice as long from first to last, at the same pace between tokens."""
    d, lengths = (
        Deployment(accelerator="H100", model="llama-3-70b", precision="fp8", engine="vllm", gpus=2, tp=2),
        Lengths(8192, 1024, 0.8),
    )
    (tpot, e2e), (tpot_of_twice, e2e_of_twice) = crude.terms(
        [Case(deployment=d, lengths=lengths, concurrency=n) for n in (512.0, 1024.0)], CATALOG
    )
    assert tpot_of_twice == pytest.approx(tpot)
    assert e2e_of_twice == pytest.approx(2 * e2e)


def test_three_points_are_enough_to_go_on(synthetic):
    three = CalibrationSample(CASES[:3], synthetic.observed[:3], NO_TIMES[:3], np.ones(3), synthetic.table.head(3))
    residual = held_back(three, np.array([True, False, False]))
    assert np.isfinite(residual[:, :2]).all()


def test_both_are_scored_on_the_same_cases(synthetic):
    """The first case drafts tokens and the second has no observation: neither is in either mean."""
    n = len(CASES)
    table = synthetic.table.with_columns(drafting=pl.Series(np.arange(n) == 0))
    ours, theirs = np.full((n, 4), 0.1), np.full((n, 4), 0.2)
    ours[0], theirs[0] = 9.0, 9.0
    ours[1], theirs[1] = np.nan, 9.0
    theirs[:, 2:] = np.nan
    fold = Fold("some", "", np.ones(n, dtype=bool))
    sample = replace(synthetic, table=table)
    tpot, throughput, ttft, mean_ttft, e2e = scores([HeldOut(fold, ours)], [HeldOut(fold, theirs)], sample)
    assert tpot.cases == throughput.cases == ttft.cases == n - 2
    assert (tpot.mape, tpot.crude) == pytest.approx((-np.expm1(-0.1), -np.expm1(-0.2)))
    assert (throughput.mape, throughput.crude) == pytest.approx((np.expm1(0.1), np.expm1(0.2)))
    assert np.isnan(ttft.crude) and np.isnan(mean_ttft.crude)
    assert (e2e.mape, e2e.coverage) == pytest.approx((tpot.mape, throughput.coverage), nan_ok=True)


def published(*accelerators: str) -> pl.DataFrame:
    return published_points().filter(
        pl.col("source") == "inferencex-2026-07",
        pl.col("model") == "llama-3-70b",
        pl.col("precision") == "fp8",
        pl.col("accelerator").is_in(accelerators),
    )


def test_an_accelerator_held_back_is_predicted_better_than_by_the_baseline(call, tmp_path):
    """Llama 70B in FP8 on six accelerators, each predicted from the other five."""
    points = published("H100", "H200", "B200", "MI300X", "MI325X", "MI355X")
    write_points(points, tmp_path / "llama.parquet")
    code, out, err = call("validate llama.parquet --split accelerator --workers 1 --json")
    assert code == 0, err
    printed = json.loads(out)
    board = {s["outcome"]: s for s in printed["scores"]}
    assert printed["ranks"]["accelerator"]["pairs"] > 100
    assert printed["ranks"]["accelerator"]["right"] > 0.8
    for outcome in ("tpot", "throughput"):
        assert board[outcome]["cases"] == len(points)
        assert board[outcome]["mape"] < board[outcome]["crude"]
    assert 0.05 < board["tpot"]["crude"] < 0.30


def test_the_scoreboard_shows_the_baseline(call, tmp_path):
    points = published("H200", "MI300X")
    write_points(points, tmp_path / "few.parquet")
    code, out, err = call("validate few.parquet --split tp --workers 1 --format csv")
    assert code == 0, err
    tpot, throughput = list(csv.DictReader(io.StringIO(out)))[:2]
    learned = sample(points, CATALOG)
    off = np.concatenate([h.residual for h in crude.hold_out(learned, list(SPLITS["tp"](learned.table)), CATALOG)])
    assert float(tpot["crude %"]) == pytest.approx(np.abs(np.expm1(-off[:, 0])).mean() * 100, rel=1e-3)
    assert float(throughput["crude %"]) == pytest.approx(np.abs(np.expm1(off[:, 1])).mean() * 100, rel=1e-3)


def test_a_calibration_tells_the_baselines_error(tmp_path):
    made = calibrate(published("H200", "MI300X"), splits=("tp",), workers=1, catalog=CATALOG)
    rows = {r["outcome"]: r for r in made.errors["splits"]}
    assert 0 < rows["tpot"]["crude"] < 1
    assert 0 < rows["throughput"]["crude"] < 1
    write_calibration(made, tmp_path / "c.parquet")
    assert read_calibration(tmp_path / "c.parquet").errors["splits"] == made.errors["splits"]
