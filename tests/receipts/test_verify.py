"""Runs verified: what was changed is found, and what was not is recomputed to the last figure."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretoken.bench.plan import Closed, Open
from paretoken.bench.receipt import RECEIPT, FigureInputs
from paretoken.bench.run_folder import REQUESTS, SUMMARY, RunFolder
from paretoken.bench.stats.scrape import Gauges, gauge_statistics
from paretoken.errors import BadFile
from paretoken.receipts.verify import verify_run
from tests.support.levels import opened
from tests.support.runs import loaded, scraped
from tests.support.sealed_runs import (
    CONFIG,
    change_latency,
    edit,
    figures,
    forge,
    keep_level,
    sealed_run,
    summary_of,
    without_receipts,
)


def test_a_run_as_measured_is_verified(sound):
    result = verify_run(sound)
    assert result.verdict == "verified" and not result.differences and not result.hashes.faults
    assert result.figures > 1000 and result.hashes.files == 1 + 3 + 3 + 3 * 2
    assert result.hashes.receipt == json.loads((sound / RECEIPT).read_text())["sha256"]


def test_a_changed_latency_is_found_by_hash_and_by_figure(run):
    change_latency(run)
    result = verify_run(run)
    assert result.verdict == "differs"
    assert [(f.path, f.fault) for f in result.hashes.faults] == [("levels/0002/requests.parquet", "changed")]
    assert "latency.ttft_s.mean" in figures(result)
    assert {d.where for d in result.differences} == {f"levels/0002/{SUMMARY}", "points.parquet"}


def test_a_forged_receipt_does_not_hide_that_figures_do_not_follow(run):
    change_latency(run)
    forge(run)
    result = verify_run(run)
    assert not result.hashes.faults and result.hashes.receipt
    assert result.verdict == "differs" and "latency.ttft_s.mean" in figures(result)


def test_a_changed_figure_is_found_with_both_values(run):
    edit(summary_of(run), lambda s: s["throughput"]["window"].update(output_tok_s=12345.0))
    result = verify_run(run)
    change = next(d for d in result.differences if d.figure == "throughput.window.output_tok_s")
    assert change.recorded == 12345.0 and change.recomputed != 12345.0
    assert result.hashes.faults[0].path == f"levels/0001/{SUMMARY}"


def test_a_level_that_says_it_had_fewer_users_differs(run):
    edit(summary_of(run, "0003"), lambda s: s["load"].update(users=3))
    forge(run)
    assert "load.users" in figures(verify_run(run))


def test_a_smaller_gpu_count_than_the_settings_differs(run):
    edit(summary_of(run), lambda s: s.update(n_gpus=4))
    forge(run)
    assert "n_gpus" in figures(verify_run(run))


@pytest.mark.parametrize("receipts", [True, False])
def test_a_deleted_level_is_missed(run, receipts):
    shutil.rmtree(run / "levels" / "0002")
    if not receipts:
        without_receipts(run)
    result = verify_run(run)
    assert result.verdict == "differs"
    assert bool(result.hashes.faults) == receipts
    assert any(d.where == SUMMARY for d in result.differences)


def test_a_run_of_an_earlier_version_is_recomputed_without_hashes(run):
    without_receipts(run)
    result = verify_run(run)
    assert result.verdict == "recomputed" and result.hashes.receipt is None
    change_latency(run)
    assert verify_run(run).verdict == "differs"


def test_a_run_continued_by_this_version_says_which_levels_have_no_hash(run):
    (run / RECEIPT).unlink()
    (run / "levels" / "0001" / RECEIPT).unlink()
    keep_level(RunFolder(run), loaded(8, 20.0), Closed(8))
    result = verify_run(run)
    assert (result.verdict, result.hashes.without) == ("recomputed", ("0001",))


def test_a_receipt_follows_a_run_that_goes_on(run):
    before = verify_run(run).hashes
    keep_level(RunFolder(run), loaded(8, 20.0), Closed(8))
    after = verify_run(run)
    assert after.verdict == "verified" and after.hashes.receipt != before.receipt
    assert after.hashes.files == before.files + 3


def test_gauges_come_from_their_readings_and_counters_are_taken(tmp_path):
    server = scraped(4, 30)
    gauges = Gauges(**{n: gauge_statistics(server.series.get(n, ())) for n in Gauges.__dataclass_fields__})
    run = sealed_run(tmp_path / "run", (4,), server=replace(server, gauges=gauges))
    result = verify_run(run)
    assert result.verdict == "verified" and any("counters" in taken for taken in result.taken)
    edit(summary_of(run), lambda s: s["server"]["gauges"]["running"].update(mean=1.0))
    assert figures(verify_run(run)) >= {"server.gauges.running.mean"}


def test_what_the_workload_repeats_is_in_the_receipt(tmp_path):
    server = replace(scraped(4, 30), gauges=Gauges(), series={}, at_s=())
    server = replace(server, delta=replace(server.delta, cache_hit_rate=0.4))
    run = sealed_run(tmp_path / "run", (4,), server=server, inputs=FigureInputs(implied_hit_rate=0.38))
    assert verify_run(run).verdict == "verified"
    edit(run / "levels" / "0001" / RECEIPT, lambda r: r["inputs"].update(implied_hit_rate=0.0))
    assert any("warnings" in d.figure for d in verify_run(run).differences)
    run = sealed_run(tmp_path / "hits", (4,), server=server)
    without_receipts(run)
    result = verify_run(run)
    assert result.verdict == "recomputed" and any("prefix cache" in taken for taken in result.taken)


def test_an_open_loop_and_repeats(tmp_path):
    run = sealed_run(tmp_path / "run", (2, 2, 2))
    keep_level(RunFolder(run), opened(4.0, 30.0, service_s=0.5, servers=8), Open(np.arange(120) / 4.0, 4.0))
    result = verify_run(run)
    assert result.verdict == "verified", result.differences[:3]
    edit(run / SUMMARY, lambda s: s["repeats"][0]["figures"]["mean_ttft_s"].update(mean=9.0))
    assert figures(verify_run(run)) == {"repeats[0].figures.mean_ttft_s.mean"}


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.head(0),
        lambda t: t.with_columns(due_ns=pl.lit(None, pl.Int64)),
        lambda t: t.with_columns(due_ns=pl.lit("soon")),
        lambda t: t.with_columns(chunk_ns=pl.lit([-(2**62), 2**62], pl.List(pl.Int64))),
        lambda t: t.select("status"),
    ],
)
def test_records_that_no_run_writes_differ_or_are_refused(run, change):
    file = run / "levels" / "0001" / REQUESTS
    change(pl.read_parquet(file)).write_parquet(file)
    assert verify_run(run).verdict == "differs"
    without_receipts(run)
    with suppress(BadFile):
        assert verify_run(run).verdict == "differs"


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["load"].update(users=0),
        lambda s: s["load"].update(users=-3, ramp_s=1e300),
        lambda s: s["stop"].update(warmup_requests=2**62, warmup_s=1e18),
        lambda s: s["load"].update(kind="open", rate=None),
    ],
)
def test_a_summary_that_no_run_writes_differs_or_is_refused(run, change):
    edit(summary_of(run), change)
    forge(run)
    with suppress(BadFile):
        assert verify_run(run).verdict == "differs"


def test_a_folder_without_a_run_or_a_level_is_refused(tmp_path, run):
    with pytest.raises(BadFile, match="holds no run"):
        verify_run(tmp_path)
    without_receipts(run)
    shutil.rmtree(run / "levels")
    with pytest.raises(BadFile, match="no finished level"):
        verify_run(run)


@settings(max_examples=6)
@given(
    users=st.integers(1, 12),
    seconds=st.floats(1.0, 40.0),
    seed=st.integers(0, 1000),
    slo=st.sampled_from(["", "ttft_p90=250ms", "tpot_mean=20ms,e2e_p50=1s"]),
)
def test_every_simulated_run_is_recomputed_to_the_last_figure(users, seconds, seed, slo):
    config = replace(CONFIG, slo=slo, seed=seed, gpus=users)
    with tempfile.TemporaryDirectory() as folder:
        run = sealed_run(Path(folder) / "run", (), config=config)
        keep_level(RunFolder(run), loaded(users, seconds, seed=seed), Closed(users), config=config)
        result = verify_run(run)
    assert result.verdict == "verified", result.differences[:5]
