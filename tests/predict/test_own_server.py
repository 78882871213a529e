"""A few points of one server, fitted on top: the calibration predicts loads and lengths that were not measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from paretoken.catalog.loader import Catalog, load_catalog
from paretoken.points.published import prepare
from paretoken.predict.calibration.effects import EffectKey, of_its_day, priors_on_top
from paretoken.predict.calibration.file import Calibration, shipped_calibration
from paretoken.predict.calibration.make import calibrate
from paretoken.predict.configure import case
from paretoken.predict.deployment import Case, Deployment, Lengths
from paretoken.predict.predictor import Predictions, predict_cases
from paretoken.predict.rows import predicted_points
from paretoken.predict.simulation.limits import SchedulerLimits
from paretoken.predict.simulation.run import simulate
from paretoken.predict.simulation.sources import closed_loop
from paretoken.predict.steptime import AffineStepTime

LIMITS = SchedulerLimits(max_num_seqs=64, max_batched_tokens=2048, kv_blocks=100_000)
MACHINE = """
[my-cpu]
name = "A server without a GPU"
vendor = "Chipmaker"
hbm_gib = 256
hbm_tb_per_s = 0.2
bf16_tflops = 3
max_scaleup_gpus = 1
gpus_per_node = 1
source = "data sheet"
date = "2026-11-30"
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Catalog:
    folder = tmp_path_factory.mktemp("catalog")
    (Path(folder) / "accelerators.toml").write_text(MACHINE, encoding="utf-8")
    return load_catalog(folder)


def cases(d: Deployment, lengths: Sequence[tuple[int, int]], users: Sequence[int], catalog: Catalog) -> list[Case]:
    return [case(d, Lengths(isl, osl, 0.8), n, catalog=catalog) for isl, osl in lengths for n in users]


def points(learned: Sequence[Case], times: np.ndarray, catalog: Catalog, date: str | None) -> pl.DataFrame:
    """Measured points of the cases; `times` are TPOT, TTFT, mean TTFT and E2E in seconds, shape (n, 4)."""
    p = predicted_points(predict_cases(learned, catalog=catalog), catalog)
    tokens = np.array([(c.lengths.mean_isl + c.lengths.mean_osl) * c.concurrency for c in learned])
    names = ("median_tpot_s", "median_ttft_s", "mean_ttft_s", "median_e2e_s")
    measured = p.with_columns(
        origin=pl.lit("measured"),
        source=pl.lit("mine"),
        date=pl.lit(date, pl.String),
        engine_version=pl.lit("1.2.3"),
        total_tput_per_gpu_tok_s=pl.Series(tokens / times[:, 3]),
        input_tput_per_gpu_tok_s=pl.lit(None, pl.Float64),
        output_tput_per_gpu_tok_s=pl.lit(None, pl.Float64),
        **{name: pl.Series(times[:, i]).fill_nan(None) for i, name in enumerate(names)},
    )
    return prepare(measured)


def served(c: Case, step: AffineStepTime) -> list[float]:
    """The times of a closed loop, simulated request by request."""
    n = int(c.concurrency)
    lengths = (c.lengths.isl, c.lengths.osl)
    run = simulate(step, LIMITS, closed_loop(n, max(30 * n, 120), *lengths, ratio=c.lengths.ratio, seed=n))
    steady = slice(2 * n, len(run.due_s) - n)
    tpot, ttft, e2e = run.tpot_s[steady], run.ttft_s[steady], run.e2e_s[steady]
    return [float(np.median(tpot)), float(np.median(ttft)), float(np.mean(ttft)), float(np.mean(e2e))]


def fitted(points: pl.DataFrame, catalog: Catalog) -> Calibration:
    return calibrate(points, base=shipped_calibration(), splits=(), catalog=catalog)


def times(p: Predictions) -> np.ndarray:
    """In the order of `points`, without the mean TTFT."""
    return np.stack([p.tpot_s, p.ttft_s, np.full(len(p.cases), np.nan), p.e2e_s], axis=1)


@pytest.mark.parametrize(("factor", "within"), [(1.3, 0.05), (0.75, 0.05), (2.0, 0.1)])
@pytest.mark.parametrize("date", [None, "2026-11-30"])
def test_a_server_that_is_slower_by_a_factor(catalog, factor, within, date):
    """Six levels of one day suffice, also for predictions without a date at other loads and lengths."""
    d = Deployment(accelerator="H100", model="llama-3.1-8b", precision="fp8", engine="vllm", gpus=1, tp=1)
    learned = cases(d, ((1024, 256), (256, 256)), (1, 4, 16), catalog)
    unseen = cases(d, ((512, 256), (1024, 512), (256, 128)), (1, 2, 8, 12), catalog)
    truth = [times(predict_cases(c, catalog=catalog)) * factor for c in (learned, unseen)]
    ours = fitted(points(learned, truth[0], catalog, date), catalog)
    after = times(predict_cases(unseen, calibration=ours, catalog=catalog))
    assert after[:, [0, 3]] == pytest.approx(truth[1][:, [0, 3]], rel=within)
    assert after[:, 1] == pytest.approx(truth[1][:, 1], rel=2 * within)


CPU = AffineStepTime(60e-3, 8e-3, 2e-6, 9e-3, 1e-7)
SLOW_PROMPTS = AffineStepTime(20e-3, 12e-3, 1e-6, 5e-3, 2e-7)


@pytest.mark.parametrize("step", [CPU, SLOW_PROMPTS])
def test_a_machine_without_published_points(catalog, step):
    """A data sheet and six levels are enough for loads and lengths between and around them."""
    d = Deployment(accelerator="my-cpu", model="llama-3.1-8b", precision="int4", engine="llamacpp", gpus=1, tp=1)
    learned = cases(d, ((512, 128), (128, 128)), (1, 4, 16), catalog)
    unseen = cases(d, ((512, 128), (128, 128)), (2, 8), catalog) + cases(d, ((256, 128),), (1, 4, 12), catalog)
    ours = fitted(points(learned, np.array([served(c, step) for c in learned]), catalog, "2026-11-30"), catalog)
    truth = np.array([served(c, step) for c in unseen])
    before, after = (times(predict_cases(unseen, calibration=c, catalog=catalog)) for c in (None, ours))
    wrong = np.abs(after / truth - 1)
    assert np.abs(before / truth - 1)[:, 0].max() > 0.3
    assert wrong[:, [0, 3]].max() < 0.15
    assert np.median(wrong[:, 1]) < 0.2


def test_effects_unknown_to_the_base_are_free_and_known_ones_hardly_move():
    base = {EffectKey("layer", "arch", "Hopper"): 0.2, EffectKey("kv", "engine", "vllm"): 0.1}
    unknown, known, near_zero = (
        EffectKey("kv", "arch", "my-cpu"),
        EffectKey("layer", "arch", "Hopper"),
        EffectKey("layer", "engine", "vllm"),
    )
    wide, narrow, small = priors_on_top([unknown, known, near_zero], base)
    assert wide == 1.0
    assert narrow < 0.01
    # the base has effects of vLLM, and that on this term is nearly zero: it knows vLLM
    assert small < 0.1


def test_effects_of_undated_cases_hold_on_the_day_they_were_measured():
    undated = {
        EffectKey("pace", "cell+day", "H100 vllm m fp8 *"): 0.3,
        EffectKey("pace", "split+period*users", "H100 vllm m fp8 1/1/1/0"): 0.1,
        EffectKey("pace", "family", "Hopper vllm m fp8"): 0.2,
    }
    assert of_its_day(undated, "2026-11-30") == {
        EffectKey("pace", "cell+day", "H100 vllm m fp8 2026-11-30"): 0.3,
        EffectKey("pace", "split+day*users", "H100 vllm m fp8 1/1/1/0 2026-11-30"): 0.1,
    }
