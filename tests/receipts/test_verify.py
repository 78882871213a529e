"""Runs verified: what was changed is found, and what was not is recomputed to the last figure."""

from __future__ import annotations

import json
import os
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

from paretoken.accuracy.gate_file import Gate, write_gate
from paretoken.bench.plan import Closed, Open
from paretoken.bench.quick_climb import climb_answer
from paretoken.bench.receipt import GATE, OF_LEVEL, OF_RUN, RECEIPT, FigureInputs, add_to_run_receipt
from paretoken.bench.run_folder import REQUESTS, RUN, SUMMARY, RunFolder
from paretoken.bench.schedule import SearchOutcome, search_of
from paretoken.bench.stats.scrape import Gauges, gauge_statistics
from paretoken.errors import BadFile
from paretoken.receipts.differences import _leaves, plain
from paretoken.receipts.figures import is_figure, is_point_figure
from paretoken.receipts.hashes import check_hashes
from paretoken.receipts.sealed_files import is_run_file, run_paths
from paretoken.receipts.verify import _AS_RECORDED, verify_run
from tests.support.levels import opened
from tests.support.runs import loaded, scraped
from tests.support.sealed_runs import (
    CONFIG,
    change_latency,
    edit,
    forge,
    keep_level,
    sealed_run,
    summary_of,
    without_receipts,
)


def figures(result) -> set[str]:
    return {d.figure for d in result.differences}


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


def test_an_added_level_is_not_listed(run):
    shutil.copytree(run / "levels" / "0002", run / "levels" / "0004")
    result = verify_run(run)
    assert ("levels/0004/receipt.json", "not listed") in [(f.path, f.fault) for f in result.hashes.faults]


NAMES = (*OF_RUN, *(f"levels/0001/{name}" for name in (*OF_LEVEL, RECEIPT)))
"""Every file that a run of one level may have, but for its receipt, which has its own hash."""


@pytest.mark.parametrize("path", NAMES)
def test_a_changed_or_added_file_is_at_fault(run, path):
    """Whatever its name: the run of the test has some of these, and none of the others."""
    assert is_run_file(path)
    fault = "changed" if (run / path).exists() else "not listed"
    with (run / path).open("ab") as file:
        file.write(b" ")
    assert (path, fault) in [(f.path, f.fault) for f in check_hashes(run, ("0001", "0002", "0003")).faults]


@pytest.mark.parametrize("name", [*OF_LEVEL, RECEIPT])
def test_a_file_of_a_level_that_no_receipt_names_is_at_fault(run, name):
    (run / "levels" / "0009").mkdir()
    (run / "levels" / "0009" / name).write_bytes(b"{}")
    hashes = check_hashes(run, ("0001", "0002", "0003"))
    assert [(f.path, f.fault) for f in hashes.faults] == [(f"levels/0009/{name}", "not listed")] and not hashes.whole


def test_a_run_with_an_added_file_is_not_verified(run):
    (run / "levels" / "0001" / "telemetry.json").write_text("{}")
    assert verify_run(run).verdict == "differs"


def test_a_file_of_a_level_without_a_hash_leaves_the_run_recomputed(run):
    (run / RECEIPT).unlink()
    (run / "levels" / "0001" / RECEIPT).unlink()
    keep_level(RunFolder(run), loaded(8, 20.0), Closed(8))
    assert not verify_run(run).hashes.faults
    (run / "levels" / "0002" / "telemetry.json").write_text("{}")
    assert [f.path for f in verify_run(run).hashes.faults] == ["levels/0002/telemetry.json"]


def test_an_attached_verdict_has_a_hash_and_hides_no_change(run, call, tmp_path):
    write_gate(Gate(model="m", engine="vllm", endpoint="h/v1", made="2026-01-01", tiers=()), tmp_path / "verdict.json")
    assert call(f"accuracy attach verdict.json {run}")[0] == 0
    hashes = check_hashes(run, ("0001", "0002", "0003"))
    assert hashes.whole and hashes.files == 1 + 4 + 3 + 3 * 2
    edit(run / GATE, lambda g: g.update(verdict="PASS", model="n"))
    assert [f.path for f in check_hashes(run, ()).faults] == [GATE]
    edit(run / RUN, lambda m: m.update(notes=["x"]))
    assert call(f"accuracy attach verdict.json {run}")[0] == 0
    assert [f.path for f in check_hashes(run, ()).faults] == [RUN]


def test_a_receipt_that_was_edited_is_not_written_anew(run):
    edit(run / RECEIPT, lambda r: r.update(command="paretoken bench elsewhere"))
    content = (run / RECEIPT).read_text().rstrip("}") + "\n}"
    (run / RECEIPT).write_text(content)
    add_to_run_receipt(run, (GATE,))
    assert (run / RECEIPT).read_text() == content


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


def test_the_answer_of_a_search_follows_from_its_levels(tmp_path):
    run = searched(tmp_path / "run")
    assert RunFolder(run).search_answer()["users"] == 4 and verify_run(run).verdict == "verified"
    edit(run / SUMMARY, lambda s: s["answer"].update(users=2))
    assert figures(verify_run(run)) == {"answer.users"}


def test_the_answer_of_quick_follows_from_its_levels(tmp_path):
    config = replace(CONFIG, search="slo", slo="ttft_p90=1s,tpot_p50=1s")
    run = sealed_run(tmp_path / "run", (1, 2), config=config)
    answer = climb_answer({level.summary.load.users: level.summary for level in RunFolder(run).levels()}, config.slo)
    RunFolder(run).refresh(answer)
    assert answer["users"] == 2 and verify_run(run).verdict == "verified"
    edit(run / SUMMARY, lambda s: s["answer"].update(users=4))
    assert figures(verify_run(run)) == {"answer.users"}


def searched(path: Path, users: tuple[int, ...] = (1, 2, 4)) -> Path:
    """A run of a search that ended, its answer the greatest of these loads."""
    config = replace(CONFIG, search="slo", concurrency="1:4:x2", slo="ttft_p90=1s")
    run = sealed_run(path, users, config=config)
    outcome = SearchOutcome(search_of(config), config.slo)
    for level in RunFolder(run).levels():
        outcome.observe(level.summary.load.users, level.summary)
    RunFolder(run).refresh(outcome.answer())
    return run


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"kind": "climb", "users": 9999},
        {"kind": "climb", "ended": "throughput no longer grows"},
        {"kind": "knee", "users": 9999},
        {"kind": "knee", "users": 4, "steps": 3, "doubts": []},
        {"kind": "slo", "users": 9999, "steps": 3, "slo": "ttft_p90=1s"},
    ],
)
def test_no_other_answer_of_a_search_is_taken_as_recorded(tmp_path, answer):
    run = searched(tmp_path / "run")
    edit(run / SUMMARY, lambda s: s.update(answer=answer))
    forge(run)
    result = verify_run(run)
    assert not result.hashes.faults and result.verdict == "differs"
    assert all(figure.startswith("answer") for figure in figures(result))


def test_a_search_that_was_cut_has_no_answer_and_says_so(tmp_path):
    run = searched(tmp_path / "run", (1,))
    edit(run / SUMMARY, lambda s: s.update(answer=None))
    forge(run)
    result = verify_run(run)
    assert result.verdict == "verified" and any("no answer" in taken for taken in result.taken)


@pytest.mark.parametrize("answer", [{"kind": "climb", "users": 9999, "ended": "x"}, {"kind": "slo", "users": 9999}])
def test_a_run_without_a_search_has_no_answer_with_a_load(run, answer):
    edit(run / SUMMARY, lambda s: s.update(answer=answer))
    forge(run)
    assert verify_run(run).verdict == "differs"
    edit(run / SUMMARY, lambda s: s.update(answer={"kind": "climb", "ended": "throughput no longer grows"}))
    forge(run)
    result = verify_run(run)
    assert result.verdict == "verified" and any("climb" in taken for taken in result.taken)


def test_only_recomputed_numbers_count_as_figures(sound):
    """One more level adds its numbers once, however often summary.json repeats it."""
    result = verify_run(sound)
    numbers = [
        (path, value)
        for summary in result.summaries
        for path, value in _leaves(plain(summary), "")
        if is_figure(path, value) and path.split(".")[0] not in _AS_RECORDED
    ]
    rows = pl.read_parquet(sound / "points.parquet").to_dicts()
    of_points = [name for row in rows for name, value in row.items() if is_point_figure(name, value)]
    assert result.figures == len(numbers) + len(of_points)
    copies = json.loads((sound / SUMMARY).read_text())["levels"]
    assert result.copies == len(list(_leaves(copies, "levels")))
    paths = {path.partition("[")[0] for path, _ in numbers}
    assert not {p for p in paths if p.startswith(("config", "warnings", "seed", "n_gpus", "load", "columns", "SCHEMA"))}


def test_a_changed_copy_of_a_figure_differs(run):
    edit(run / SUMMARY, lambda s: s["levels"][0]["latency"]["ttft_s"].update(mean=1.0))
    forge(run)
    assert figures(verify_run(run)) == {"levels[0].latency.ttft_s.mean"}


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


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd", "levels/0001/../../../x", "notes.txt"])
def test_a_receipt_cannot_name_other_files(run, name):
    edit(run / RECEIPT, lambda r: r["files"].append({"path": name, "sha256": "0" * 64, "bytes": 1}))
    with pytest.raises(BadFile):
        verify_run(run)


def test_a_link_in_place_of_a_file_is_no_file_of_the_run(run, tmp_path):
    file = run / "levels" / "0001" / REQUESTS
    file.rename(tmp_path / "elsewhere.parquet")
    file.symlink_to(tmp_path / "elsewhere.parquet")
    assert [f.fault for f in verify_run(run).hashes.faults] == ["link"]


def test_a_folder_without_a_run_or_a_level_is_refused(tmp_path, run):
    with pytest.raises(BadFile, match="holds no run"):
        verify_run(tmp_path)
    without_receipts(run)
    shutil.rmtree(run / "levels")
    with pytest.raises(BadFile, match="no finished level"):
        verify_run(run)


def flipped(run: Path, folder: Path, data: st.DataObject) -> Path:
    """The run with one bit of one file flipped."""
    file = data.draw(st.sampled_from(run_paths(run)))
    content = bytearray((run / file).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    copy = Path(shutil.copytree(run, folder / "run", copy_function=os.link))
    (copy / file).unlink()
    (copy / file).write_bytes(content)
    return copy


@settings(max_examples=60)
@given(data=st.data())
def test_any_flipped_bit_of_a_hashed_file_is_noticed(sound, data):
    with tempfile.TemporaryDirectory() as folder:
        copy = flipped(sound, Path(folder), data)
        with suppress(BadFile):  # a receipt that cannot be read is as clear
            assert check_hashes(copy, ("0001", "0002", "0003")).faults


@settings(max_examples=8)
@given(data=st.data())
def test_a_run_with_a_flipped_bit_differs_or_cannot_be_read(sound, data):
    with tempfile.TemporaryDirectory() as folder:
        copy = flipped(sound, Path(folder), data)
        with suppress(BadFile):
            assert verify_run(copy).verdict == "differs"


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
