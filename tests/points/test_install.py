"""Installing a bundle: written whole or not at all, named, counted, and refused in one sentence."""

from __future__ import annotations

import hashlib
import io
import json
import shutil

import polars as pl
import pytest

from paretoken.errors import BadConfig, BadFile, CannotWrite, ParetokenError
from paretoken.points import bundles, install
from tests.support.bundles import DASHBOARD, DUMP, files_below, some_points

API_ROW = {
    "hardware": "mi355x",
    "framework": "sglang",
    "model": "dsr1",
    "precision": "fp4",
    "spec_method": "none",
    "disagg": False,
    "is_multinode": False,
    "prefill_tp": 4,
    "decode_tp": 4,
    "num_prefill_gpu": 4,
    "num_decode_gpu": 4,
    "isl": 1024,
    "osl": 1024,
    "conc": 4,
    "image": "lmsysorg/sglang:v0.5.9-rocm700-mi35x",
    "metrics": {"tput_per_gpu": 180.0, "median_tpot": 0.01, "median_intvty": 100.0, "median_ttft": 0.1},
    "date": "2026-02-27",
    "run_url": "https://github.com/SemiAnalysisAI/InferenceX/actions/runs/1/attempts/1",
}
"""A row in the form of /api/v1/benchmarks, with figures of our own."""


def test_a_bundle_states_where_it_is_from(add, data_folder):
    m = add(DUMP, name="week-12").manifest
    assert m.name == "week-12" and m.location == "inferencex_dump" and m.importer.startswith("InferenceX database,")
    assert m.sources == ("InferenceX database",) and "Apache-2.0" in m.licences[0]
    assert (m.first_day, m.last_day) == ("2026-03-01", "2026-03-01")
    data = (data_folder / "week-12" / "points.parquet").read_bytes()
    assert m.points_sha256 == hashlib.sha256(data).hexdigest()
    assert m.rows == pl.read_parquet(io.BytesIO(data)).height
    assert bundles.read_manifest(data_folder / "week-12" / "manifest.toml") == m
    assert [p.name for p in data_folder.iterdir()] == ["week-12"]


def test_skipped_rows_are_counted_by_reason(add):
    reasons = {s.reason: s.rows for s in add(DASHBOARD).manifest.skipped}
    assert reasons["is a failed run: its throughput is 0"] == 1 and sum(reasons.values()) == 2


def test_a_bundle_is_named_for_its_source_and_the_day(add):
    first, second = add(DASHBOARD), add(DUMP)
    assert first.name.startswith("rocm-atom-dashboard-20") and second.name.startswith("inferencex-database-20")


def test_the_same_input_is_not_installed_twice(add, catalog):
    name = add(DASHBOARD).name
    again = install.install(str(DASHBOARD), catalog)
    assert not again.new and again.bundle.name == name and len(bundles.installed()) == 1


def test_a_bundle_is_never_written_over(add, data_folder):
    add(DASHBOARD, name="may")
    before = files_below(data_folder)
    with pytest.raises(BadConfig, match="never changes; choose another name"):
        add(DUMP, name="may")
    assert files_below(data_folder) == before


@pytest.mark.parametrize("name", ["shipped", "../x", "2026-05-01", "", ".hidden", "a/b", "x" * 65])
def test_bad_names_are_refused(add, name):
    with pytest.raises(BadConfig, match="cannot be named"):
        add(DASHBOARD, name=name)


def test_the_hash_of_the_input_is_checked(add, data_folder):
    digest = hashlib.sha256(DASHBOARD.read_bytes()).hexdigest()
    with pytest.raises(BadFile, match=f"has the SHA-256 {digest}, not 00"):
        add(DASHBOARD, expected_sha256="00")
    assert not bundles.installed()
    assert add(DASHBOARD, expected_sha256=digest.upper()).manifest.input_sha256 == digest


def test_rows_of_a_dump_are_named_for_their_run(add, tmp_path):
    dump = tmp_path / "dump"
    shutil.copytree(DUMP, dump)
    results = json.loads((dump / "benchmark_results.json").read_text())
    (dump / "benchmark_results.json").write_text(json.dumps([{**r, "workflow_run_id": "9"} for r in results]))
    assert set(add(dump, name="a").read()["source_ref"]) == {"workflow run 9"}
    run = {"id": 9, "html_url": "https://github.com/x/y/actions/runs/1", "run_attempt": 2}
    (dump / "workflow_runs.json").write_text(json.dumps([run]))
    assert set(add(dump, name="b").read()["source_ref"]) == {f"{run['html_url']}/attempts/2"}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cut.json", '[\n{"hardware": "b200", "framework": "vllm"},\n{"hardware": "b2', "may be truncated"),
        ("cut.json", '[\n{"hardware": "b200"}\n', "may be truncated"),
        ("configs.json", '{"configs": [{"id": 1}], "benchmark_results": []}', "no column 'hardware'"),
        ("page.html", "<html></html>", "looks like a page of HTML"),
        ("empty", "", "is empty"),
    ],
)
def test_a_file_that_is_not_whole_or_of_another_form_is_one_sentence(add, tmp_path, data_folder, name, content, says):
    add(DASHBOARD, name="old")
    before = files_below(data_folder)
    (tmp_path / name).write_text(content)
    with pytest.raises(ParetokenError, match=says) as e:
        add(tmp_path / name)
    assert "\n" not in str(e.value) and files_below(data_folder) == before


def test_json_lines_cut_off_in_the_middle_are_refused(add, tmp_path):
    lines = "\n".join(json.dumps(API_ROW) for _ in range(3))
    (tmp_path / "cut.jsonl").write_text(lines[:-20])
    with pytest.raises(BadFile, match="line 3 is not whole; the file may be truncated"):
        add(tmp_path / "cut.jsonl")


def test_the_answer_of_the_public_api_is_read(add, tmp_path):
    rows = [API_ROW, {**API_ROW, "conc": 8, "hardware": "x9"}, {**API_ROW, "conc": 16, "hardware": "m355x"}]
    (tmp_path / "benchmarks.json").write_text(json.dumps(rows))
    made = add(tmp_path / "benchmarks.json")
    assert made.read().row(0, named=True) | {
        "source": "InferenceX database",
        "source_ref": API_ROW["run_url"],
        "accelerator": "MI355X",
        "n_gpus": 4,
        "total_tput_per_gpu_tok_s": 180.0,
    } == made.read().row(0, named=True)
    assert made.read()["accelerator"].to_list() == ["MI355X", "x9"]
    assert [s.rows for s in made.manifest.skipped] == [1] and "m355x" in made.manifest.skipped[0].reason


def test_a_dump_of_a_later_schema_says_which_column_is_missing(add, tmp_path):
    later = tmp_path / "later"
    shutil.copytree(DUMP, later)
    results = json.loads((later / "benchmark_results.json").read_text())
    (later / "benchmark_results.json").write_text(json.dumps([{"config": r["config_id"], "m": 1} for r in results]))
    with pytest.raises(BadFile, match=r"benchmark_results has no column 'config_id'.*update paretoken"):
        add(later)


def test_points_of_a_later_schema_are_refused(add, tmp_path):
    path = tmp_path / "later.parquet"
    some_points().write_parquet(path, metadata={"paretoken.operating_points.version": "99"})
    with pytest.raises(BadFile, match="schema version 99, newer than"):
        add(path)


def test_a_full_disk_leaves_the_old_bundles(add, monkeypatch, data_folder):
    add(DASHBOARD, name="old")
    before = files_below(data_folder)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CannotWrite, match="No space left on device; nothing was installed"):
        add(DUMP)
    assert files_below(data_folder) == before and [p.name for p in data_folder.iterdir()] == ["old"]
