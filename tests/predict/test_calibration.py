"""The fit, which rows it takes, and that nothing held out reaches the refit that predicts it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from paretoken.catalog.loader import load_catalog
from paretoken.points.published import published_points
from paretoken.predict.calibration.bearing import log_sums
from paretoken.predict.calibration.design import Design, Effects
from paretoken.predict.calibration.effects import EffectKey, typical_days, without_medians
from paretoken.predict.calibration.fit import fit, jacobian, problem
from paretoken.predict.calibration.levels import covariates, groups
from paretoken.predict.calibration.sample import CalibrationSample, sample, usable
from paretoken.predict.calibration.validate import validate
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.steady import TIMES

CATALOG = load_catalog()


def llama(*accelerators: str) -> pl.DataFrame:
    return published_points().filter(
        pl.col("source") == "inferencex-2026-07",
        pl.col("model") == "llama-3-70b",
        pl.col("precision") == "fp8",
        pl.col("engine") == "vllm",
        pl.col("accelerator").is_in(accelerators),
    )


@pytest.fixture(scope="module")
def two() -> CalibrationSample:
    return sample(llama("H100", "MI300X"), CATALOG)


def predictions(s: CalibrationSample, fold: str) -> np.ndarray:
    """ln of the predicted TPOT of the cases of an accelerator, refitted without it."""
    held = next(h for h in validate(s, ["accelerator"], workers=1, catalog=CATALOG) if h.fold.name == fold)
    return s.observed[held.fold.mask, 0] - held.residual[:, 0]


def test_what_is_held_back_does_not_touch_its_own_prediction(two):
    """The held-out accelerator made twice as slow: the other's rows alone decide what is said of it."""
    slower = two.observed + np.log(2) * (two.table["accelerator"] == "MI300X").to_numpy()[:, None]
    changed = replace(two, observed=slower)
    assert predictions(changed, "MI300X") == pytest.approx(predictions(two, "MI300X"), abs=1e-9)
    assert np.abs(predictions(changed, "H100") - predictions(two, "H100")).mean() > 0.05


def test_every_step_of_the_fit_lowers_the_loss_and_it_learns(two):
    p = problem(two, Effects.of(two.cases, CATALOG), CATALOG)
    losses: list[float] = []
    values = fit(p, on_step=lambda step, loss: losses.append(loss))
    assert (np.diff(losses) < 0).all()
    before, after = (np.nanmean(np.abs(p.observed - p.predict(v))[:, 0]) for v in (p.centre, values))
    assert after < before / 5


def test_the_jacobian_is_that_of_finite_differences(two):
    p = problem(two, Effects.of(two.cases, CATALOG), CATALOG)
    rng = np.random.default_rng(0)
    at, along = (0.1 * rng.standard_normal(len(p.centre)) for _ in range(2))
    h = 1e-4
    slope = (p.predict(at + h * along) - p.predict(at - h * along)) / (2 * h)
    for outcome, rows in enumerate(jacobian(p, at)):
        assert rows @ along == pytest.approx(slope[:, outcome], rel=0.02, abs=0.01)


def test_a_prediction_adds_up_the_same_effects_as_the_fit(two):
    effects = Effects.of(two.cases, CATALOG)
    values = dict(zip(effects.keys, np.random.default_rng(1).normal(size=len(effects.keys)), strict=True))
    fitted = Design.of(two.cases, effects, CATALOG).apply(effects.values(values))
    for ours, theirs in zip(log_sums(two.cases, values, CATALOG), fitted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_a_run_published_twice_is_one_row():
    points = llama("H100")
    assert len(usable(pl.concat([points, points]), CATALOG)) == len(usable(points, CATALOG))


def nightly(nights: int, months: int = 1, **columns) -> pl.DataFrame:
    """Runs of one configuration and load on the first nights of some months, a little slower every night."""
    row = llama("H200").filter(pl.col("tp") == 8, pl.col("concurrency") == 16).head(1)
    days = [(month, night) for month in range(months) for night in range(nights)]
    tables = [
        row.with_columns(
            date=pl.lit(f"2026-{month + 3:02d}-{night + 1:02d}"),
            engine_version=pl.lit(f"image {month} {night}"),
            central_tpot_s=pl.col("central_tpot_s") * (1 + night / 1000 + month / 10),
            run=pl.lit(100 * month + night, pl.Int64),
            **{name: pl.lit(value) for name, value in ({"source": "nightly"} | columns).items()},
        )
        for month, night in days
    ]
    return pl.concat(tables)


def test_the_nights_of_a_month_are_their_median():
    rows = usable(nightly(9), CATALOG)
    assert rows.select("date", "engine_version").rows() == [("2026-03-15", None)]
    first, fifth = (nightly(9)["central_tpot_s"][i] for i in (0, 4))
    assert rows["central_tpot_s"].to_list() == [pytest.approx(fifth)] and fifth > first


def test_a_nightly_series_does_not_outvote_a_run():
    """Sixty nights of three months beside one run of the same configuration and load: three rows against one."""
    single = nightly(1, source="single").with_columns(run=pl.lit(10**6, pl.Int64))
    s = sample(pl.concat([nightly(20, 3), single]), CATALOG)
    assert sorted(s.table["source"].to_list()) == ["nightly"] * 3 + ["single"]
    assert s.weight.sum() == pytest.approx(2) and s.weight == pytest.approx([0.5] * 4)


def test_one_night_stays_as_it_is():
    rows = usable(nightly(1), CATALOG)
    assert rows.select("date", "engine_version").rows() == [("2026-03-01", "image 0 0")]


def test_a_users_own_repeats_all_count():
    assert len(usable(nightly(4, origin="measured"), CATALOG)) == 4


@pytest.mark.parametrize(
    ("model", "column", "value", "taken"),
    [
        ("deepseek-r1", "speculation", "unknown", False),
        ("llama-3-70b", "speculation", "unknown", True),
        ("llama-3-70b", "origin", "emulated", False),
    ],
)
def test_what_is_not_stated_or_not_measured(model, column, value, taken):
    """Unknown speculation matters for a model that comes with a draft layer; what an emulator says never counts."""
    points = llama("H200").head(1).with_columns(pl.lit(model).alias("model"), pl.lit(value).alias(column))
    rows = usable(points, CATALOG)
    assert len(rows) == taken and not rows["drafting"].any()


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, False),
        ({"origin": pl.lit("measured")}, True),
        ({"n_gpus": pl.lit(None, pl.Int64)}, True),
        ({"mean_osl": pl.lit(921.6)}, True),
    ],
)
def test_published_runs_of_equal_lengths_are_left_out(changes, taken):
    """Unless it is a laboratory, which states no GPU count and has effects of its own, or the user's own run."""
    points = llama("H200").head(1).with_columns(mean_isl=pl.lit(1024.0), mean_osl=pl.lit(1024.0), osl=pl.lit(1024))
    assert len(usable(points.with_columns(**changes), CATALOG)) == taken


@pytest.mark.parametrize(
    ("stated", "kept", "times"),
    [
        (("median_ttft_s", "total_tput_per_gpu_tok_s"), (True, False), ("ttft", "run")),
        (("mean_ttft_s", "total_tput_per_gpu_tok_s"), (False, True), ("mean_ttft", "run")),
        (("mean_ttft_s",), (False, True), ("mean_ttft", "mean_e2e")),
        (("ttft_s",), (False, True), ("mean_ttft", "mean_e2e")),
    ],
)
def test_means_medians_and_whole_runs_are_outcomes_apart(stated, kept, times):
    points = llama("H200").filter(pl.col("tp") == 8, pl.col("concurrency") == 16).head(1)
    first = {
        name: pl.lit(0.1 if name in stated else None, pl.Float64) for name in ("median_ttft_s", "ttft_s", "mean_ttft_s")
    }
    rate = {} if "total_tput_per_gpu_tok_s" in stated else {"total_tput_per_gpu_tok_s": pl.lit(None, pl.Float64)}
    s = sample(points.with_columns(central_ttft_s=0.1, **first, **rate), CATALOG)
    assert tuple(np.isfinite(s.observed[0, 2:])) == kept
    assert TIMES[s.times[0, 2 if kept[0] else 3]] == times[0]
    assert TIMES[s.times[0, 1]] == times[1]


def test_a_users_own_rate_is_that_of_the_steady_state():
    points = llama("H200").head(3).with_columns(origin=pl.lit("measured"))
    assert [TIMES[i] for i in sample(points, CATALOG).times[:, 1]] == ["e2e"] * 3


def test_users_that_waited_for_a_limit_nobody_states_are_left_out():
    """The same point with a first token that comes after nine tenths of its life: a tenth were in service."""
    points = llama("H200").filter(pl.col("tp") == 8, pl.col("concurrency") <= 64).head(4)
    tokens = pl.coalesce("mean_osl", pl.col("osl").cast(pl.Float64)) - 1
    whole = pl.col("central_tpot_s") * tokens
    waited = points.with_columns(central_ttft_s=9 * whole, total_tput_per_gpu_tok_s=None)
    prompt = points.with_columns(central_ttft_s=0.1 * whole, total_tput_per_gpu_tok_s=None)
    assert len(sample(prompt, CATALOG)) == len(points)
    assert len(sample(pl.concat([prompt, waited]), CATALOG)) == len(points)


def test_a_models_age_counts_from_its_release_to_the_run():
    """In halvings of the year, two months ahead; undated runs stand in the middle of the published period."""
    catalog = load_catalog()
    d = Deployment(
        accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=8, date="2025-07-23"
    )
    age = [
        covariates(Case(deployment=replace(d, date=day), lengths=Lengths(1024, 1024), concurrency=8.0), catalog)["age"]
        for day in (d.date, None)
    ]
    assert catalog.models["llama-3-70b"].date == "2024-07-23"
    assert age[0] == pytest.approx(np.log2((365 + 60) / 365) / 2)
    assert age[1] > age[0]
    monthly = next(name for name, m in catalog.models.items() if len(m.date) == len("2026-01"))
    before = Case(deployment=replace(d, model=monthly, date="2000-01-01"), lengths=Lengths(1024, 1024), concurrency=8.0)
    assert covariates(before, catalog)["age"] == pytest.approx(np.log2(60 / 365) / 2)


def test_a_case_without_a_date_stands_on_the_published_period_or_else_on_the_days_measured():
    cell, other = "H200 vllm llama-3-70b fp8", "H200 vllm qwen3-32b fp8"
    known = {
        EffectKey("pace", "cell+period", cell): 0.1,
        EffectKey("pace", "cell+day", f"{cell} 2026-01-01"): 0.4,
        EffectKey("pace", "cell+day", f"{other} 2026-01-01"): 0.2,
        EffectKey("pace", "cell+day", f"{other} 2026-01-02"): 0.4,
        EffectKey("pace", "cell+day", f"{other} *"): 9.0,
    }
    assert typical_days(known) == {
        EffectKey("pace", "cell+day", f"{cell} *"): 0.1,
        EffectKey("pace", "cell+day", f"{other} *"): pytest.approx(0.2),
    }


def test_a_median_over_the_period_is_no_longer_told_of_a_cell_that_was_measured():
    cell, other = "H200 vllm llama-3-70b fp8", "H200 vllm llama-3-70b fp4"
    known = {EffectKey("pace", "split+period*users", f"{c} 4/4/1/0"): 0.1 for c in (cell, other)}
    known |= {EffectKey("pace", "cell", cell): 0.2}
    mine = {EffectKey("pace", "cell+day", f"{cell} 2026-11-20"): 0.3}
    assert without_medians(known, mine) == {k: v for k, v in known.items() if k.group in (cell, f"{other} 4/4/1/0")}


def test_only_undated_public_cases_have_the_effects_of_a_median_over_the_period():
    d = Deployment(accelerator="H200", model="llama-3-70b", precision="fp8", engine="vllm", gpus=8, tp=8)
    undated = Case(deployment=d, lengths=Lengths(1024, 1024), concurrency=8.0)
    dated = replace(undated, deployment=replace(d, date="2026-01-01"))
    of = {
        name: groups(c, CATALOG)["split+period"]
        for name, c in {
            "undated": undated,
            "median": replace(undated, period=True),
            "dated": dated,
            "lab": replace(undated, harness="lab"),
        }.items()
    }
    assert of["undated"] == of["median"] != ""
    assert of["dated"] == of["lab"] == ""
