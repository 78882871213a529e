"""What the calibration learns from pooled points, on points whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from paretoken.points.published import prepare
from paretoken.predict.calibration.effects import EffectKey
from paretoken.predict.calibration.file import read_calibration, shipped_calibration, write_calibration
from paretoken.predict.calibration.splits import Fold
from paretoken.predict.calibration.validate import HeldOut
from paretoken.predict.pools.effects import DECODE, LEAD, PREFILL
from paretoken.predict.pools.fit import PoolProblem, fit_pools
from paretoken.predict.pools.intervals import fit_pool_bands, learned_names, log_ends, pool_novelty
from paretoken.predict.pools.learn import with_pools
from paretoken.predict.pools.predictor import predict_pools
from paretoken.predict.pools.results import pool_points
from paretoken.predict.pools.sample import PoolSample
from paretoken.predict.pools.splits import SPLITS, pool_folds
from paretoken.predict.pools.validate import hold_out, pool_scores, worst_pool_cells
from tests.predict.pools.conftest import case_of

LAYOUTS = ("1xDEP4+1xDEP8", "1xTP4+4xTP8", "2xDEP4+1xDEP16", "4xDEP4+1xDEP32", "1xTEP4+3xTEP8", "6xDEP4+1xDEP32")
USERS = (1, 4, 16, 64, 256, 1024)


@pytest.fixture(scope="module")
def cases():
    return [case_of(layout, n, accelerator=name) for layout in LAYOUTS for n in USERS for name in ("GB200", "GB300")]


@pytest.fixture(scope="module")
def truth(cases, catalog):
    """A problem without observations, and what effects of a known size make of it."""
    n = len(cases)
    blank = PoolSample(cases, np.full((n, 3), np.nan), np.ones(n))
    p = PoolProblem.of(blank, without_pools(), catalog)
    planted = {(DECODE, "one"): -0.2, (DECODE, "wide"): 0.15, (PREFILL, "one"): 0.4, (LEAD, "one"): 0.8}
    values = np.array([planted.get(key[:2], 0.0) for key in p.keys])
    return p, values


def without_pools():
    shipped = shipped_calibration()
    return replace(shipped, effects={k: v for k, v in shipped.effects.items() if not k.term.startswith("pool_")})


def test_planted_effects_are_predicted(truth):
    p, values = truth
    observed = replace(p, observed=p.predict(values))
    fitted = p.predict(fit_pools(observed))
    assert np.abs(fitted[:, :2] - observed.observed[:, :2]).max() < 0.03
    assert np.abs(fitted[:, 2] - observed.observed[:, 2]).max() < 0.2
    before = p.predict(np.zeros(len(p.keys)))
    assert np.abs(before[:, 0] - observed.observed[:, 0]).min() > 0.03


def test_a_broken_run_pulls_little(truth):
    p, values = truth
    right = p.predict(values)
    wrong = right.copy()
    wrong[5] += [1.5, 2.0, 2.0]
    clean, pulled = (p.predict(fit_pools(replace(p, observed=o))) for o in (right, wrong))
    others = np.arange(len(right)) != 5
    assert np.abs(clean - pulled)[others, :2].max() < 0.05


def test_cases_that_are_held_out_do_not_count(truth):
    p, values = truth
    right = p.predict(values)
    wrong = right.copy()
    held_out = np.arange(len(right)) % 3 == 0
    wrong[held_out] += 1.0
    a, b = (fit_pools(replace(p, observed=o), ~held_out) for o in (right, wrong))
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_on_top_of_a_calibration_its_effects_stay(cases, catalog):
    shipped = shipped_calibration()
    blank = PoolSample(cases, np.full((len(cases), 3), np.nan), np.ones(len(cases)))
    p = PoolProblem.of(blank, shipped, catalog, on_top=True)
    at_base = p.predict(p.centre)
    np.testing.assert_allclose(fit_pools(replace(p, observed=at_base)), p.centre, atol=0.02)


def test_folds_hold_each_case_out_once(cases, catalog):
    for name in SPLITS:
        masks = [fold.mask for fold in pool_folds(cases, [name], catalog)]
        if masks:
            np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    of_loads = list(pool_folds(cases, ["configuration"], catalog))
    for fold in of_loads:
        layouts = {c.pools.layout + c.pools.accelerator for c, out in zip(cases, fold.mask, strict=True) if out}
        rest = {c.pools.layout + c.pools.accelerator for c, out in zip(cases, fold.mask, strict=True) if not out}
        assert not layouts & rest


def test_errors_and_coverage_of_what_was_held_out(truth, cases, catalog):
    p, values = truth
    noise = np.random.default_rng(1).normal(0, 0.05, (len(cases), 3))
    noisy = replace(p, observed=p.predict(values) + noise)
    folds = hold_out(noisy, cases, catalog, ["load", "configuration", "accelerator"])
    scores = pool_scores(folds, cases, catalog)
    by_name = {(s.split, s.outcome): s for s in scores}
    tpot = by_name["load, NVIDIA", "tpot"]
    assert tpot.cases == len(cases) and 0.02 < tpot.mape < 0.08 and tpot.target is None
    assert by_name["configuration, NVIDIA", "throughput"].target == 0.15
    assert 0.7 <= tpot.coverage <= 1.0


def test_the_worst_cells_are_those_of_whole_cells_held_back(cases, catalog):
    at = np.arange(len(cases)) % 2 == 0
    mixed = on_two_accelerators(cases, at)
    left = np.zeros((len(cases), 3))
    left[at, 0], left[at, 1], left[~at, 0] = np.log(2), np.nan, np.log(1.25)
    everything = np.ones(len(cases), dtype=bool)
    folds = [HeldOut(Fold("cell", "quarter 1", everything), left), HeldOut(Fold("load", "", everything), left + 9)]
    first, second = worst_pool_cells(folds, mixed)
    assert (first.accelerator, first.cases, first.tpot, first.throughput) == ("GB300", at.sum(), 0.5, None)
    assert (second.accelerator, second.tpot, second.throughput) == ("GB200", pytest.approx(0.2), 0.0)
    assert not worst_pool_cells(folds[1:], mixed)
    assert not worst_pool_cells([HeldOut(Fold("cell", "", everything[:2]), left[:2])], mixed[:2]), "too few cases"


def on_two_accelerators(cases, at):
    """The cases, on GB300 at some places and on GB200 at the others."""
    return [
        case_of(LAYOUTS[0], c.concurrency, accelerator="GB300" if on else "GB200")
        for c, on in zip(cases, at, strict=True)
    ]


def test_the_widest_way_of_being_new_counts(cases, catalog):
    rng = np.random.default_rng(0)
    folds = list(pool_folds(cases, ["load", "configuration", "accelerator"], catalog))
    size = {"load": 0.02, "configuration": 0.1, "accelerator": 0.4}
    held_out = [HeldOut(f, rng.normal(0, size[f.split], (int(f.mask.sum()), 3))) for f in folds]
    bands = fit_pool_bands(held_out, cases, catalog)
    learned = learned_names([c for c in cases if c.pools.accelerator == "GB200"], catalog)
    fitted, new = case_of(LAYOUTS[0], 8), case_of(LAYOUTS[0], 8, accelerator="GB300")
    assert pool_novelty(fitted, learned, catalog) == ("load",)
    kinds = pool_novelty(new, learned, catalog)
    assert kinds == ("configuration", "cell", "accelerator")
    narrow, wide = (log_ends(c, w, bands, catalog) for c, w in ((fitted, ("load",)), (new, kinds)))
    assert (wide[:, 1] - wide[:, 0] > 5 * (narrow[:, 1] - narrow[:, 0])).all()
    assert (log_ends(fitted, ("vendor",), {}, catalog) == [-0.7, 0.7]).all()


def test_a_file_keeps_what_was_learned_of_pools(cases, catalog, tmp_path):
    shipped = shipped_calibration()
    path = tmp_path / "calibration.parquet"
    write_calibration(shipped, path)
    again = read_calibration(path)
    assert again.pools.bands == shipped.pools.bands and again.pools.seen == shipped.pools.seen
    one, two = (predict_pools(cases[:4], calibration=c, catalog=catalog) for c in (shipped, again))
    np.testing.assert_allclose(one.state.tpot_s, two.state.tpot_s, rtol=1e-3)
    assert (one.log_band == two.log_band).all()


def test_throughput_is_per_gpu_of_both_pools(cases, catalog):
    predictions = predict_pools(cases, catalog=catalog)
    rate = predictions.state.requests_per_s
    gpus = np.array([c.pools.prefill_gpus + c.pools.decode_gpus for c in cases])
    lengths = cases[0].lengths
    np.testing.assert_allclose(predictions.output_tput_per_gpu, rate * lengths.mean_osl / gpus)
    low, high = predictions.band("tput")
    assert (low <= predictions.total_tput_per_gpu).all() and (predictions.total_tput_per_gpu <= high).all()


def test_own_pools_are_learned_on_top_of_own_workers(cases, catalog):
    """Points that a calibration of own workers already predicts leave its effects on pools where they are."""
    shipped = shipped_calibration()
    slower = EffectKey("pace", "engine", "trtllm")
    own = replace(shipped, effects={**shipped.effects, slower: shipped.effects.get(slower, 0.0) + 0.3})
    predictions = predict_pools(cases, calibration=own, catalog=catalog)
    points = pool_points(predictions, catalog).with_columns(origin=pl.lit("measured"), source=pl.lit("own"))
    learned = with_pools(own, prepare(points), catalog, base=shipped)
    again = predict_pools(cases, calibration=learned, catalog=catalog)
    np.testing.assert_allclose(again.state.tpot_s, predictions.state.tpot_s, rtol=0.03)
