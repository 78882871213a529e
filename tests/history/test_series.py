"""Series of nightly points: planted steps, failed and repeated nights, several runs a day, and what is no series."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from paretoken.answers.history import HistoryQuestion, history
from paretoken.answers.points import Data
from paretoken.history.across_loads import configuration_changes
from paretoken.history.series import series_at_latency, series_at_load
from paretoken.points.files import write_points
from paretoken.points.published import prepare
from paretoken.points.schema import conform

START = date(2026, 3, 1)
LOADS = (4, 16, 64)
NIGHTS = 19


def nights(levels, loads=LOADS, *, seed=0, **columns) -> pl.DataFrame:
    """Nightly runs of one configuration: each load's throughput times the night's level, with 0.7 % of noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, level in enumerate(levels):
        day = START + timedelta(days=i)
        for load in loads:
            tok_s_per_gpu = 100 * load**0.7 * level * np.exp(rng.normal(0, 0.007))
            rows.append(
                {
                    "origin": "published",
                    "source": "nightly",
                    "date": day.isoformat(),
                    "notes": f"commit {i:09x}",
                    "accelerator": "MI355X",
                    "n_gpus": 8,
                    "model": "deepseek-r1",
                    "precision": "fp8",
                    "engine": "atom",
                    "engine_version": f"image:nightly_{i:02d}",
                    "tp": 8,
                    "speculative": "none",
                    "isl": 1024,
                    "osl": 1024,
                    "load_kind": "closed",
                    "concurrency": float(load),
                    "total_tput_per_gpu_tok_s": tok_s_per_gpu,
                    "mean_tpot_s": load * 2048 / (tok_s_per_gpu * 8) / 1100,
                    "mean_ttft_s": 0.1 + 0.001 * rng.random(),
                }
                | columns
            )
    return conform(pl.DataFrame(rows, infer_schema_length=None))


def stepped(at: int, change: float, n: int = NIGHTS) -> list[float]:
    return [1.0 if i < at else 1 + change for i in range(n)]


def at_load(*tables: pl.DataFrame, **options):
    return series_at_load(prepare(pl.concat(tables)), **options)


@pytest.mark.parametrize("change", [-0.2, 0.3])
def test_a_planted_step_names_its_nights_images_and_commits(change):
    series = at_load(nights(stepped(8, change)))
    assert len(series) == len(LOADS)
    for s in series:
        (step,) = s.steps
        assert (step.last_date_before, step.date) == ("2026-03-08", "2026-03-09")
        assert (step.image_before, step.image_after) == ("image:nightly_07", "image:nightly_08")
        assert (step.commit_before, step.commit_after) == (f"{7:09x}", f"{8:09x}")
        assert step.regression == (change < 0) and step.confirmed
        assert step.low < step.change < step.high and step.change == pytest.approx(change, abs=0.03)


def test_pure_noise_has_few_steps():
    """One in a hundred series, of 120 some one or two."""
    steps = [s.steps for seed in range(40) for s in at_load(nights([1.0] * NIGHTS, seed=seed), smallest=0.0)]
    assert len(steps) == 120 and sum(map(bool, steps)) <= 6


def test_a_failed_night_is_no_step_flagged_or_not():
    """Half the throughput for a night: at every load, or at one, where the neighbours in load betray it."""
    levels = [1.0] * NIGHTS
    levels[9] = 0.5
    assert not any(s.steps for s in at_load(nights(levels)))
    one = nights([1.0] * NIGHTS).with_columns(
        total_tput_per_gpu_tok_s=pl.when((pl.col("date") == "2026-03-10") & (pl.col("concurrency") == 16))
        .then(pl.col("total_tput_per_gpu_tok_s") / 2)
        .otherwise("total_tput_per_gpu_tok_s")
    )
    assert not any(s.steps for s in at_load(one))


def test_the_level_before_a_step_ends_at_the_last_sound_night():
    levels = stepped(10, -0.2)
    levels[9] = 0.5
    for s in at_load(nights(levels)):
        assert [(x.last_date_before, x.date) for x in s.steps] == [("2026-03-09", "2026-03-11")]


def test_missing_nights_are_no_step():
    table = nights(stepped(40, 0.0, 40)).filter(~pl.col("date").is_between(pl.lit("2026-03-08"), pl.lit("2026-03-25")))
    series = at_load(table)
    assert {len(s.dates) for s in series} == {22} and not any(s.steps for s in series)


def test_runs_of_one_day_are_pooled():
    both = at_load(nights(stepped(8, -0.2)), nights(stepped(8, -0.2), seed=1, engine_version="image:other"))
    for s in both:
        assert len(s.dates) == NIGHTS and len(s.steps) == 1
        assert s.steps[0].image_after == "image:nightly_08, image:other"


def test_a_run_published_again_under_a_later_date_counts_on_its_first():
    table = nights([1.0] * 6)
    again = table.filter(pl.col("date") == "2026-03-06").with_columns(date=pl.lit("2026-03-09"))
    assert all(s.dates[-1] == "2026-03-06" for s in at_load(table, again))


@pytest.mark.parametrize(
    "other",
    [{"mean_isl": 921.6, "mean_osl": 921.6}, {"source": "another harness"}, {"kv_cache_dtype": "fp8"}, {"n_gpus": 4}],
)
def test_what_changes_speed_is_a_series_of_its_own(other):
    """Half as fast from one night on, but not measured alike: no step."""
    later = nights([1.0] * 8 + [0.5] * 8, seed=1, **other).filter(pl.col("date") > "2026-03-08")
    series = at_load(nights([1.0] * 8), later)
    assert {len(s.dates) for s in series} == {8} and not any(s.steps for s in series)


def test_at_latency_a_night_with_fewer_loads_is_no_step():
    """Half the nights lack the highest load: the curve is read at the loads that most nights have."""
    table = nights([1.0] * 16, (2, 4, 8, 16, 32, 64))
    fewer = table.filter((pl.col("concurrency") < 64) | (pl.col("date") < "2026-03-08"))
    (series,) = series_at_latency(prepare(fewer), "interactivity", 180.0)
    assert len(series.dates) == 16 and not series.steps


def test_at_latency_a_planted_step():
    (series,) = series_at_latency(prepare(nights(stepped(8, -0.2, 16), (2, 4, 8, 16, 32, 64))), "interactivity", 180.0)
    assert [(s.date, s.regression) for s in series.steps] == [("2026-03-09", True)]


class TestAcrossLoads:
    def test_the_loads_of_a_configuration_are_one_change(self):
        (change,) = configuration_changes(at_load(nights(stepped(8, -0.2))))
        assert (change.steps, change.series, change.loads) == (3, 3, (4.0, 16.0, 64.0))
        assert abs(change.least) <= abs(change.change) <= abs(change.most)
        assert change.of["tp"] == 8 and "concurrency" not in change.of

    def test_both_signs_and_other_configurations_are_apart(self):
        changes = configuration_changes(at_load(nights(stepped(8, -0.2)), nights(stepped(8, 0.3), tp=4, n_gpus=4)))
        assert [(c.of["tp"], c.regression) for c in changes] == [(8, True), (4, False)]

    def test_unconfirmed_ones_come_last(self):
        changes = configuration_changes(at_load(nights(stepped(18, -0.2)), nights(stepped(8, 0.3), tp=4, n_gpus=4)))
        assert [(c.confirmed, c.of["tp"]) for c in changes] == [(True, 4), (False, 8)]

    def test_the_last_date_before_is_the_latest_of_the_loads(self):
        table = nights(stepped(8, -0.2)).filter(~((pl.col("date") == "2026-03-08") & (pl.col("concurrency") == 64)))
        (change,) = configuration_changes(at_load(table))
        assert change.last_date_before == "2026-03-08" and change.image_before == "image:nightly_07"


def test_the_answer_keeps_changes_and_series(catalog):
    data = Data(catalog, prepare(pl.concat([nights(stepped(8, -0.2)), nights([1.0] * 8, tp=4, n_gpus=4)])))
    answer = history(HistoryQuestion(steps_only=True), data)
    assert len(answer.series) == 3 and len(answer.changes) == 1
    assert len(history(HistoryQuestion(engine="atom"), data).series) == 6


def test_the_command_shows_what_a_reader_acts_on(call, tmp_path):
    write_points(nights(stepped(8, -0.2)), tmp_path / "nightly.parquet")
    code, out, _ = call(f"history --no-published --points {tmp_path / 'nightly.parquet'}")
    assert code == 0
    assert "REGRESSION between 2026-03-08 and 2026-03-09: MI355X atom" in out
    assert "at 4 to 64 concurrent requests" in out and "over 3 of 3 loads" in out
    assert "image image:nightly_07 → image:nightly_08" in out and f"commit {7:09x} → {8:09x}" in out
